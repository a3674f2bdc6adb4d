"""The files a run keeps among its artifacts so that its model can be rebuilt."""

from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.files import write_json
from pipeline.core.git import git_commit, source_patch
from pipeline.core.layout import LOCK, PARAMS, REQUIREMENTS
from pipeline.records.lineage import code_digest, describe_environment, source_digests
from pipeline.records.store import Store

FOLDER = "lineage"  # among the run's artifacts
PATCH = "dirty.patch"
SOURCES = "sources.json"
ENVIRONMENT = "environment.json"


def log_snapshot(
    store: Store, run_id: str, folder: str = FOLDER, *, environment: bool = False
) -> None:
    """Keep params, lock, requirements, the digest of each source file, and the patch if dirty.

    environment: also the packages and the processor of this process, which trains the model.
    """
    for file in (PARAMS, LOCK, REQUIREMENTS):
        if file.is_file():
            store.client.log_artifact(run_id, str(file), folder)
    with TemporaryDirectory() as temporary:
        write_json(Path(temporary) / SOURCES, source_digests(Path()))
        patch = source_patch(Path())
        if patch or folder != FOLDER:  # an export's may replace that of an earlier one
            (Path(temporary) / PATCH).write_bytes(patch or b"")
        if environment:
            write_json(Path(temporary) / ENVIRONMENT, describe_environment())
        store.client.log_artifacts(run_id, temporary, folder)


def log_export_snapshot(store: Store, run_id: str, onnx_sha256: str) -> dict[str, str]:
    """Keep a snapshot of the export, and return the tags for its version.

    Code may have changed between training and export without changing the checkpoint: the version
    is rebuilt from the export's snapshot, its training included.
    """
    log_snapshot(store, run_id, export_folder(onnx_sha256))
    commit, code = git_commit(Path()), code_digest(Path())
    return {"export.git.commit": commit, "export.code.digest": code}


def export_folder(onnx_sha256: str) -> str:
    """The folder of this file's export, of which a run may have several."""
    return f"{FOLDER}/{onnx_sha256[:12]}"
