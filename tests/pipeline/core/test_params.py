from pathlib import Path
from typing import Annotated

import pytest
from dvc.utils.serialize import parse_yaml
from pydantic import Discriminator, Field, Tag
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT, ParamsError, read_section


@dataclass(frozen=True, config=STRICT)
class Optimizer:
    lr: Annotated[float, Field(gt=0)]
    betas: tuple[float, ...] = (0.9, 0.999)


@dataclass(frozen=True, config=STRICT)
class Drawn:
    builtin: str


@dataclass(frozen=True, config=STRICT)
class Train:
    epochs: Annotated[int, Field(ge=1, le=1000)]
    optimizer: Optimizer
    amp: bool = False
    note: str | None = None

    def __post_init__(self) -> None:
        if self.amp and self.epochs == 7:
            raise ValueError("amp does not go with 7 epochs")


OneOf = Annotated[
    Annotated[Drawn, Tag("drawn")] | Annotated[Optimizer, Tag("tuned")],
    Discriminator(lambda values: "drawn" if "builtin" in values else "tuned"),
]


@dataclass(frozen=True, config=STRICT)
class Choice:
    entries: dict[str, OneOf]


GOOD = "train: {epochs: 3, optimizer: {lr: 1, betas: [0.5, 1]}}\nseed: 5\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def message(file: Path, text: str, kind: type = Train, section: str = "train") -> str:
    file.write_text(text)
    with pytest.raises(ParamsError) as error:
        read_section(section, kind, file)
    assert str(error.value).startswith(str(file))
    return str(error.value).replace(str(file), "F")


def test_a_section_becomes_a_frozen_object_of_its_class(file, monkeypatch):
    file.write_text(GOOD)
    train = read_section("train", Train, file)
    assert train == Train(epochs=3, optimizer=Optimizer(lr=1.0, betas=(0.5, 1.0)))
    assert isinstance(train.optimizer.lr, float)
    with pytest.raises(AttributeError):
        train.epochs = 4  # type: ignore[misc]
    monkeypatch.chdir(file.parent)
    assert read_section("seed", int) == 5  # a section may be one value


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (
            "{epoch: 3, epochs: 3, optimizer: {lr: 1}}",
            "train.epoch is not a known key; known: epochs, optimizer, amp, note",
        ),
        ("{epochs: 3, optimizer: {lr: 1, lrr: 2}}", "train.optimizer.lrr is not a known key"),
        ("{epochs: 3}", "train.optimizer is missing"),
        ("{epochs: 3, optimizer: {}}", "train.optimizer.lr is missing"),
        (
            "{epochs: 2.5, optimizer: {lr: 1}}",
            "train.epochs: Input should be a valid integer, found 2.5",
        ),
        (
            "{epochs: 1001, optimizer: {lr: .inf}}",
            "train.epochs: Input should be less than or equal to 1000, found 1001\n"
            "F: train.optimizer.lr: Input should be a finite number, found inf",
        ),
        (
            "{epochs: 0, optimizer: {lr: .nan}}",
            "train.epochs: Input should be greater than or equal to 1, found 0\n"
            "F: train.optimizer.lr: Input should be a finite number, found nan",
        ),
        (
            "{epochs: true, optimizer: {lr: 0}}",
            "train.epochs: Input should be a valid integer, found True\n"
            "F: train.optimizer.lr: Input should be greater than 0, found 0",
        ),
        (
            "{epochs: 3, optimizer: {lr: 1, betas: [0.9, x]}}",
            "train.optimizer.betas.1: Input should be a valid number, found 'x'",
        ),
        (
            "{epochs: 7, optimizer: {lr: 1}, amp: true}",
            "train: amp does not go with 7 epochs",
        ),
    ],
)
def test_a_problem_is_named_with_its_key(file, section, problem):
    assert message(file, f"train: {section}") == f"F: {problem}"


@pytest.mark.parametrize("value", ["'1e-3'", '"3"'])
def test_a_number_that_is_text_gets_a_hint(file, value):
    found = message(file, f"train: {{epochs: 3, optimizer: {{lr: {value}}}}}")
    text = value.strip("'\"")
    assert found == (
        f"F: train.optimizer.lr: Input should be a valid number, found '{text}' "
        "(text, not a number: leave out the quotes)"
    )


