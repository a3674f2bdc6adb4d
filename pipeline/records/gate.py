"""The gate: which version is @challenger, and whether it takes the place of the @champion."""

from dataclasses import dataclass

from pipeline.records.lineage import UNKNOWN
from pipeline.records.registry import MODEL_NAME, Version, list_versions
from pipeline.records.store import Store, store_lock
from pipeline.terminal import UserError

CHALLENGER = "challenger"
CHAMPION = "champion"
SCORE = "test.miou"
DATA = "data.index_md5"


@dataclass(frozen=True)
class Decision:
    """What the gate decided on a version, and why."""

    version: int
    champion: bool  # whether the version is the champion now
    reason: str


def run_gate(store: Store) -> Decision:
    """Name the newest version @challenger and, if `judge` says so, @champion.

    The reason is written on the version either way. Raises UserError if there is no version.
    """
    with store_lock():
        versions = list_versions(store)
        if not versions:
            raise UserError(f"no version of {MODEL_NAME} is registered yet: run `dvc repro`")
        newest = versions[0]
        champion = next((each for each in versions if CHAMPION in each.aliases), None)
        store.client.set_registered_model_alias(MODEL_NAME, CHALLENGER, str(newest.number))
        if champion == newest:
            return Decision(newest.number, True, "it is the champion already")
        decision = judge(newest, champion)
        _record(store, decision, champion)
        return decision


def judge(challenger: Version, champion: Version | None) -> Decision:
    """The better test mIoU on the same data set is champion; others do not compare."""
    number = challenger.number
    if champion is None:
        return Decision(number, True, "there was no champion")
    if not _same_data(challenger, champion):
        return Decision(
            number,
            False,
            f"it was trained on another data set ({_data_name(challenger)}) than the champion, "
            f"version {champion.number} ({_data_name(champion)}), so that their scores do not "
            f"compare; to put it in place all the same: make promote VERSION={number}",
        )
    if SCORE not in challenger.tags or SCORE not in champion.tags:
        return Decision(number, False, f"{SCORE} is not known of both versions")
    new, old = float(challenger.tags[SCORE]), float(champion.tags[SCORE])
    verdict = "better" if new > old else "not better"
    return Decision(
        number,
        new > old,
        f"{SCORE} {new:.4f} is {verdict} than {old:.4f} of the champion, version {champion.number}",
    )


def promote(store: Store, number: int) -> Decision:
    """Make a version the champion because a person says so."""
    with store_lock():
        versions = list_versions(store)
        if number not in {each.number for each in versions}:
            known = ", ".join(str(each.number) for each in reversed(versions)) or "none"
            raise UserError(f"{MODEL_NAME} has no version {number}; registered: {known}")
        champion = next((each for each in versions if CHAMPION in each.aliases), None)
        decision = Decision(number, True, "promoted by hand")
        _record(store, decision, champion)
        return decision


def _same_data(one: Version, other: Version) -> bool:
    data = one.tags.get(DATA, UNKNOWN)
    return data != UNKNOWN and data == other.tags.get(DATA)


def _data_name(version: Version) -> str:
    return f"{version.tags.get('data.name', UNKNOWN)} {version.tags.get(DATA, UNKNOWN)[:7]}"


def _record(store: Store, decision: Decision, champion: Version | None) -> None:
    """Write the reason on the version, and move the alias if that was decided."""
    version = str(decision.version)
    tags = {
        "gate.decision": "champion" if decision.champion else "refused",
        "gate.reason": decision.reason,
        "gate.against": str(champion.number) if champion else "none",
    }
    for key, value in tags.items():
        store.client.set_model_version_tag(MODEL_NAME, version, key, value)
    if decision.champion:
        store.client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)
