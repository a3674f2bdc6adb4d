"""Pairs go to CVAT and Label Studio, and come back as decisions and as added pairs."""

import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded
from PIL import Image
from processes import REPOSITORY, call
from pydantic import TypeAdapter
from tiny_models import COLOURS, write_traffic_light
from tiny_pets import PETS

from pipeline.core.files import file_digest, write_json, write_rows
from pipeline.core.layout import LABELS, ONNX, PAIRS, SPLITS, SUSPECTS
from pipeline.core.terminal import UserError
from pipeline.data.classes import FILE, IGNORE, Class, Classes
from pipeline.data.images import load_mask, save_mask
from pipeline.data.pairs import image_path, mask_path
from pipeline.ingest.additions import FOLDER, Addition, read_additions
from pipeline.ingest.annotation import Proposal, mask_png
from pipeline.ingest.cvat import read_labelmap
from pipeline.ingest.decisions import Held, Review, change, read_reviews
from pipeline.scoring.suspects import TABLE
from tools import labels
from tools.labelling.exporting import WRITERS

ANN = "Ann <ann@example.org>"
NAMES = ("a_1", "b_1", "c 1", "d.1")  # the most suspicious first; the last is of the test list
FORMATS = ("cvat", "label-studio")
SETS = {
    "background, ignored": replace(PETS, ignore=IGNORE),
    "background alone": PETS,
    # The colours are the same, and the first is what CVAT shows unlabelled pixels in.
    "30, ignored": Classes(
        "many", tuple(Class(f"class {n}", "#000000") for n in range(30)), IGNORE
    ),
    "30": Classes("many", tuple(Class(f"class {n}", "#00ff00") for n in range(30))),
}
PAGE = (REPOSITORY / "docs/review.md").read_text()


