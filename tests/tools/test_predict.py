"""From names on the command line to pictures in a folder, lines of JSON, and an exit status."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow_workspace import register
from PIL import Image
from processes import call
from tiny_models import (
    BACKGROUND,
    BORDER,
    COLOURS,
    MASK,
    PET,
    write_onnx,
    write_sure_model,
    write_traffic_light,
)
from tiny_pets import PETS, REPOSITORY

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.deploy.results import KINDS
from pipeline.monitoring.log import read_log
from tools import predict as predict_tool
from tools.predict import sentence

MODEL = ("--model", "models/model.onnx")


@pytest.fixture(autouse=True)
def _model(workspace):
    write_traffic_light(Path("models/model.onnx"))


@pytest.fixture
def predict(capsys):
    """Run the command; return its status, its lines of JSON, and what it said beside."""

    def run(*arguments):
        capsys.readouterr()
        status = call(predict_tool, *arguments)
        output = capsys.readouterr()
        return status, [json.loads(line) for line in output.out.splitlines()], output.err

    return run


def photograph(file, image=COLOURS[MASK]):
    """A picture; by default, MASK is its mask."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file)


def run_process(*command):
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def pixels(file):
    return np.asarray(Image.open(file)).tolist()


def test_a_photograph_becomes_four_pictures_and_a_line(predict):
    photograph("my cat.png")
    status, [line], _ = predict("my cat.png", *MODEL)
    assert status == 0
    assert line.pop("ms") > 0
    digest = file_digest(Path("models/model.onnx"))
    assert (
        line
        == {
            "name": "my cat.png",
            "width": 3,
            "height": 2,
            "foreground_share": 0.5,
            "foreground_box": [0, 0, 2, 2],
            "shares": {"pet": 0.5, "background": 0.333333, "border": 0.166667},
            "confidence": None,  # not asked for
            "model": {"version": None, "digest": digest[:12], "dataset": PETS.dataset},
            "files": {kind: f"results/my cat.{kind}.png" for kind in KINDS if kind != "confidence"},
            "warning": None,
        }
    )
    assert pixels(line["files"]["mask"]) == pixels(line["files"]["palette"]) == MASK.tolist()
    assert pixels(line["files"]["input"]) == pixels("my cat.png")


def test_files_folders_and_patterns_in_one_command_and_errors_stop_none_of_them(predict):
    for name in ("one.png", "folder/two.png", "folder/more/three.png", "p/4.png", "p/5.bmp"):
        photograph(name)
    Path("folder/broken.jpg").write_bytes(b"broken")
    status, lines, said = predict("one.png", "folder", "p/*.png", "no.jpg", "--out", "out", *MODEL)
    assert status == 1
    names = ["one.png", "folder/two.png", "folder/more/three.png", "p/4.png"]
    assert [line["name"] for line in lines] == names
    assert len(list(Path("out").iterdir())) == 4 * 4
    assert "error: folder/broken.jpg: not a picture" in said
    assert "error: no.jpg: no such file" in said
    assert "4 of 6 predicted into out" in said


def test_names_that_look_like_options_patterns_or_shell(workspace):
    """In a process of its own, whose standard output has no encoding for one of them."""
    names = ["-v.png", "[ab].png", 'it\'s "q" & $HOME.png', "Kätzchen 猫.png", "a\nb.png"]
    names.append("cat-\udcff.png")  # the byte 255: not Unicode
    for name in names:
        photograph(name)
    done = run_process(sys.executable, "-m", "tools.predict", *MODEL, "--", *names)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["name"] for line in lines] == names
    assert all(pixels(line["files"]["mask"]) == MASK.tolist() for line in lines)
    assert done.stderr.startswith("model: models/model.onnx")


def test_without_a_photograph_there_is_nothing_to_do(predict, capsys):
    with pytest.raises(UserError, match="no photograph was found"):
        predict("none.jpg", *MODEL)
    assert "error: none.jpg: no such file" in capsys.readouterr().err
    assert not Path("results").exists()
    photograph("cat.png")
    with pytest.raises(UserError, match=r"--out cat\.png: File exists"):
        predict("cat.png", "--out", "cat.png", *MODEL)