@pytest.mark.parametrize(
    ("value", "epochs", "lr"),
    [("010", 10, "1e-05"), ("0o10", 8, "1E-5"), ("0x10", 16, "0.1e-4"), ("1_0", 10, "+1.e-5")],
)
def test_numbers_are_what_dvc_takes_them_for(file, value, epochs, lr):
    """Older YAML, such as PyYAML's, reads 010 as 8: another run than dvc.lock would speak of."""
    file.write_text(f"train: {{epochs: {value}, optimizer: {{lr: {lr}}}}}")
    train = read_section("train", Train, file)
    assert (train.epochs, train.optimizer.lr) == (epochs, 0.00001)
    assert parse_yaml(file.read_text(), file)["train"]["epochs"] == epochs


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{builtin: 3}", "choice.entries.a.builtin: Input should be a valid string, found 3"),
        ("{}", "choice.entries.a.lr is missing"),
        ("{lr: 1, l: 2}", "choice.entries.a.l is not a known key"),
    ],
)
def test_a_key_inside_one_of_several_kinds_is_named_as_it_stands_in_the_file(file, entry, problem):
    text = f"choice: {{entries: {{a: {entry}}}}}"
    assert message(file, text, Choice, "choice") == f"F: {problem}"


def test_a_missing_section_is_named_beside_the_present_ones_and_one_without_keys_refused(file):
    for empty in ("", " 3"):
        assert message(file, f"train:{empty}").startswith("F: train: Input should be an object")
    for text in ("", "- 1", "hello"):
        assert "expected sections such as 'train:'" in message(file, text)
    found = message(file, "seed: 1\nmodel: {}\n3: x")
    assert found == "F: section 'train' is missing; it has 3, model, seed"


def test_a_missing_file_says_where_to_run_and_a_folder_is_no_file(file):
    with pytest.raises(ParamsError, match="is missing: run from the root of the repository"):
        read_section("train", Train, file)
    file.mkdir()
    with pytest.raises(ParamsError, match=r"params\.yaml cannot be read: Is a directory"):
        read_section("train", Train, file)


@pytest.mark.parametrize("text", ["train: {epochs: 3", "a: b: c", "\tx: 1"])
def test_what_is_not_yaml_is_refused_with_its_place(file, text):
    found = message(file, text)
    assert "F is not valid YAML" in found
    assert "line 1" in found or "line 2" in found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("train: {epochs: 1, epochs: 2, optimizer: {lr: 1}}", 1),
        ("train:\n  epochs: 1\n  optimizer: {lr: 1}\n  epochs: 1", 4),
        ("train: {epochs: 1, optimizer: {lr: 1, lr: 1}}", 1),
        ("train: {epochs: 1}\ntrain: {epochs: 1, optimizer: {lr: 1}}", 2),
    ],
)
def test_a_key_that_comes_twice_is_refused(file, text, line):
    found = message(file, text)
    assert 'found duplicate key "' in found
    assert found.endswith(f"in line {line}")


def test_aliases_are_refused_before_they_are_multiplied(file):
    """The "billion laughs": ten lines that stand for 10^9 values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    found = message(file, "\n".join(lines), section="a9")
    assert found == "F is not valid YAML: *a0 in line 2: aliases are not accepted"
    assert "*a in line 1" in message(file, "train: &a {epochs: *a}")


@pytest.mark.parametrize(
    "value",
    [
        "9" * 5000,
        "0x" + "f" * 5000,
        "2024-13-01",
        "!!int many",
        "!!python/object/apply:os.system [date]",
        "[" * 3000 + "]" * 3000,
        '"\\ud800"',
        "{2024-01-01: 1}",
        "{!!binary aGk=: 1}",
    ],
)
def test_values_that_readers_stumble_over_are_errors_of_the_file(file, value):
    message(file, f"train: {{epochs: {value}, optimizer: {{lr: 1}}}}")
