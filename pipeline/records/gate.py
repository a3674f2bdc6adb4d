"""The gate: which version is @challenger, and whether it takes the place of the @champion."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.core.git import UNKNOWN
from pipeline.core.terminal import UserError
from pipeline.records.named import find_named
from pipeline.records.registry import MODEL_NAME, Version, list_versions
from pipeline.records.store import Store, store_errors, store_lock

CHALLENGER = "challenger"
CHAMPION = "champion"
SCORE = "test.miou"
DATA = "data.index_md5"
TAGS = "gate."  # what all that the gate writes on a version begins with


@dataclass(frozen=True)
class Decision:
    """What the gate decided on a version, why, and by which numbers."""

    version: int
    champion: bool  # whether the version is the champion now
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def contestants(store: Store, number: int | None = None) -> tuple[Version, Version | None]:
    """The version of the number, else the newest, and the champion, if any: perhaps the same.

    Raises UserError if there is no such version or the store fails.
    """
    with store_errors(store.uri):
        versions = list_versions(store)
    if not versions:
        raise UserError(f"no version of {MODEL_NAME} is registered yet: run `dvc repro`")
    challenger = versions[0] if number is None else find_named(versions, str(number))
    return challenger, _champion(versions)


def decide_by_origin(challenger: Version, champion: Version | None) -> Decision | None:
    """The decision that needs no scores; None if they are for the scores to decide.

    The first version is champion, and models of another data set do not compare.
    """
    number = challenger.number
    if champion is None:
        return Decision(number, True, "there was no champion")
    if champion.number == number:
        return Decision(number, True, "it is the champion already")
    if not _same_data(challenger, champion):
        return Decision(
            number,
            False,
            f"it was trained on another data set ({data_name(challenger)}) than the champion, "
            f"version {champion.number} ({data_name(champion)}), so that their scores do not "
            f"compare; to put it in place all the same: make promote VERSION={number}",
        )
    return None


def settle(
    store: Store, decision: Decision, champion: Version | None, number: int | None = None
) -> None:
    """Name the version @challenger, write the decision on it, and make it @champion if so decided.

    `champion`: the one that the decision was made against; `number`: as of `contestants`. Raises
    UserError, and changes nothing, if they are others by now.
    """
    with store_errors(store.uri), store_lock():
        challenger, present = contestants(store, number)
        if (challenger.number, _number(present)) != (decision.version, _number(champion)):
            raise UserError("the registry changed while the gate decided: run it again")
        version = str(decision.version)
        store.client.set_registered_model_alias(MODEL_NAME, CHALLENGER, version)
        if champion is None or champion.number != decision.version:
            _record(store, challenger, decision, champion)


def promote(store: Store, number: int) -> Decision:
    """Make a version the champion because a person says so."""
    with store_lock():
        versions = list_versions(store)
        version = find_named(versions, str(number))
        decision = Decision(number, True, "promoted by hand")
        _record(store, version, decision, _champion(versions))
        return decision


def data_name(version: Version) -> str:
    """Name and digest of the version's data set, for people: `oxford 5c4f3ee`."""
    return f"{version.tags.get('data.name', UNKNOWN)} {version.tags.get(DATA, UNKNOWN)[:7]}"


def _champion(versions: list[Version]) -> Version | None:
    return next((each for each in versions if CHAMPION in each.aliases), None)


def _number(version: Version | None) -> int | None:
    return version.number if version else None


def _same_data(one: Version, other: Version) -> bool:
    data = one.tags.get(DATA, UNKNOWN)
    return data != UNKNOWN and data == other.tags.get(DATA)


def _record(store: Store, version: Version, decision: Decision, champion: Version | None) -> None:
    """Write reason and numbers on the version, and move the alias if that was decided."""
    number = str(version.number)
    tags = {
        f"{TAGS}decision": "champion" if decision.champion else "refused",
        f"{TAGS}reason": decision.reason,
        f"{TAGS}against": str(_number(champion) or "none"),
        **{f"{TAGS}{name}": _text(value) for name, value in decision.numbers.items()},
    }
    for key in version.tags:
        if key.startswith(TAGS) and key not in tags:  # of an earlier decision
            store.client.delete_model_version_tag(MODEL_NAME, number, key)
    for key, value in tags.items():
        store.client.set_model_version_tag(MODEL_NAME, number, key, value)
    if decision.champion:
        store.client.set_registered_model_alias(MODEL_NAME, CHAMPION, number)


def _text(value: float) -> str:
    """Whole numbers as they are, others with four decimals and without a negative zero."""
    return str(value) if isinstance(value, int) else f"{round(value, 4) + 0.0:.4f}"
