"""What a run keeps so that its model can be rebuilt: beside its tags, files among its artifacts."""

from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.files import write_json
from pipeline.core.git import git_commit
from pipeline.records.environment import describe_environment
from pipeline.records.lineage import code_digest, source_digests, source_patch
from pipeline.records.store import Store

# Where among its artifacts a run keeps what it came from, and in which files.
ORIGIN = "lineage"
PARAMS = "params.yaml"
PATCH = "dirty.patch"
SOURCES = "sources.json"
ENVIRONMENT = "environment.json"


def log_origin(store: Store, run_id: str, folder: str = ORIGIN) -> None:
    """Keep what it takes to go back to the present workspace.

    That is params, lock, requirements, the digest of each source file, and the patch where the
    source differs from the commit.
    """
    for name in (PARAMS, "dvc.lock", "requirements.lock"):
        if Path(name).is_file():
            store.client.log_artifact(run_id, name, folder)
    with TemporaryDirectory() as temporary:
        write_json(Path(temporary) / SOURCES, source_digests(Path()))
        if patch := source_patch(Path()):
            (Path(temporary) / PATCH).write_bytes(patch)
        store.client.log_artifacts(run_id, temporary, folder)


def log_environment(store: Store, run_id: str) -> None:
    """Keep what this process, which trains the model, calculates with."""
    with TemporaryDirectory() as temporary:
        write_json(Path(temporary) / ENVIRONMENT, describe_environment())
        store.client.log_artifacts(run_id, temporary, ORIGIN)


def log_export_origin(store: Store, run_id: str, onnx_sha256: str) -> dict[str, str]:
    """Keep what an export came from, and return what its version is tagged with.

    The code may have changed since the training, without a change of the checkpoint: the version
    is rebuilt from here, its training included.
    """
    log_origin(store, run_id, export_folder(onnx_sha256))
    return {
        "export.git.commit": git_commit(Path()),
        "export.code.digest": code_digest(Path()),
    }


def export_folder(onnx_sha256: str) -> str:
    """Where a run keeps what the export of this file came from: a run may have several exports."""
    return f"{ORIGIN}/{onnx_sha256[:12]}"