def test_the_model_is_the_champion_unless_another_is_named(predict):
    photograph("cat.png", COLOURS[[[BACKGROUND]]])
    assert "model: models/model.onnx" in predict("cat.png")[2]
    register(write_onnx(Path("two.onnx"), BORDER), alias="champion")
    # It answers with the brightest channel: of black, its weight.
    photograph("cat.png", np.zeros((1, 1, 3), np.uint8))
    for reference in ([], ["--model", "1"]):
        _, [line], said = predict("cat.png", *reference)
        assert "model: version 1 @champion" in said
        assert pixels(line["files"]["mask"]) == [[BORDER]]
    write_onnx(Path("models/model.int8.onnx"), PET)
    for precision, kind in (("fp32", BACKGROUND), ("int8", PET)):
        _, [line], _ = predict("cat.png", "--precision", precision, *MODEL)
        assert pixels(line["files"]["mask"]) == [[kind]]


def test_a_file_that_learned_from_drawings_says_so_by_itself(predict):
    write_onnx(Path("drawn.onnx"), classes=replace(PETS, dataset="sample"))
    photograph("cat.png", COLOURS[[[BACKGROUND]]])
    assert (
        "model: drawn.onnx, which has seen drawings only"
        in predict("cat.png", "--model", "drawn.onnx")[2]
    )
    assert "drawings" not in predict("cat.png", *MODEL)[2]


def test_a_log_gets_a_row_for_each_photograph_and_keeps_the_least_sure(predict):
    write_sure_model(Path("models/model.onnx"))
    for number, brightness in enumerate((250, 40, 200, 100)):
        photograph(f"data/{number}.png", np.full((4, 4, 3), brightness, np.uint8))
    assert predict("data", *MODEL, "--log", "seen", "--keep", "0.3")[0] == 0
    table = read_log(Path("seen"))
    assert sorted(round(255 * each) for each in table["confidence"]) == [40, 100, 200, 250]
    assert set(table["digest"]) == {file_digest(Path("models/model.onnx"))[:12]}
    assert set(table["format"]) == {"PNG"}
    kept = {file.stem for file in Path("seen/kept").iterdir()}
    assert set(table["id"][table["confidence"] == table["confidence"].min()]) <= kept


def test_a_reader_that_stops_early_gets_no_traceback(workspace):
    for number in range(50):
        photograph(f"data/{number}.png")
    command = f"{sys.executable} -m tools.predict data {' '.join(MODEL)} | head -1"
    done = run_process("bash", "-c", command)
    assert json.loads(done.stdout)["name"] == "data/0.png"
    assert "Traceback" not in done.stderr


def test_make_takes_any_name_and_without_one_says_how():
    make = ("make", "--dry-run", "--directory", REPOSITORY, "predict")
    done = run_process(*make)
    assert done.returncode != 0
    assert "make predict IMAGE=pet.jpg" in done.stderr
    # The shell that runs the command finds the name in its environment.
    done = run_process(*make, 'IMAGE=it\'s "my" [cat]; é.png', "OUT=my results")
    assert '--out "my results" -- "$IMAGE"' in done.stdout


def test_a_sentence_says_what_was_found():
    files = {"overlay": "results/a.overlay.png"}
    shares = {"sky": 0.12, "road": 0.41, "person": 0.004, "building": 0.466}
    pet = {"foreground_share": 0.5, "foreground_box": (0, 0, 2, 2)}
    outcome = {"name": "a\x1b.jpg", **pet, "shares": shares, "files": files}
    assert sentence(outcome, "pet") == r"a\x1b.jpg: 50% of it is pet; see results/a.overlay.png"
    outcome["foreground_box"] = None
    assert "no pet found" in sentence(outcome, "pet")
    outcome["foreground_share"] = None
    assert ": 47% building, 41% road, 12% sky; see" in sentence(outcome, "foreground")
    outcome["shares"] = {"person": 0.004, "road": 0.996}
    assert ": 100% road; see" in sentence(outcome, "foreground")
