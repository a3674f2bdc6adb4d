from dataclasses import replace
from pathlib import Path

from tiny_models import write_onnx

from pipeline.records.registry import Version, list_versions, register_model
from pipeline.records.store import open_store
from pipeline.records.tables import fetch_table
from pipeline.records.tracking import checkpoint_run


def register(table: str | None) -> Version:
    """A version whose run holds such a per_image.csv."""
    with checkpoint_run("abc", Path("data/pets")) as run:
        if table is not None:
            Path("tables").mkdir()
            Path("tables/per_image.csv").write_text(table)
            run.log_artifacts(Path("tables"), "tables")
        register_model(run, write_onnx(Path("model.onnx")), {})
    [version] = list_versions(open_store())
    return version


def test_a_table_comes_from_the_versions_run(workspace: Path) -> None:
    file = fetch_table(open_store(), register("name\nBengal_1\n"), "per_image.csv", workspace)
    assert file.read_text() == "name\nBengal_1\n"


def test_a_run_without_the_table_has_none(workspace: Path) -> None:
    version = register("name\n")
    assert fetch_table(open_store(), version, "by_breed.csv", workspace) is None


def test_a_run_without_any_table_or_no_run_has_none(workspace: Path) -> None:
    version = register(None)
    store = open_store()
    assert fetch_table(store, version, "per_image.csv", workspace) is None
    for run_id in ("0" * 32, "unknown"):
        lost = replace(version, run_id=run_id)
        assert fetch_table(store, lost, "per_image.csv", workspace) is None


def test_the_table_of_another_checkpoint_of_the_same_run_is_not_the_versions(
    workspace: Path,
) -> None:
    version = register("name\n")
    store = open_store()
    store.client.set_tag(version.run_id, "checkpoint.sha256", "of its next training")
    assert fetch_table(store, version, "per_image.csv", workspace) is None
