"""The list and the gate as commands, on real small stores: hand-made tables whose verdicts are
known, and models that are scored again on pictures.
"""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import onnx
import pandas as pd
import pytest
from pictures import claim, encoded
from PIL import Image
from pixel_tables import miou_of, pixel_table, table_of
from processes import call
from rich.console import Console
from tiny_models import write_onnx, write_threshold_model
from tiny_pets import LISTS, PETS, write_params

from pipeline.core.files import file_digest, write_csv
from pipeline.core.terminal import UserError
from pipeline.data.classes import Class
from pipeline.deploy.agreement import count_pixels
from pipeline.deploy.predictor import Predictor
from pipeline.deploy.results import png_of
from pipeline.records.registry import register_model
from pipeline.records.runs import checkpoint_run, find_run
from pipeline.records.store import open_store
from pipeline.records.versions import Version, list_versions
from tools import models as models_tool

CHAMPION = pixel_table(pet_missed=200)
# The second is of earlier releases, which kept confusion matrices.
OTHERS = {"stale": CHAMPION, "old form": pd.DataFrame({"name": ["Bengal_5"], "pet_as_pet": 5})}
LOCK = "stages: {evaluate: {params: {params.yaml: {evaluate: {batch_size: 8}}}}}\n"
TEST = Path("data/splits/test.csv")


