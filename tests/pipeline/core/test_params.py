from pathlib import Path
from typing import Annotated

import pytest
from dvc.utils.serialize import parse_yaml
from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.core.params import STRICT, ParamsError, read_section


@dataclass(frozen=True, config=STRICT)
class Optimizer:
    lr: Annotated[float, Field(gt=0)]
    betas: tuple[float, ...] = (0.9, 0.999)


@dataclass(frozen=True, config=STRICT)
class Train:
    epochs: Annotated[int, Field(ge=1, le=1000)]
    optimizer: Optimizer
    amp: bool = False
    note: str | None = None

    def __post_init__(self) -> None:
        if self.amp and self.epochs == 7:
            raise ValueError("amp does not go with 7 epochs")


GOOD = "train: {epochs: 3, optimizer: {lr: 1, betas: [0.5, 1]}}\nseed: 5\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "params.yaml"


def message(file: Path, text: str, section: str = "train") -> str:
    file.write_text(text)
    with pytest.raises(ParamsError) as error:
        read_section(section, Train, file)
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


PROBLEMS = {
    "{epoch: 3, epochs: 3, optimizer: {lr: 1}}": "train.epoch is not a known key; "
    "known: epochs, optimizer, amp, note",
    "{epochs: 3, optimizer: {lr: 1, lrr: 2}}": "train.optimizer.lrr is not a known key",
    "{epochs: 3}": "train.optimizer is missing",
    "{epochs: 3, optimizer: {}}": "train.optimizer.lr is missing",
    "{epochs: 2.5, optimizer: {lr: 1}}": "train.epochs: Input should be a valid integer, found 2.5",
    "{epochs: true, optimizer: {lr: .inf}}": "train.epochs: Input should be a valid integer, "
    "found True\nF: train.optimizer.lr: Input should be a finite number, found inf",
    "{epochs: 3, optimizer: {lr: '1e-3'}}": "train.optimizer.lr: Input should be a valid number, "
    "found '1e-3' (text, not a number: leave out the quotes)",
    "{epochs: 3, optimizer: {lr: 1, betas: [0.9, x]}}": "train.optimizer.betas.1: "
    "Input should be a valid number, found 'x'",
    "{epochs: 7, optimizer: {lr: 1}, amp: true}": "train: amp does not go with 7 epochs",
}


@pytest.mark.parametrize("section", PROBLEMS)
def test_an_error_names_the_key(file, section):
    assert message(file, f"train: {section}") == f"F: {PROBLEMS[section]}"


@pytest.mark.parametrize(
    ("value", "epochs", "lr"),
    [("010", 10, "1e-05"), ("0o10", 8, "1E-5"), ("0x10", 16, "0.1e-4"), ("1_0", 10, "+1.e-5")],
)
def test_numbers_are_read_as_dvc_reads_them(file, value, epochs, lr):
    """Older YAML, such as PyYAML's, reads 010 as 8: another run than dvc.lock would speak of."""
    file.write_text(f"train: {{epochs: {value}, optimizer: {{lr: {lr}}}}}")
    train = read_section("train", Train, file)
    assert (train.epochs, train.optimizer.lr) == (epochs, 0.00001)
    assert parse_yaml(file.read_text(), file)["train"]["epochs"] == epochs


def test_a_missing_section_and_one_without_keys_are_refused(file):
    for empty in ("", " 3"):
        assert message(file, f"train:{empty}").startswith("F: train: Input should be an object")
    for text in ("", "- 1", "hello"):
        assert "expected sections such as 'train:'" in message(file, text)
    found = message(file, "seed: 1\nmodel: {}\n3: x")
    assert found == "F: section 'train' is missing; it has 3, model, seed"


def test_a_missing_file_and_a_folder_are_refused(file):
    with pytest.raises(ParamsError, match="is missing: run from the root of the repository"):
        read_section("train", Train, file)
    file.mkdir()
    with pytest.raises(ParamsError, match=r"params\.yaml cannot be read: Is a directory"):
        read_section("train", Train, file)


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("a:\n  b: c: d", "", 2),
        ("\tx: 1", "", 1),
        ("train:\n  epochs: 1\n  optimizer: {lr: 1}\n  epochs: 1", 'found duplicate key "', 4),
        ("train: {epochs: 1}\ntrain: {epochs: 1, optimizer: {lr: 1}}", 'found duplicate key "', 2),
    ],
)
def test_invalid_yaml_and_a_duplicate_key_are_refused_with_the_line(file, text, problem, line):
    found = message(file, text)
    assert f"F is not valid YAML: {problem}" in found
    assert found.endswith(f"in line {line}")


def test_aliases_are_refused_before_they_are_multiplied(file):
    """The "billion laughs": ten lines that stand for 10^9 values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    found = message(file, "\n".join(lines), section="a9")
    assert found == "F is not valid YAML: *a0 in line 2: aliases are not accepted"
    assert "*a in line 1" in message(file, "train: &a {epochs: *a}")


STRANGE = ("9" * 5000, "2024-13-01", "!!python/object/apply:os.system [date]",
           "[" * 3000 + "]" * 3000, '"\\ud800"', "{2024-01-01: 1}")  # fmt: skip


@pytest.mark.parametrize("value", STRANGE)
def test_a_value_that_breaks_a_parser_is_an_error_of_the_file(file, value):
    message(file, f"train: {{epochs: {value}, optimizer: {{lr: 1}}}}")
