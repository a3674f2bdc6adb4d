import pytest

from pipeline.core.params import flatten
from pipeline.records.old_params import contradictions, parse, with_recorded

FILE = {
    "seed": 0,
    "model": {"features": [4, 8], "weights": None},
    "train": {"lr": 0.004, "augmentation": {"brightness": 0.1}},
    "gate": {"confidence": 0.95},
}


@pytest.mark.parametrize(
    "value", [3, 0.5, 1e-05, 1e22, True, None, [4, 8], [0.1], [], "plain", "a b: c", "", "10 px"]
)
def test_a_value_comes_back_from_its_text_with_its_type(value: object) -> None:
    assert parse(str(value), present=None) == value
    assert type(parse(str(value), present=None)) is type(value)


def test_a_tuple_comes_back_as_a_list_since_yaml_has_no_other() -> None:
    assert parse("(4, 8)", present=None) == [4, 8]


@pytest.mark.parametrize("text", ["5", "None", "1e5"])
def test_what_the_file_says_in_these_letters_keeps_the_files_type(text: str) -> None:
    assert parse(text, present=text) == text


def test_recorded_values_take_their_places_and_the_rest_stays() -> None:
    recorded = {"train.lr": "1e-05", "train.augmentation.brightness": "0.2", "new.key": "(1, 2)"}
    assert with_recorded(FILE, recorded) == {
        **FILE,
        "train": {"lr": 1e-05, "augmentation": {"brightness": 0.2}},
        "new": {"key": [1, 2]},
    }
    assert FILE["train"]["lr"] == 0.004, "the file's own values are left alone"


def test_a_record_of_the_same_file_does_not_contradict_it() -> None:
    recorded = {key: str(value) for key, value in flatten(FILE).items()}
    recorded |= {"model.features": "(4, 8)", "seed": "0", "train.default": "1"}
    assert contradictions(FILE, recorded) == {}


def test_a_contradiction_is_told_with_both_values() -> None:
    recorded = {"seed": "1", "train.lr": "0.004", "model.features": "[4, 16]"}
    assert contradictions(FILE, recorded) == {
        "seed": ("0", "1"),
        "model.features": ("[4, 8]", "[4, 16]"),
    }
