from datetime import datetime
from pathlib import Path

import pytest
from tiny_models import write_onnx

from pipeline.core.terminal import UserError
from pipeline.records.gate import Decision, contestants, decide_by_origin, promote, settle
from pipeline.records.registry import Version, list_versions, register_model
from pipeline.records.store import open_store
from pipeline.records.tracking import checkpoint_run


def version(number: int, index_md5: str | None = "1111111aaaa") -> Version:
    tags = {"data.name": "oxford", "data.index_md5": index_md5}
    known = {key: value for key, value in tags.items() if value is not None}
    return Version(number, known, (), "run", datetime(2026, 1, 1))


def register(number: int) -> None:
    """A model unlike the others, with a run of its own."""
    with checkpoint_run(f"checkpoint {number}", Path("data/pets")) as run:
        register_model(run, write_onnx(Path(f"{number}.onnx"), number), {"test": {"miou": 0.5}})


def gate_tags(number: int) -> dict[str, str]:
    [found] = [each for each in list_versions(open_store()) if each.number == number]
    return {key: value for key, value in found.tags.items() if key.startswith("gate.")}


def aliases() -> dict[int, tuple[str, ...]]:
    return {each.number: each.aliases for each in list_versions(open_store())}


def test_the_first_version_is_champion() -> None:
    assert decide_by_origin(version(1), None) == Decision(1, True, "there was no champion")


def test_the_champion_stays_champion() -> None:
    decision = decide_by_origin(version(1), version(1))
    assert decision == Decision(1, True, "it is the champion already")


def test_on_the_same_data_set_scores_decide() -> None:
    assert decide_by_origin(version(2), version(1)) is None


def test_another_data_set_never_dethrones_and_the_reason_says_how_to_do_it_by_hand() -> None:
    decision = decide_by_origin(version(2, "2222222bbbb"), version(1))
    assert not decision.champion
    assert "oxford 2222222" in decision.reason
    assert "oxford 1111111" in decision.reason
    assert "make promote VERSION=2" in decision.reason


@pytest.mark.parametrize("index_md5", [None, "unknown"])
def test_two_unknown_data_sets_are_not_the_same(index_md5: str | None) -> None:
    assert not decide_by_origin(version(2, index_md5), version(1, index_md5)).champion


def test_contestants_are_the_newest_version_and_the_champion(workspace: Path) -> None:
    store = open_store()
    with pytest.raises(UserError, match=r"no version of pet-segmentation.*dvc repro"):
        contestants(store)
    register(1)
    assert contestants(store)[1] is None
    register(2)
    promote(store, 1)
    newest, champion = contestants(store)
    assert (newest.number, champion.number) == (2, 1)
    named, champion = contestants(store, 1)
    assert (named.number, champion.number) == (1, 1)
    with pytest.raises(UserError, match=r"no version 3; registered: 1 @champion, 2$"):
        contestants(store, 3)


def test_a_decision_moves_the_aliases_and_is_written_on_the_version_with_its_numbers(
    workspace: Path,
) -> None:
    store = open_store()
    register(1)
    settle(store, Decision(1, True, "the first"), None)
    assert aliases() == {1: ("challenger", "champion")}
    assert gate_tags(1) == {
        "gate.decision": "champion",
        "gate.reason": "the first",
        "gate.against": "none",
    }
    register(2)
    _, champion = contestants(store)
    numbers = {"images": 111, "gain": -0.12345, "drop.pet": -0.00001}
    settle(store, Decision(2, False, "worse", numbers), champion)
    assert aliases() == {1: ("champion",), 2: ("challenger",)}
    assert gate_tags(2) == {
        "gate.decision": "refused",
        "gate.reason": "worse",
        "gate.against": "1",
        "gate.images": "111",
        "gate.gain": "-0.1235",
        "gate.drop.pet": "0.0000",
    }
    settle(store, Decision(2, True, "better after all", {"gain": 0.5}), champion)
    assert aliases() == {1: (), 2: ("challenger", "champion")}
    assert gate_tags(2) == {
        "gate.decision": "champion",
        "gate.reason": "better after all",
        "gate.against": "1",
        "gate.gain": "0.5000",
    }


def test_a_second_look_at_the_champion_changes_nothing(workspace: Path) -> None:
    store = open_store()
    register(1)
    settle(store, Decision(1, True, "the first"), None)
    before = list_versions(store)
    settle(store, Decision(1, True, "it is the champion already"), contestants(store)[1])
    assert list_versions(store) == before


@pytest.mark.parametrize("event", ["another version was registered", "another one was promoted"])
def test_a_decision_that_the_registry_has_overtaken_is_not_carried_out(
    workspace: Path, event: str
) -> None:
    store = open_store()
    for number in (1, 2):
        register(number)
    promote(store, 1)
    _, champion = contestants(store)
    if event == "another version was registered":
        register(3)
    else:
        promote(store, 2)
    before = list_versions(store)
    with pytest.raises(UserError, match="run it again"):
        settle(store, Decision(2, True, "better"), champion)
    assert list_versions(store) == before


def test_a_person_can_promote_what_the_gate_refused(workspace: Path) -> None:
    store = open_store()
    for number in (1, 2):
        register(number)
    promote(store, 1)
    settle(store, Decision(2, False, "worse", {"gain": -0.5}), contestants(store)[1])
    promote(store, 2)
    assert aliases() == {1: (), 2: ("challenger", "champion")}
    assert gate_tags(2) == {
        "gate.decision": "champion",
        "gate.reason": "promoted by hand",
        "gate.against": "1",
    }


def test_what_is_not_registered_cannot_be_promoted(workspace: Path) -> None:
    register(1)
    with pytest.raises(UserError, match="no version 7; registered: 1"):
        promote(open_store(), 7)
