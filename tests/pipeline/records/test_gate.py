from datetime import datetime
from pathlib import Path

import pytest
from mlflow_workspace import write_onnx

from pipeline.records.gate import judge, promote, run_gate
from pipeline.records.registry import Version, list_versions, register_model
from pipeline.records.store import open_store
from pipeline.records.tracking import checkpoint_run
from pipeline.terminal import UserError


def version(number: int, miou: str | None, index_md5: str | None = "1111111aaaa") -> Version:
    tags = {"data.name": "oxford", "test.miou": miou, "data.index_md5": index_md5}
    known = {key: value for key, value in tags.items() if value is not None}
    return Version(number, known, (), "run", datetime(2026, 1, 1))


def register(number: int, miou: float, data: str = "data/pets") -> None:
    """A model unlike the others, with a run of its own."""
    with checkpoint_run(f"checkpoint {number}", Path(data)) as run:
        register_model(run, write_onnx(Path(f"{number}.onnx"), number), {"test": {"miou": miou}})


def aliases() -> dict[int, tuple[str, ...]]:
    return {each.number: each.aliases for each in list_versions(open_store())}


def test_the_first_version_is_champion() -> None:
    assert judge(version(1, "0.1"), None).champion


@pytest.mark.parametrize(
    ("miou", "champion"), [("0.81", True), ("0.8", False), ("0.79", False), ("nan", False)]
)
def test_only_a_better_score_on_the_same_data_set_makes_a_champion(
    miou: str, champion: bool
) -> None:
    decision = judge(version(2, miou), version(1, "0.8"))
    assert decision.champion == champion
    assert "0.8000 of the champion, version 1" in decision.reason


def test_another_data_set_never_dethrones_and_the_reason_says_how_to_do_it_by_hand() -> None:
    decision = judge(version(2, "0.99", "2222222bbbb"), version(1, "0.1"))
    assert not decision.champion
    assert "oxford 2222222" in decision.reason
    assert "oxford 1111111" in decision.reason
    assert "make promote VERSION=2" in decision.reason


@pytest.mark.parametrize("index_md5", [None, "unknown"])
def test_two_unknown_data_sets_are_not_the_same(index_md5: str | None) -> None:
    assert not judge(version(2, "0.9", index_md5), version(1, "0.1", index_md5)).champion


def test_a_version_without_a_score_is_no_champion() -> None:
    assert not judge(version(2, None), version(1, "0.1")).champion
    assert not judge(version(2, "0.9"), version(1, None)).champion


def test_the_gate_moves_the_aliases_and_writes_its_reasons_on_the_versions(workspace: Path) -> None:
    store = open_store()
    register(1, 0.5)
    assert run_gate(store).champion
    assert aliases() == {1: ("challenger", "champion")}
    register(2, 0.4)
    assert not run_gate(store).champion
    assert aliases() == {1: ("champion",), 2: ("challenger",)}
    register(3, 0.6)
    assert run_gate(store).champion
    assert aliases() == {1: (), 2: (), 3: ("challenger", "champion")}
    reasons = {each.number: each.tags["gate.reason"] for each in list_versions(store)}
    assert reasons[1] == "there was no champion"
    assert reasons[2] == "test.miou 0.4000 is not better than 0.5000 of the champion, version 1"
    assert reasons[3] == "test.miou 0.6000 is better than 0.5000 of the champion, version 1"


def test_a_second_look_at_the_champion_changes_nothing(workspace: Path) -> None:
    store = open_store()
    register(1, 0.5)
    run_gate(store)
    before = list_versions(store)
    assert run_gate(store).reason == "it is the champion already"
    assert list_versions(store) == before


def test_a_person_can_promote_what_the_gate_refused(workspace: Path) -> None:
    store = open_store()
    register(1, 0.5)
    run_gate(store)
    Path("drawings").mkdir()
    Path("drawings/index.csv").write_text("another data set\n")
    register(2, 0.9, "drawings")
    assert not run_gate(store).champion
    promote(store, 2)
    assert aliases() == {1: (), 2: ("challenger", "champion")}
    assert list_versions(store)[0].tags["gate.reason"] == "promoted by hand"


def test_what_is_not_registered_cannot_be_gated_or_promoted(workspace: Path) -> None:
    store = open_store()
    with pytest.raises(UserError, match=r"no version of pet-segmentation.*dvc repro"):
        run_gate(store)
    register(1, 0.5)
    with pytest.raises(UserError, match="no version 7; registered: 1"):
        promote(store, 7)
