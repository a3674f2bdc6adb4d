"""The monitor as a command: its verdict as a line, a status, tags, a page, and another command."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from mlflow_workspace import register
from monitored import make_reference, pictures
from processes import call
from tiny_models import write_onnx
from tiny_pets import PETS, write_params

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.monitoring.log import PredictionLog
from pipeline.monitoring.observation import observe
from pipeline.monitoring.reference import save_reference
from pipeline.records.versions import find_named, list_versions, reference_beside
from tools import monitor

LOG = Path("log")
PAGE = Path("reports/monitor.html")
LIMITS = {"window": 30, "windows": 3, "broken": 2}


@pytest.fixture(autouse=True)
def root(workspace):
    write_params(workspace, monitor=LIMITS)
    return workspace


def add_version(weight=0, reference=True) -> str:
    """Register a version; return the digest that its answers carry."""
    file = write_onnx(Path(f"made-{weight}") / "model.onnx", weight)
    if reference:
        save_reference(reference_beside(file), make_reference(pictures(120)))
    register(file)
    return file_digest(file)[:12]


def log(digest, number=90, brightness=1.0, **columns):
    """Write rows of pictures that the model with this digest labelled."""
    written = PredictionLog(LOG)
    for each in pictures(number, seed=7, brightness=brightness):
        seen = observe(each.image, each.mask, each.confidence, PETS) | columns
        written.write({"digest": digest}, seen, format="PNG", seconds=0.01, image=None)
    written.close()


@pytest.fixture
def run(capsys):
    """Run the command; return its status and the lines that it printed."""

    def command() -> tuple[int, list[str]]:
        capsys.readouterr()  # what was printed before
        return call(monitor, LOG), capsys.readouterr().out.splitlines()

    return command


def tags(number=1):
    every = find_named(list_versions(), str(number)).tags
    return {key: value for key, value in every.items() if key.startswith("monitor.")}


def test_unchanged_pictures_end_with_status_0(run):
    log(add_version())
    status, (line, page) = run()
    assert (status, page) == (0, f"page: {PAGE}")
    assert line.startswith("ok: version 1: 0 of 3 windows break a limit; estimated pixel accuracy")
    assert (tags()["monitor.verdict"], tags()["monitor.broken"]) == ("ok", "0")
    assert 0 < float(tags()["monitor.miou"]) < float(tags()["monitor.pixel_accuracy"]) < 1
    assert "Version 1: ok" in PAGE.read_text()


def test_drift_is_told_to_shell_page_registry_and_command(root, run):
    keep = "import sys, pathlib; pathlib.Path('told.json').write_text(sys.stdin.read())"
    command = shlex.join([sys.executable, "-c", keep])
    write_params(root, monitor=LIMITS | {"on_drift": command})
    log(add_version(), brightness=0.5)
    status, (line, _) = run()
    assert status == 1
    assert line.startswith("drift: version 1: 3 of 3 windows break a limit; ")
    told = json.loads(Path("told.json").read_text())
    assert told["line"] == line
    assert (told["version"], told["verdict"], told["broken"]) == (1, "drift", 3)
    assert told["moved"]["brightness"]["median"] < 0.7 * told["moved"]["brightness"]["was"]
    assert told["miou"]["low"] < told["miou"]["estimate"] < told["miou"]["high"]
    assert tags()["monitor.verdict"] == "drift"
    assert set(tags()["monitor.moved"].split(", ")) == set(told["moved"])
    page = PAGE.read_text()
    assert "Version 1: drift" in page
    assert "brightness: median" in page
    assert "data:image/png;base64," in page
    Path("told.json").unlink()
    assert run()[0] == 1
    assert not Path("told.json").exists(), "no picture is new"


def test_what_was_found_before_is_replaced(run):
    digest = add_version()
    log(digest, brightness=0.5)
    assert run()[0] == 1
    log(digest)
    assert run()[0] == 0
    assert (tags()["monitor.verdict"], tags()["monitor.moved"]) == ("ok", "nothing")


def test_each_version_is_compared_with_its_own_reference(run):
    first, second = add_version(0), add_version(1)
    log(first, brightness=0.5)
    log(second)
    log("feedfeedfeed", number=5)
    status, lines = run()
    assert status == 1
    assert [line.split(":")[:2] for line in lines[:2]] == [
        ["drift", " version 1"],
        ["ok", " version 2"],
    ]
    unknown = "5 pictures not compared: no registered version has a file whose sha256 begins with"
    assert lines[2] == f"{unknown} feedfeedfeed"
    assert unknown in PAGE.read_text()
    assert tags(2)["monitor.verdict"] == "ok"


def test_a_version_without_a_reference_is_an_error_that_names_the_remedy(run):
    log(add_version(reference=False))
    status, (line, _) = run()
    assert status == 1
    assert line.startswith("90 pictures not compared: version 1 was registered without a reference")
    assert "dvc repro" in line
    assert tags() == {}


def test_too_few_pictures_are_no_alarm(run):
    log(add_version(), number=5, brightness=0.5)
    status, (line, _) = run()
    assert status == 0
    assert line.startswith("too few pictures: version 1: 5 pictures are less than a window")
    assert tags()["monitor.verdict"] == "too few pictures"


def test_a_log_without_recent_rows_is_refused(root, run):
    write_params(root, monitor=LIMITS | {"days": 1e-9})
    log(add_version())
    with pytest.raises(UserError, match=r"log: no row in the last 1e-09 days \(monitor.days\)"):
        run()


@pytest.mark.parametrize("command", ["no-such-command", "false", "'", ""])
def test_a_command_that_fails_is_named_after_everything_else(root, command, run):
    write_params(root, monitor=LIMITS | {"on_drift": command})
    log(add_version(), brightness=0.5)
    with pytest.raises(UserError, match=r"monitor\.on_drift"):
        run()
    assert tags()["monitor.verdict"] == "drift"
    assert PAGE.is_file()
    with pytest.raises(UserError, match=r"monitor\.on_drift"):  # it is tried again
        run()


def test_how_far_a_shadow_agrees_is_summed_up(run):
    digest = add_version()
    shadow = {"shadow.version": 2, "shadow.digest": "abcdefabcdef", "shadow.agreement": 0.75,
              "shadow.both.pet": 30, "shadow.either.pet": 40}  # fmt: skip
    log(digest, number=30, **shadow)
    log(digest, number=30, **shadow | {"shadow.agreement": 0.25, "shadow.either.pet": 80})
    log(digest, number=30)
    assert run()[0] == 0
    page = PAGE.read_text()
    assert "Of 60 pictures a shadow (abcdefabcdef) gave 50.0% of the pixels the same class" in page
    assert '<td>pet</td><td class="number">0.500</td>' in page