def some_mask(classes, seed, height=40, width=31):
    """Blocks of all classes; some pixels are ignored if they may be."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, len(classes), (height // 4 + 1, width // 4 + 1)).astype(np.uint8)
    mask = blocks.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    if classes.ignore is not None:
        mask[random.random(mask.shape) < 0.1] = IGNORE
    return mask


def write_pairs(classes):
    """Four pairs, their lists and their ranking, in the current folder."""
    (PAIRS / "images").mkdir(parents=True, exist_ok=True)
    (PAIRS / "masks").mkdir(exist_ok=True)
    for seed, name in enumerate(NAMES):
        mask = some_mask(classes, seed)
        image_path(PAIRS, name).write_bytes(photograph(seed, *mask.shape))
        save_mask(mask_path(PAIRS, name), mask, classes.palette)
    write_json(PAIRS / FILE, TypeAdapter(Classes).dump_python(classes))
    digests = [(name, file_digest(mask_path(PAIRS, name))) for name in NAMES]
    write_rows(PAIRS / "index.csv", ("name", "mask_sha256"), digests)
    write_rows(SPLITS / "test.csv", ("name",), [NAMES[-1:]])
    rows = [(name, "test" if name == NAMES[-1] else "train", "rim", 0.9 - place / 10, 0.1)
            for place, name in enumerate(NAMES)]  # fmt: skip
    write_rows(SUSPECTS / TABLE, ("name", "list", "kind", "score", "share"), rows)


def photograph(seed, height, width):
    random = np.random.default_rng(seed)
    return encoded(random.integers(0, 256, (height, width, 3), np.uint8), "JPEG")


@pytest.fixture
def run(workspace, monkeypatch, capsys):
    """Run `tools.labels`; return its status and what it printed."""
    (workspace / "gitconfig").write_text("[user]\nname = Ann\nemail = ann@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(workspace / "gitconfig"))
    write_pairs(SETS["background, ignored"])

    def run(*words):
        status = call(labels, *words)
        return status, capsys.readouterr().out

    return run


def come_back(exported, file):
    """What the tool exports after people have submitted what `export` wrote."""
    with zipfile.ZipFile(exported) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if "tasks.json" in content:
        tasks = json.loads(content["tasks.json"])
        for task in tasks:
            task["annotations"] = task.pop("predictions")
        file.write_text(json.dumps(tasks))
        return
    Path("labelmap.txt").write_bytes(content["labelmap.txt"])
    old = read_labelmap(Path("labelmap.txt"))
    new = {label: (9 * place % 256, 7, place) for place, (label, _) in enumerate(old)}
    lines = sorted(f"{label}:{','.join(map(str, new[label]))}::" for label in new)
    with zipfile.ZipFile(file, "w") as archive:  # colours of its own, sorted labels, no images
        archive.writestr("labelmap.txt", "\n".join(lines))
        for name in (name for name in content if name.startswith("SegmentationClass/")):
            shown = np.array(Image.open(io.BytesIO(content[name])))
            mask = np.zeros_like(shown)
            for label, colour in old:
                mask[(shown == colour).all(axis=-1)] = new[label]
            archive.writestr(name, encoded(mask, "PNG"))


def give_back(form, file, classes, masks):
    """Write the masks as the tool would export them."""
    proposals = [Proposal(name, photograph(1, *mask.shape), mask) for name, mask in masks.items()]
    exported = Path("given.zip")
    WRITERS[form](exported, proposals, classes)
    come_back(exported, file)


def decisions():
    return {name: review.decision for name, review in read_reviews(LABELS).items()}


@pytest.mark.parametrize("classes", SETS.values(), ids=SETS)
@pytest.mark.parametrize("form", FORMATS)
def test_the_same_mask_is_right_and_another_one_is_taken(run, form, classes):
    write_pairs(classes)
    status, out = run("export", "--format", form, "out.zip")
    assert (status, "4 pictures" in out) == (0, True)
    come_back("out.zip", Path("back"))
    status, out = run("import", "back")
    assert (status, "4 right" in out) == (0, True)
    assert decisions() == dict.fromkeys(NAMES, "right")
    assert read_reviews(LABELS)["a_1"].reviewer == ANN

    (LABELS / "review.csv").unlink()
    changed = some_mask(classes, 9)
    give_back(form, Path("back"), classes, {"a_1": changed, "b_1": some_mask(classes, 1)})
    assert run("import", "back")[0] == 0
    assert decisions() == {"a_1": "file", "b_1": "right"}
    np.testing.assert_array_equal(load_mask(mask_path(LABELS, "a_1")), changed)


def test_a_mask_that_was_drawn_for_another_one_of_its_name_is_not_lost(run):
    drawn = mask_png(some_mask(SETS["background, ignored"], 9), SETS["background, ignored"])
    change(LABELS, "a_1", Held(), Held(Review("a_1", "another's", "file", ANN, ""), drawn))
    run("export", "--format", "cvat", "out.zip")
    come_back("out.zip", Path("back"))
    status, out = run("import", "back")
    assert (status, "3 right" in out) == (1, True)
    assert "not taken: a_1: labels/ has a mask for another mask of this name" in out
    assert mask_path(LABELS, "a_1").read_bytes() == drawn


def test_the_most_suspicious_pairs_without_a_decision_go_out(run):
    digest = file_digest(mask_path(PAIRS, "a_1"))
    for review in (Review("a_1", digest, "right", ANN, ""), Review("b_1", "old", "right", ANN, "")):
        change(LABELS, review.name, Held(), Held(review))
    run("export", "--format", "label-studio", "--first", 2, "out.zip")
    with zipfile.ZipFile("out.zip") as archive:
        tasks = json.loads(archive.read("tasks.json"))
        assert [task["data"]["pair"] for task in tasks] == ["b_1", "c 1"]
        assert tasks[1]["data"]["image"] == "/data/local-files/?d=out/images/c%201.jpg"
        assert archive.read("images/c 1.jpg") == image_path(PAIRS, "c 1").read_bytes()
        assert '<Label value="~ignored" background="#808080"/>' in str(
            archive.read("labelling.xml")
        )
    run("export", "--format", "cvat", "--list", "test", "out.zip")
    with zipfile.ZipFile("out.zip") as archive:
        assert archive.read("ImageSets/Segmentation/default.txt") == b"d.1\n"
    write_rows(SUSPECTS / TABLE, ("name", "list", "kind", "score", "share"), [])
    with pytest.raises(UserError, match="nothing to write"):
        run("export", "--format", "cvat", "out.zip")


@pytest.mark.parametrize("form", FORMATS)
def test_what_cannot_be_taken_is_listed_and_the_rest_is_taken(run, form):
    classes = SETS["background, ignored"]
    digest = file_digest(mask_path(PAIRS, "b_1"))
    change(LABELS, "b_1", Held(), Held(Review("b_1", digest, "leave out", "Bob <b@b>", "")))
    masks = {name: some_mask(classes, 9) for name in NAMES}
    masks |= {"c 1": some_mask(classes, 2), "a_1": some_mask(classes, 0, height=44)}
    give_back(form, Path("back"), classes, masks | {"../x": masks["b_1"], "strange": masks["b_1"]})
    status, out = run("import", "back")
    assert status == 1
    assert "1 right" in out
    assert "a_1: it and the picture differ in size: 31x44 and 31x40" in out
    assert "b_1: b_1 has been decided meanwhile: leave out, by Bob" in out
    assert "d.1: it changes a mask of the test list: say why (--reason)" in out
    assert "strange: it is no pair, and its picture is not here" in out
    if form == "label-studio":  # paths in archives are looked at below
        assert "../x: it is no pair, and no name for one" in out
    assert decisions() == {"b_1": "leave out", "c 1": "right"}

    status, out = run("import", "back", "--reason", " the ear \n")
    assert (status, "1 file, 1 taken before" in out) == (1, True)
    assert read_reviews(LABELS)["d.1"].reason == "the ear"


def test_a_mask_that_cannot_be_read_is_listed_and_the_rest_is_taken(run):
    run("export", "--format", "cvat", "out.zip")
    come_back("out.zip", Path("back"))
    with zipfile.ZipFile("back", "a") as archive:
        archive.writestr("SegmentationClass/again/b_1.png", b"")
    status, out = run("import", "back")
    assert (status, "3 right" in out) == (1, True)
    assert "b_1: 2 masks have this name" in out


@pytest.mark.parametrize("form", FORMATS)
def test_kept_photographs_become_added_pairs(run, form):
    write_pairs(PETS)
    write_traffic_light(ONNX)
    kept = Path("log/kept")
    kept.mkdir(parents=True)
    mask = some_mask(PETS, 3)
    for name in ("new", "a_1"):  # the latter is a pair already
        Image.fromarray(COLOURS[mask]).save(kept / f"{name}.jpg", quality=100, subsampling=0)
    run("export", "--format", form, "--kept", "log", "out.zip")
    come_back("out.zip", Path("back"))
    assert run("import", "back")[0] == 1  # it has no picture
    for told in ("1 added", "1 taken before"):
        status, out = run("import", "back", "--kept", "log")
        assert (status, told in out) == (0, True)
    tool = {"cvat": "CVAT", "label-studio": "Label Studio"}[form]
    assert read_additions(LABELS) == {"new": Addition("new", PETS.dataset, tool, ANN)}
    assert image_path(LABELS / FOLDER, "new").read_bytes() == (kept / "new.jpg").read_bytes()
    np.testing.assert_array_equal(load_mask(mask_path(LABELS / FOLDER, "new")), mask)
    with pytest.raises(UserError, match="nothing to write"):
        run("export", "--format", form, "--kept", "log", "out.zip")


def test_pictures_that_come_along_are_added(run):
    mask = some_mask(PETS, 3)
    WRITERS["cvat"](Path("back.zip"), [Proposal("new", photograph(5, *mask.shape), mask)], PETS)
    assert run("import", "back.zip")[0] == 0
    assert image_path(LABELS / FOLDER, "new").read_bytes() == photograph(5, *mask.shape)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"labelmap.txt": "pet:1,2,3::", "../evil.png": "x"}, "evil.png is not extracted"),
        ({"labelmap.txt": "pet:1,2::"}, "labelmap.txt, line 1: expected label:red,green,blue::"),
        ({"labelmap.txt": "pet:1,2,3::\nborder:1,2,3::"}, "line 2: 1,2,3 is the colour of another"),
        ({"notes.txt": "x"}, "no labelmap.txt of CVAT, and no JSON of Label Studio"),
        ({"tasks.json": '[{"id": 1}]'}, "export as JSON, not as JSON-MIN"),
        ({"tasks.json": "x"}, "tasks.json is not JSON"),
    ],
)
def test_other_archives_are_refused_whole(run, members, fault):
    with zipfile.ZipFile("back.zip", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(UserError, match=re.escape(fault)):
        run("import", "back.zip")
    assert not LABELS.exists()
    assert not Path("evil.png").exists()


def test_a_damaged_archive_is_refused_with_the_remedy(run):
    run("export", "--format", "cvat", "out.zip")
    Path("back.zip").write_bytes(Path("out.zip").read_bytes()[:-30])
    with pytest.raises(UserError, match=r"is not a whole archive.* Export it again"):
        run("import", "back.zip")


def test_the_pages_commands_run(run):
    write_pairs(PETS)
    write_traffic_light(ONNX)
    commands = re.findall(r"^python -m tools\.labels (.*)$", PAGE, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["export"] * 3 + ["import"] * 2
    Path("log/kept").mkdir(parents=True)
    Path("log/kept/new.jpg").write_bytes(photograph(4, 40, 31))
    for command in commands[:3]:
        assert run(*command.split())[0] == 0
    come_back("round1.zip", Path("annotated.zip"))
    come_back("round2.zip", Path("annotated.json"))
    for command in commands[3:]:
        assert run(*command.replace('"', "").split())[0] == 0
