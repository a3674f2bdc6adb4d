"""Each benchmark runs, its sides do the same work, and it prints ratios; no time is asserted."""

import json
import math
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from processes import call
from tiny_models import save_random_model, write_traffic_light
from tiny_pets import LISTS, PETS
from torch import nn

from benchmarks import deploy, predicting, search, smp, training
from benchmarks.ours import Training
from pipeline.core.files import write_csv, write_json
from pipeline.core.layout import MODELS, TABLES
from pipeline.core.params import flatten, read_params
from pipeline.data.images import load_mask
from pipeline.model.checkpoint import load_checkpoint
from pipeline.model.encoders import TimmEncoder, load_pretrained
from pipeline.model.settings import LITE, ModelParams
from pipeline.scoring.tables import headline_words
from tools.sweeps.plan import read_plan

TINY = ModelParams(features=(4, 8))


@pytest.fixture
def bench(capsys):
    """Runs a benchmark with options and returns what its last line holds."""

    def run(benchmark, *options):
        call(benchmark, "--threads", "2", "--quick", *options)
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        numbers = [*found["medians"].values(), *found["ratios"].values()]
        assert all(math.isfinite(number) and number > 0 for number in numbers)
        assert (found["threads"], found["repeats"]) == (2, 1)
        return found

    return run


def test_the_training_is_measured_on_both_sides_beside_matrix_products(
    tiny_pets, monkeypatch, bench
):
    sizes = {"reference": 32, "small": 32, "lite0": 48}
    tiny = {name: Training(TINY, size) for name, size in sizes.items()}
    monkeypatch.setattr(training, "trainings", lambda size: tiny)
    found = bench(training, "--size", "32")
    sides = product(sizes, ("plain_0_workers", "plain_2_workers", "ours"))
    names = {f"{name}.{side}" for name, side in sides}
    assert found["medians"].keys() == {
        *names, "matmul.256", "matmul.512", "data_32px", "data_48px"
    }  # fmt: skip
    assert found["ratios"] == training.ratios(found["medians"], found["gflop_per_step"], sizes)
    assert {"device", "precision", "torch"} <= found.keys()


def test_the_ratios_are_to_the_faster_plain_loop_and_the_best_matrix_product():
    medians = {"matmul.256": 100.0, "matmul.512": 200.0, "data_32px": 1000.0, "data_48px": 600.0}
    medians |= {"a.plain_0_workers": 5.0, "a.plain_2_workers": 4.0, "a.ours": 10.0}
    medians |= {"b.plain_0_workers": 50.0, "b.plain_2_workers": 80.0, "b.ours": 120.0}
    gflop = {"a": 80.0}  # of eight images; not known for b
    assert training.ratios(medians, gflop, {"a": 32, "b": 48}) == {
        "a.ours_to_plain": 2.0,
        "a.share_of_matmul": 10 / 8 * 80 / 200,
        "a.data_to_training": 100.0,
        "b.ours_to_plain": 1.5,
        "b.data_to_training": 5.0,
    }


def test_a_convolution_is_counted_as_by_hand():
    convolution = nn.Conv2d(3, 4, kernel_size=3, padding=1, bias=False)
    forward = 2 * (2 * 4 * 8 * 8) * (3 * 3 * 3)  # a multiply-add for each output and weight
    # Backward the same for the weights; the images have no gradient.
    assert training.flops(convolution, torch.zeros(2, 3, 8, 8)) == 2 * forward
    # A second layer has one, for the first.
    both = nn.Sequential(convolution, nn.Conv2d(4, 4, kernel_size=1, bias=False))
    second = 3 * 2 * (2 * 4 * 8 * 8) * 4
    assert training.flops(both, torch.zeros(2, 3, 8, 8)) == 2 * forward + second
    once, twice = (training.step_gflop(Training(TINY, size), 3) for size in (32, 64))
    assert twice == pytest.approx(4 * once, rel=1e-12)  # twice the sides, four times the pixels


