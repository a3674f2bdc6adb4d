"""A branch whose model is better, beside the branch that it would be merged into."""

import json
import shutil
import sys

import pytest
from clone import Clone
from PIL import Image
from pixel_tables import pixel_table
from tiny_pets import REPOSITORY

PIPELINE = """
stages:
  evaluate:
    cmd: cp -r made/. metrics
    deps: [made, data/pairs/index.csv]
    params: [seed]
    outs: [metrics/tables, metrics/plots/evaluate]
    metrics: [{metrics/evaluate.json: {cache: false}}]
"""


@pytest.fixture
def branch(tmp_path):
    """A repository whose one stage copies what evaluate would have made."""
    made = Clone(tmp_path, PYTHONPATH=str(REPOSITORY))
    made.run("git init --quiet --initial-branch main && dvc init --quiet")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    return made


def evaluated(branch, seed, pet_missed, grey, data="name\n"):
    """Commit what a model did that misses so many of the pet's pixels in each image."""
    params = (REPOSITORY / "params.yaml").read_text()
    (branch.root / "params.yaml").write_text(params.replace("seed: 0 #", f"seed: {seed} #", 1))
    made, index = branch.root / "made", branch.root / "data/pairs/index.csv"
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_text(data)
    (made / "tables").mkdir(parents=True, exist_ok=True)
    (made / "plots/evaluate").mkdir(parents=True, exist_ok=True)
    pixel_table(pet_missed).to_csv(made / "tables/per_image.csv", index=False)
    (made / "evaluate.json").write_text(json.dumps({"miou": 1 - pet_missed / 1000}))
    Image.new("L", (8, 8), grey).save(made / "plots/evaluate/worst.png")
    branch.run("dvc repro --quiet")
    branch.commit(f"seed {seed}")


def review(branch):
    branch.run(f"{sys.executable} -m tools.review")
    return (branch.root / "reports/review/review.md").read_text()


def test_a_better_branch_is_shown_with_what_made_it_better(branch):
    evaluated(branch, seed=0, pet_missed=100, grey=0)
    branch.run("git switch --quiet --create better")
    assert "as good as before" in review(branch)

    evaluated(branch, seed=7, pet_missed=50, grey=255)
    told = review(branch)

    assert "**By the scores, the gate would accept the model** (20 test images)." in told
    # IoU of pet 0.9 and 0.95, of background 2000 of 2200 and of 2150, of border 0.8 in both.
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.splitlines()]
    sure = "+0.0237 to +0.0237"
    assert ["mIoU", "0.8697", "0.8934", "+0.0237", sure, "> 0.0000"] in cells
    assert ["params.yaml", "seed", "0", "7"] in cells
    assert ["metrics/evaluate.json", "miou", "0.9", "0.95", "0.05"] in cells
    assert "params.yaml" in told.partition("Code and data")[2]
    for side, grey in (("before", 0), ("after", 255)):
        assert f"({side}/worst.png)" in told.partition("## Pictures")[2]
        with Image.open(branch.root / f"reports/review/{side}/worst.png") as picture:
            assert picture.getpixel((0, 0)) == grey


def test_other_data_and_outputs_of_other_params_are_told(branch):
    evaluated(branch, seed=0, pet_missed=100, grey=0)
    branch.run("git switch --quiet --create other")
    assert "of this code" not in review(branch)
    evaluated(branch, seed=0, pet_missed=50, grey=0, data="name\nanother\n")
    assert "**The gate would refuse the model:** it is of other data" in review(branch)
    params = branch.root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 0 #", "seed: 1 #", 1))
    assert "**The outputs here are not of this code and these params:**" in review(branch)


def test_a_base_that_is_in_no_cache_is_not_compared(branch):
    evaluated(branch, seed=0, pet_missed=100, grey=0)
    assert "as good as before" in review(branch)
    # The base's tables, of which a review has left a copy.
    shutil.rmtree(branch.root / ".dvc/cache")
    assert "**The scores do not compare:** one side lacks" in review(branch)
