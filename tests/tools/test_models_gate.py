"""The gate as a command, on real small stores: hand-made tables whose verdicts are known, and
models that are scored again on pictures.
"""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from pixel_tables import NAMES, miou_of, pixel_table, table_of
from rich.console import Console
from tiny_models import write_onnx, write_threshold_model
from tiny_pets import LISTS, write_params, write_split

from pipeline.core.files import write_csv
from pipeline.core.terminal import UserError
from pipeline.data.pets import mask_path
from pipeline.deploy.agreement import count_pixels
from pipeline.records.registry import register_model
from pipeline.records.runs import checkpoint_run
from pipeline.records.store import open_store
from pipeline.records.versions import Version, list_versions
from tools.models import main

CHAMPION = pixel_table(pet_missed=200)
TEST = Path("data/splits/test.csv")


@pytest.fixture(autouse=True)
def workspace(tiny_pets: Path) -> Path:
    return tiny_pets


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command; return what it printed."""
    for module in ("tools.models", "tools.gate"):
        monkeypatch.setattr(f"{module}.console", Console(width=120))

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["models", "gate", *arguments])
        capsys.readouterr()  # what was printed before
        main()
        return capsys.readouterr().out

    return run


def register(
    number: int, table: pd.DataFrame | None, data: str = "data/pets", model: Path | None = None
) -> None:
    """A version with a run of its own, which holds the table of its evaluation, if any."""
    with checkpoint_run(f"checkpoint {number}", Path(data)) as run:
        if table is not None:
            write_csv(Path("made/per_image.csv"), table)
            run.log_artifacts(Path("made"), "tables")
        scores = {} if table is None else {"test": {"miou": miou_of(table)}}
        register_model(run, model or write_onnx(Path(f"{number}.onnx"), number), scores)


@pytest.fixture
def beside(gate):
    """The command where version 1 is the champion."""
    register(1, CHAMPION)
    gate()
    return gate


def version(number: int) -> Version:
    return next(each for each in list_versions() if each.number == number)


def champion() -> int:
    [number] = [each.number for each in list_versions() if "champion" in each.aliases]
    return number


def scored(file: Path, names: list[str]) -> pd.DataFrame:
    """What evaluate would write of the model for these pictures."""
    [[counts]] = count_pixels([file], Path("data/pets"), names)
    return table_of(names, counts)


def test_a_better_model_is_promoted_and_all_numbers_are_written_and_shown(beside):
    # 100 to 119 of 1000 pixels of pet missed where the champion missed 200.
    register(2, pixel_table(pet_missed=range(100, 120)))
    printed = beside()
    assert champion() == 2
    tags = version(2).tags
    # Of 20 images: pet 17810 / 20000 and background 40000 / 44190, against 16000 / 20000 and
    # 40000 / 46000; border is 0.8 in both.
    pet, background = 0.8905 - 0.8, 40_000 / 44_190 - 40_000 / 46_000
    gain = (pet + background) / 3
    assert tags["gate.decision"] == "champion"
    assert (tags["gate.against"], tags["gate.images"]) == ("1", "20")
    assert tags["gate.gain"] == f"{gain:.4f}"
    assert float(tags["gate.gain_low"]) < gain < float(tags["gate.gain_high"])
    assert tags["gate.drop.pet"] == f"{-pet:.4f}"
    assert tags["gate.drop.background"] == f"{-background:.4f}"
    assert tags["gate.drop.border"] == "0.0000"
    assert re.search(r"^pet +0\.8000 +0\.8905 +\+0\.0905 +\+0\.08\d+ to \+0\.09", printed, re.M)
    assert "no class drops by more than allowed" in printed


def test_the_params_decide_what_is_allowed(beside, workspace):
    register(2, pixel_table(pet_missed=50, border_missed=110))
    allowed = {"pet": 0.005, "background": 0.005, "border": 0.03}
    write_params(workspace, gate={"min_gain": 0.5, "max_class_drop": allowed})
    assert "the interval is not above gate.min_gain, 0.5" in beside()
    write_params(workspace, gate={"confidence": 0.975, "max_class_drop": allowed})
    printed = beside()
    assert "97.5 % interval" in printed
    assert "Version 2 is @champion" in printed


def test_a_model_of_the_drawn_sample_never_replaces_one_of_real_pets(beside):
    Path("drawings").mkdir()
    Path("drawings/index.csv").write_text("another data set\n")
    register(2, pixel_table(pet_missed=0), data="drawings")
    printed = beside()
    assert champion() == 1
    assert "another data set" in printed
    assert "make promote VERSION=2" in printed
    assert "make promote VERSION=2" in version(2).tags["gate.reason"]


@pytest.mark.parametrize("pet_missed", [0, 200, 300])
def test_a_dry_run_tells_the_same_and_changes_nothing(beside, pet_missed):
    register(2, pixel_table(pet_missed))
    before = list_versions()
    foretold = beside("--dry-run")
    assert list_versions() == before
    told = beside()
    if pet_missed == 200:  # a clone
        assert version(2).tags["gate.gain_high"] == "0.0000"
        assert "the interval is not above gate.min_gain, 0" in version(2).tags["gate.reason"]
    assert foretold.replace("would be", "is").replace("would not", "does not") == told
    assert champion() == (2 if pet_missed == 0 else 1)


def test_a_dry_run_does_not_register_either(gate):
    register(1, CHAMPION)
    Path("models").mkdir()
    write_onnx(Path("models/model.onnx"), 7)
    assert "models/model.onnx is not registered" in gate("--dry-run")
    [only] = list_versions()
    assert only.aliases == ()


def test_a_champion_of_another_test_list_is_scored_anew_on_the_challengers(gate):
    good, poor = (write_threshold_model(Path(f"{limit}.onnx"), limit) for limit in (140, 200))
    register(1, scored(poor, LISTS["val"]), model=poor)
    gate()
    register(2, scored(good, LISTS["test"]), model=good)
    write_split(TEST, LISTS["train"])  # the workspace's list is not asked
    printed = gate()
    assert "version 1, were scored on different test images: both are scored again" in printed
    assert "on the same 3 test images" in printed
    assert champion() == 2
    gain = miou_of(scored(good, LISTS["test"])) - miou_of(scored(poor, LISTS["test"]))
    assert float(version(2).tags["gate.gain"]) == pytest.approx(gain, abs=1e-4)


def test_masks_that_were_corrected_make_another_test_list(gate):
    first, clone = (write_threshold_model(Path(f"{limit}.onnx"), limit) for limit in (140, 140.5))
    table = scored(first, LISTS["test"])
    table["pet_as_pet"] += 1
    register(1, table, model=first)
    gate()
    register(2, scored(clone, LISTS["test"]), model=clone)
    printed = gate()
    assert "different test images" in printed
    assert "+0.0000" in printed
    assert champion() == 1


@pytest.mark.parametrize(
    ("number", "lost"), [(1, "no table"), (2, "no table"), (1, "stale"), (2, "stale")]
)
def test_without_a_version_s_own_table_both_are_scored_anew(gate, number, lost):
    good, poor = (write_threshold_model(Path(f"{limit}.onnx"), limit) for limit in (140, 200))
    for position, model in enumerate((poor, good), start=1):
        table = None if (number, lost) == (position, "no table") else scored(model, LISTS["test"])
        register(position, table, model=model)
        if (number, lost) == (position, "stale"):
            store = open_store()
            write_csv(Path("per_image.csv"), CHAMPION)
            store.client.log_artifact(version(position).run_id, "per_image.csv", "tables")
        printed = gate()
    reason = "no table of its test images" if lost == "no table" else "table of another"
    assert re.search(rf"the run of version {number} \(\w+\) holds (the )?{reason}", printed)
    assert "on the same 3 test images" in printed
    assert champion() == 2


def test_what_cannot_be_scored_anew_is_refused_with_the_way_out(beside, workspace):
    register(2, pixel_table(0, names=NAMES[1:]))
    with (workspace / "data/pets/index.csv").open("a") as index:
        index.write("Bengal_99,0,0\n")
    printed = beside()
    assert champion() == 1
    assert "data/pets is not the data set of both" in printed
    assert "dvc checkout" in printed
    assert "run the gate again" in version(2).tags["gate.reason"]


def test_pictures_that_were_deleted_are_an_error_and_decide_nothing(gate, workspace):
    model = write_threshold_model(Path("1.onnx"), 140)
    register(1, None, model=model)
    gate()
    register(2, scored(model, LISTS["test"]), model=write_threshold_model(Path("2.onnx"), 200))
    mask_path(workspace / "data/pets", "Bengal_5").unlink()
    with pytest.raises(UserError, match=r"Bengal_5\.png is missing"):
        gate()
    assert version(2).aliases == ()
    assert "gate.decision" not in version(2).tags