def test_both_sides_of_the_prediction_write_the_same_pictures(tiny_pets, tmp_path, bench):
    model = write_traffic_light(Path("models/model.onnx"))
    photographs = sorted(Path("data/pairs/images").iterdir())[:5]
    written = {}
    for name, side in (
        ("plain", predicting.plain_side(model)),
        ("ours", predicting.our_side(model, 2)),
    ):
        (tmp_path / name).mkdir()
        side(photographs, tmp_path / name)
        written[name] = {file.name: Image.open(file) for file in (tmp_path / name).iterdir()}
    assert len(written["ours"]) == 4 * 5
    assert written["plain"].keys() == written["ours"].keys()
    for name, plain in written["plain"].items():
        assert plain.mode == written["ours"][name].mode
        np.testing.assert_array_equal(np.asarray(plain), np.asarray(written["ours"][name]))

    found = bench(predicting, "--slice", "3", "--store", f"file://{tmp_path}/store")
    medians = found["medians"]
    assert found["ratios"] == {
        "predicting.ours_to_plain": medians["ours"] / medians["plain"],
        "predicting.store_ours_to_plain": medians["store.ours"] / medians["store.plain"],
    }
    plain = {file.stem: load_mask(file) for file in (tmp_path / "store/plain").iterdir()}
    ours = {
        file.name.partition(".")[0]: load_mask(file)
        for file in tmp_path.glob("store/ours/masks/**/*.png")
    }
    assert plain.keys() == ours.keys()
    for name, mask in plain.items():
        np.testing.assert_array_equal(mask, ours[name])


def test_the_exported_models_are_measured_beside_pytorch(tiny_pets, bench):
    save_random_model(MODELS)
    for name in ("model.onnx", "model.int8.onnx"):
        write_traffic_light(MODELS / name)
    found = bench(deploy, "--size", "32")
    assert found["medians"].keys() == {"eager", "fp32", "int8"}
    ratios = deploy.ratios({"eager": 300.0, "fp32": 200.0, "int8": 75.0})
    assert ratios == {"fp32_to_eager": 1.5, "int8_to_eager": 4.0}


@pytest.mark.slow
def test_smps_network_starts_from_our_encoder_learns_and_is_scored_beside_our_model(
    tiny_pets, capsys
):
    params = ModelParams(features=(16, 24, 32, 64, 128), encoder=LITE)
    save_random_model(MODELS, params)
    ours = TimmEncoder(LITE, 5)
    load_pretrained(ours, params)
    theirs = smp.build_network(load_checkpoint(MODELS)[1]).encoder.model.state_dict()
    for name, tensor in ours.network.state_dict().items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=0)

    scores = pd.DataFrame({"score": list(headline_words(PETS)), "value": 0.5, "low": 0, "high": 1})
    write_csv(TABLES / "scores.csv", scores)
    found = []
    for minutes in ("0.001", "0.1"):
        call(smp, "--threads", "2", "--minutes", minutes)
        table, last = capsys.readouterr().out.rstrip().rsplit("\n", 1)
        assert table.count("0.5000") >= len(scores)
        found.append(json.loads(last))
    short, longer = found
    assert short["epochs"] < longer["epochs"]
    assert longer["images"] == len(LISTS["test"])
    assert short["miou"] < longer["miou"] < 1


def test_both_searches_are_plans_over_params_that_exist_with_seeds_of_their_own(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "argv", ["search"])
    arguments = search.parse_arguments()
    seeds = []
    for word in search.WORDS:
        file = tmp_path / f"{word}.yaml"
        write_json(file, search.plan_of(word, 1, arguments))
        plan = read_plan(file)
        params = flatten(read_params(Path(__file__).parents[2] / "params.yaml"))
        assert plan["search"].space.keys() | plan["set"].keys() <= params.keys()
        assert plan["search"].checked_rungs(plan["set"]) == ((1, 3) if word == "halving" else ())
        seeds.append(range(plan["search"].seed, plan["search"].seed + plan["search"].trials))
    assert not set(seeds[0]) & set(seeds[1])


def test_the_table_says_what_halving_spends_of_randoms_epochs_and_whether_it_reaches_its_score():
    rows = [
        ("halving", 30, 0.749),
        ("random", 90, 0.75),
        ("halving", 60, 0.747),
        ("random", 80, 0.75),
    ]
    found = [
        {"search": word, "seed": place // 2, "trials": 9, "epochs": epochs, "miou": miou}
        for place, (word, epochs, miou) in enumerate(rows)
    ]
    columns = {column.header: [*column.cells] for column in search.table_of(found).columns}
    assert columns["of random's"] == ["0.33", "1.00", "0.75", "1.00"]
    assert columns["reached"] == ["yes", "yes", "no", "yes"]
