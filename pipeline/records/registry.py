"""Register exported models as versions, and move the aliases on them."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import LoggedModel, LoggedModelOutput, Metric
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.records.card import MODEL, describe
from pipeline.records.lineage import log_export_snapshot
from pipeline.records.packaging import exported_files, pack_model
from pipeline.records.runs import Run, numbers
from pipeline.records.store import Store, store_errors, store_lock, unless_it_exists
from pipeline.records.versions import (
    CHALLENGER,
    CHAMPION,
    CHANGED_TAG,
    CHECKPOINT_TAG,
    FILE_TAGS,
    INT8_FILE,
    INT8_OFFERED_TAG,
    INT8_TAG,
    ONNX_TAG,
    RUN_TAG,
    Version,
    find_champion,
    find_named,
    list_versions,
    model_name,
)

GATE_TAGS = "gate."  # the beginning of each tag that the gate writes on a version
MONITOR_TAGS = "monitor."  # likewise, of what the monitor found last

# The tags of the run that a version repeats, so that it explains itself.
LINEAGE = (
    *(CHECKPOINT_TAG, "git.commit", "git.dirty", "code.digest", "restored", "dvc.exp_name"),
    *(CHANGED_TAG, "data.name", "data.digest", "data.index_md5"),
)


@dataclass(frozen=True)
class Decision:
    """The gate's decision on a version, its reason, and the numbers that it rests on."""

    version: int
    champion: bool  # whether the version is the champion now
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def register_model(run: Run, onnx_file: Path, scores: Mapping[str, Any]) -> int:
    """Register the exported model under its run, once for each content; return the version.

    The INT8 file and the reference beside it, if there are any, go into the version too. The
    version is tagged with its lineage and the `tags_of` its files. Scores and further files of a
    file that is registered already are updated. No alias moves. Raises UserError if the store
    fails.
    """
    store = run.store
    tags = tags_of(onnx_file, scores) | {RUN_TAG: run.run_id}
    with store_errors(store.uri), store_lock():
        # The lineage of the training, not of what happens to be checked out now.
        trained = store.client.get_run(run.run_id).data.tags
        tags = {key: trained[key] for key in LINEAGE if key in trained} | tags
        known = next((each for each in list_versions(store.uri) if holds(each, tags)), None)
        if known is None:
            tags |= log_export_snapshot(store, run.run_id, tags)
            number = _keep_first(store, _create_version(run, onnx_file, tags), tags)
            _describe(store, number, tags)
            return number
        kept, added = known.local_files.items(), FILE_TAGS.values()
        intact = all(file.is_file() and file_digest(file) == sha256 for file, sha256 in kept)
        if any(known.tags.get(tag) != tags.get(tag, known.tags.get(tag)) for tag in added):
            tags |= log_export_snapshot(store, run.run_id, tags)
            intact = False
        if not intact:
            _replace_files(store, known, onnx_file)
        version = str(known.number)
        said = store.client.get_model_version(model_name(), version).description
        gone = {tag for tag in known.tags.keys() - tags.keys() if tag.startswith("test.")}
        if not said or said == describe(known.number, known.tags):  # else a person wrote it
            still = {tag: text for tag, text in known.tags.items() if tag not in gone}
            card = describe(known.number, still | tags)
            store.client.update_model_version(model_name(), version, card)
        for key, value in tags.items():
            store.client.set_model_version_tag(model_name(), version, key, value)
        for key in gone:  # of reviews that were taken back
            store.client.delete_model_version_tag(model_name(), version, key)
        return known.number


def holds(version: Version, tags: Mapping[str, str]) -> bool:
    """Whether the version has the files in `tags`; the INT8 file may be missing on either side.

    A version with another INT8 file gives other answers, on which no gate has decided.
    """
    int8 = tags.get(INT8_TAG)
    same = int8 is None or version.tags.get(INT8_TAG, int8) == int8
    return same and version.tags.get(ONNX_TAG) == tags[ONNX_TAG]


def _describe(store: Store, number: int, tags: Mapping[str, str]) -> None:
    """Write the card of a new version on it, and on its run unless that has a description."""
    card = describe(number, tags)
    store.client.update_model_version(model_name(), str(number), card)
    if MLFLOW_RUN_NOTE not in store.client.get_run(tags[RUN_TAG]).data.tags:
        store.client.set_tag(tags[RUN_TAG], MLFLOW_RUN_NOTE, card)


def tags_of(onnx_file: Path, scores: Mapping[str, Any]) -> dict[str, str]:
    """An exported model's digests, scores (nested: {"test": {"miou": ...}} is test.miou), and
    whether its INT8 file, if there is one, is offered (`scores["export"]["int8"]["offered"]`).
    """
    tags = {name: str(value) for name, value in numbers(scores).items()}
    files = exported_files(onnx_file)
    tags |= {FILE_TAGS[name]: file_digest(file) for name, file in files.items()}
    if INT8_FILE in files:
        offered = scores.get("export", {}).get("int8", {}).get("offered", False)
        tags[INT8_OFFERED_TAG] = str(bool(offered)).lower()
    return tags


def contestants(store: Store, number: int | None = None) -> tuple[Version, Version | None]:
    """The version of the number, else the newest, and the champion, if any: perhaps the same.

    Raises UserError if there is no such version or the store fails.
    """
    versions = list_versions(store.uri)
    if not versions:
        raise UserError(f"no version of {model_name()} is registered yet: run `dvc repro`")
    challenger = versions[0] if number is None else find_named(versions, str(number))
    return challenger, find_champion(versions)