@pytest.fixture(autouse=True)
def workspace(tiny_pets: Path) -> Path:
    return tiny_pets


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command; return what it printed."""
    for module in ("tools.models", "tools.gate"):
        monkeypatch.setattr(f"{module}.console", Console(width=120))
    monkeypatch.setattr("tools.gate.FEWEST", 3)  # as many as the list has

    def run(*arguments: str) -> str:
        capsys.readouterr()  # what was printed before
        call(models_tool, *arguments)
        return capsys.readouterr().out

    return run


@pytest.fixture
def gate(models):
    return partial(models, "gate")


@pytest.fixture
def restored(workspace: Path) -> None:
    """Outputs as `dvc repro` restores them from a cache, which left no trace in MLflow."""
    write_onnx(Path("models/model.onnx"))
    Path("models/checkpoint.pth").write_bytes(b"weights")
    write_csv(Path("metrics/tables/per_image.csv"), CHAMPION)
    Path("metrics/evaluate.json").write_text(json.dumps({"miou": miou_of(CHAMPION)}))
    Path("metrics/train.json").write_text(json.dumps({"images": {"train": 8}}))
    # A class with "_" in its name, and one that no validation mask has.
    ious = {"val_iou_pet": [0.25, 0.5], "val_iou_big_cat": [0.125, 0.25], "val_iou_fox": [None] * 2}
    curves = pd.DataFrame({"epoch": [1, 2], **ious})
    write_csv(Path("metrics/plots/train/curves.csv"), curves)
    Path("dvc.lock").write_text(LOCK)


def register(number: int, table: pd.DataFrame | None, model: Path | None = None) -> None:
    """A version with a run of its own, which holds the table of its evaluation, if any."""
    with checkpoint_run(f"checkpoint {number}", Path("data/pairs")) as run:
        if table is not None:
            write_csv(Path("made/per_image.csv"), table)
            run.log_artifact(Path("made"), "tables")
        scores = {} if table is None else {"test": {"miou": miou_of(table)}}
        register_model(run, model or write_onnx(Path(f"{number}.onnx"), number), scores)


@pytest.fixture
def beside(gate):
    """The command where version 1 is the champion."""
    register(1, CHAMPION)
    gate()
    return gate


def test_an_answer_is_traced_to_its_version_and_what_is_none_is_told(models):
    register(1, CHAMPION)
    register(2, CHAMPION)
    digest = file_digest(Path("2.onnx"))
    mask = Image.new("L", (2, 2))
    Path("mask.png").write_bytes(png_of(mask, {"version": 2, "digest": digest[:12]}))
    for answer in ("mask.png", digest[:12], digest.upper()):
        said = dict(line.split(maxsplit=1) for line in models("trace", answer).splitlines())
        assert said["version"] == "2"
        assert said["file"] == "model.onnx"
        assert said["MLflow"] == f"run  {version(2).run_id}"
        assert said["rebuild"] == "it  make verify VERSION=2"
    mask.save("plain.png")
    Path("bomb.png").write_bytes(claim(encoded(mask), 65_535, 65_535))
    problems = dict.fromkeys(("plain.png", "bomb.png"), "no PNG that names the model")
    problems |= {"0" * 12: "no registered version"}
    problems |= dict.fromkeys((digest[:7], "x" * 300), "no digest of 8 to 64 hexadecimal digits")
    for answer, problem in problems.items():
        with pytest.raises(UserError, match=problem):
            models("trace", answer)


def version(number: int) -> Version:
    return next(each for each in list_versions() if each.number == number)


def champion() -> int:
    [number] = [each.number for each in list_versions() if "champion" in each.aliases]
    return number


def scored(file: Path, names: list[str]) -> pd.DataFrame:
    """What evaluate would write of the model for these pictures."""
    [[counted]] = count_pixels([Predictor(file, threads=1)], Path("data/pairs"), names)
    return table_of(names, counted)


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
    write_params(workspace, gate={"max_class_drop": {"rim": 0.03}})
    with pytest.raises(UserError, match=r"params\.yaml: gate\.max_class_drop\.rim: .* no class"):
        beside()
    write_params(workspace, gate={"confidence": 0.975, "max_class_drop": {"border": 0.03}})
    printed = beside()
    assert "97.5 % interval" in printed
    assert "Version 2 is @champion" in printed


@pytest.mark.parametrize("pet_missed", [0, 200])
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


@pytest.mark.parametrize("recorded", [True, False])
def test_a_model_of_other_classes_never_dethrones_the_same_files_champion(gate, recorded):
    """The masks are the same, and so is index.csv: only a name is another."""
    renamed = replace(PETS, entries=(*PETS.entries[:2], Class("rim", "#ffffff")))
    models = [write_onnx(Path("1.onnx"), 1), write_onnx(Path("2.onnx"), 2, renamed)]
    for number, model in enumerate(models, start=1):
        classes = renamed.names if number == 2 else PETS.names
        table = pixel_table(200 if number == 1 else 0, classes=classes)
        register(number, table if recorded else None, model)
        gate()
    assert champion() == 1
    reason = "other classes than the champion, version 1 (the first that differs, 2, is rim here"
    assert f"{reason} and border there), so that" in version(2).tags["gate.reason"]
    assert "make promote VERSION=2" in version(2).tags["gate.reason"]


def test_a_dry_run_does_not_register_either(gate):
    register(1, CHAMPION)
    Path("models").mkdir()
    write_onnx(Path("models/model.onnx"), 7)
    assert "models/model.onnx is not registered" in gate("--dry-run")
    [only] = list_versions()
    assert only.aliases == ()


def test_of_two_test_lists_only_images_in_both_decide(gate, monkeypatch):
    good, poor = (write_threshold_model(Path(f"{limit}.onnx"), limit) for limit in (140, 200))
    shared, own = LISTS["test"], LISTS["val"][:1]
    register(1, scored(poor, [*shared, *own]), model=poor)
    gate()
    register(2, scored(good, shared), model=good)
    assert "its test list shares 3 images with that of the champion" in gate()
    assert champion() == 1
    monkeypatch.setattr("tools.pairing.FEWEST", 3)
    assert "on the same 3 test images" in gate()
    assert champion() == 2
    gain = miou_of(scored(good, shared)) - miou_of(scored(poor, shared))
    assert float(version(2).tags["gate.gain"]) == pytest.approx(gain, abs=1e-4)


@pytest.mark.parametrize(("number", "lost"), [(1, "stale"), (1, "old form"), (2, "no table")])
def test_without_a_versions_own_table_both_are_scored_again(gate, number, lost):
    good, poor = (write_threshold_model(Path(f"{limit}.onnx"), limit) for limit in (140, 200))
    for position, model in enumerate((poor, good), start=1):
        table = None if (number, lost) == (position, "no table") else scored(model, LISTS["test"])
        register(position, table, model=model)
        if number == position and lost in OTHERS:
            store = open_store()
            write_csv(Path("per_image.csv"), OTHERS[lost])
            store.client.log_artifact(version(position).run_id, "per_image.csv", "tables")
        printed = gate()
    reason = "table of another" if lost == "stale" else "no table of its test images"
    assert re.search(rf"the run of version {number} \(\w+\) holds (the )?{reason}", printed)
    assert "on the same 3 test images" in printed
    assert champion() == 2


def test_what_cannot_be_scored_again_is_refused_with_the_remedy(beside, workspace):
    register(2, None)
    with (workspace / "data/pairs/index.csv").open("a") as index:
        index.write("Bengal_99,0,0\n")
    printed = beside()
    assert champion() == 1
    assert "data/pairs is not the data set of both" in printed
    assert "dvc checkout" in printed
    assert "run the gate again" in version(2).tags["gate.reason"]


def test_the_gate_registers_what_a_cache_restored(restored, gate):
    assert "Version 1 is @champion: there was no champion." in gate()
    gate()  # registers nothing twice
    store = open_store()
    run = find_run(store, file_digest(Path("models/checkpoint.pth")))
    assert run.data.tags["restored"] == "true"
    assert run.data.tags["evaluate.batch_size"] == "8"
    curves = {"val.iou.pet": 0.5, "val.iou.big_cat": 0.25}
    assert run.data.metrics == {**curves, "test.miou": miou_of(CHAMPION)}
    tables = store.client.list_artifacts(run.info.run_id, "tables")
    assert [table.path for table in tables] == ["tables/per_image.csv"]
    [only] = list_versions(store.uri)
    assert only.aliases == ("challenger", "champion")
    assert (only.run_id, only.tags["test.miou"]) == (run.info.run_id, "0.823188")


def test_a_file_of_another_training_is_not_taken_for_the_checkpoints(restored, gate):
    model = onnx.load("models/model.onnx")
    model.metadata_props.add(key="checkpoint.sha256", value="of the training before")
    onnx.save(model, "models/model.onnx")
    with pytest.raises(UserError, match=r"no version of .* is registered yet"):
        gate()


def test_a_model_and_scores_of_different_commits_are_not_registered_together(restored, gate):
    outs = [{"path": "models/model.onnx", "md5": "0" * 32}]
    Path("dvc.lock").write_text(json.dumps({"stages": {"export": {"outs": outs}}}))
    with pytest.raises(UserError, match=r"models/model\.onnx is not the one that dvc\.lock names"):
        gate()


def test_an_exported_file_alone_is_no_model_to_register(restored, gate):
    gate()
    Path("models/checkpoint.pth").unlink()
    assert "it is the champion already" in gate()


def test_the_list_shows_versions_with_aliases_data_set_scores_and_origin(restored, models):
    assert "No version is registered yet" in models()
    models("gate")
    write_onnx(Path("models/model.onnx"), weight=1)
    write_onnx(Path("models/model.int8.onnx"), weight=2)
    Path("metrics/export.json").write_text('{"int8": {"miou": 0.625, "offered": true}}')
    models("gate")
    heading, newest, oldest = map(str.split, models("list").splitlines()[:3])
    assert " ".join(heading) == "version aliases data set mIoU INT8 offered run date"
    last = version(2)
    origin = [last.run_id[:8], f"{last.created:%Y-%m-%d}"]
    data = last.tags["data.index_md5"][:7]
    assert newest == ["2", "@challenger", "unknown", data, "0.8232", "0.6250", "yes", *origin]
    assert oldest == ["1", "@champion", "unknown", data, "0.8232", *origin]