def settle(
    store: Store, decision: Decision, champion: Version | None, number: int | None = None
) -> None:
    """Name the version @challenger, write the decision on it, and make it @champion if so decided.

    champion: the one that the decision was made against. number: as for `contestants`.
    Raises UserError, and changes nothing, if either has changed since.
    """
    with store_errors(store.uri), store_lock():
        challenger, present = contestants(store, number)
        if (challenger.number, _number(present)) != (decision.version, _number(champion)):
            raise UserError("the registry changed while the gate decided: run it again")
        store.client.set_registered_model_alias(model_name(), CHALLENGER, str(decision.version))
        if champion is None or champion.number != decision.version:
            _record(store, challenger, decision, champion)


def promote(store: Store, number: int) -> Decision:
    """Make a version the champion because a person says so."""
    with store_errors(store.uri), store_lock():
        version, champion = contestants(store, number)
        newest, _ = contestants(store)  # the gate does not overrule a person for what was there
        decision = Decision(number, True, "promoted by hand", {"newest": newest.number})
        _record(store, version, decision, champion)
        return decision


def _record(store: Store, version: Version, decision: Decision, champion: Version | None) -> None:
    """Write reason and numbers on the version, and move the alias if that was decided."""
    number = str(version.number)
    outcome = "champion" if decision.champion else "refused"
    against = str(_number(champion) or "none")
    tags = {"decision": outcome, "reason": decision.reason, "against": against}
    for name, score in decision.numbers.items():  # z: -0.0 is 0.0
        tags[name] = str(score) if isinstance(score, int) else f"{score:z.4f}"
    _replace_tags(store, version, GATE_TAGS, tags)
    if decision.champion:
        os.sync()  # a power cut must not empty the files that people are now led to
        store.client.set_registered_model_alias(model_name(), CHAMPION, number)


def record_monitoring(store: Store, version: Version, tags: Mapping[str, str]) -> None:
    """Write what the monitor found on the version, in place of what it found before."""
    with store_errors(store.uri), store_lock():
        _replace_tags(store, version, MONITOR_TAGS, tags)


def _replace_tags(store: Store, version: Version, start: str, tags: Mapping[str, str]) -> None:
    """Write the tags with this start to their names; no others with it stay on the version."""
    number, named = str(version.number), {f"{start}{name}": text for name, text in tags.items()}
    for key in version.tags:
        if key.startswith(start) and key not in named:
            store.client.delete_model_version_tag(model_name(), number, key)
    for key, value in named.items():
        store.client.set_model_version_tag(model_name(), number, key, value)


def _number(version: Version | None) -> int | None:
    return version.number if version else None


def _replace_files(store: Store, version: Version, onnx_file: Path) -> None:
    """Put the exported files into their version: it lacked one, or one was damaged."""
    place = store.client.get_model_version_download_uri(model_name(), str(version.number))
    repository = get_artifact_repository(place, tracking_uri=store.uri)
    with TemporaryDirectory() as folder:
        for name, file in exported_files(onnx_file).items():
            repository.log_artifact(str(shutil.copyfile(file, Path(folder) / name)))


def _create_version(run: Run, onnx_file: Path, tags: dict[str, str]) -> int:
    client = run.store.client
    own = {tag: tags[tag] for tag in (ONNX_TAG, INT8_TAG) if tag in tags}
    experiment, name = run.store.experiment_id, model_name()
    # Perhaps a process has begun that was killed before it made the version.
    query = f"source_run_id = '{run.run_id}' AND name = '{name}'"
    query += "".join(f" AND tags.`{tag}` = '{digest}'" for tag, digest in own.items())
    begun = client.search_logged_models([experiment], filter_string=query)
    model = begun[0] if begun else client.create_logged_model(experiment, name, run.run_id, own)
    with TemporaryDirectory() as folder:
        packed = Path(folder) / "model"
        pack_model(onnx_file, packed, model)
        client.log_model_artifacts(model.model_id, str(packed))
    os.sync()  # before the database, which survives a power cut, says that they are there
    client.finalize_logged_model(model.model_id, "READY")
    outputs = client.get_run(run.run_id).outputs
    if model.model_id not in [each.model_id for each in (outputs.model_outputs if outputs else ())]:
        client.log_outputs(run.run_id, [LoggedModelOutput(model.model_id, step=0)])
    _link_scores(run, model, tags)
    with unless_it_exists():
        client.create_registered_model(name, description=MODEL)
    # By its place: models:/ID would be looked up in whatever store is mlflow's global one.
    version = client.create_model_version(
        name, model.artifact_location, run.run_id, tags, model_id=model.model_id
    )
    return int(version.version)


def _keep_first(store: Store, number: int, tags: Mapping[str, str]) -> int:
    """Keep only the oldest version of the files: another machine may have registered them too."""
    same = [each.number for each in list_versions(store.uri) if holds(each, tags)]
    if min(same) < number:
        store.client.delete_model_version(model_name(), str(number))
    return min(same)


def _link_scores(run: Run, model: LoggedModel, tags: Mapping[str, str]) -> None:
    """Log the test scores once more, as the model's on its data set: MLflow shows them with it.

    With the model's own time, so that a repeated registration does not log them twice.
    """
    inputs = run.store.client.get_run(run.run_id).inputs
    assert inputs is not None, "every run is created with its data set"
    data = inputs.dataset_inputs[0]
    link = {"dataset_name": data.dataset.name, "dataset_digest": data.dataset.digest}
    scores = [
        Metric(name, float(tags[name]), model.creation_timestamp, 0, model.model_id, **link)
        for name in tags
        if name.startswith("test.")
    ]
    run.store.client.log_batch(run.run_id, scores)
