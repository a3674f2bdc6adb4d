"""`make labels` judges every pair once, the training list by models that were not trained on it."""

import pandas as pd
import pytest
from processes import REPOSITORY
from tiny_models import save_random_model
from tiny_pets import LISTS, write_params
from training import client, runs

from pipeline.core.layout import MODELS, SUSPECTS
from pipeline.core.terminal import UserError
from pipeline.scoring.suspects import read_suspects
from tools.labelling import ranking as tool


@pytest.fixture
def trained(tiny_pets, monkeypatch):
    """The tiny data set with a model, which may have learned nothing."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))  # for the folds' trainings
    save_random_model(MODELS)
    return tiny_pets


def table_of(**groups):
    names = [f"{place:02}" for place in range(len(next(iter(groups.values()))))]
    return pd.DataFrame({"name": names, **groups})


def test_each_fold_gets_its_share_of_each_group():
    table = table_of(breed=["pug"] * 6 + ["Bengal"] * 3)
    fold = tool.deal(table, 3, 0, apart=False)
    counts = pd.crosstab(table["breed"], fold)
    assert counts.loc["pug"].tolist() == [2, 2, 2]
    assert counts.loc["Bengal"].tolist() == [1, 1, 1]
    assert fold.tolist() == tool.deal(table, 3, 0, apart=False).tolist()
    assert fold.tolist() != tool.deal(table, 3, 1, apart=False).tolist()


def test_apart_whole_groups_are_in_a_fold():
    table = table_of(film=["a", "b", "a", "c", "b", "d"])
    fold = tool.deal(table, 2, 0, apart=True)
    assert (fold.groupby(table["film"]).nunique() == 1).all()
    assert set(fold) == {0, 1}


@pytest.mark.parametrize(("apart", "what"), [(False, "pictures"), (True, "groups")])
def test_more_folds_than_there_is_to_deal_are_refused(apart, what):
    with pytest.raises(UserError, match=f"labels.folds: 7 is more than .* {what}"):
        tool.deal(table_of(film=["a", "b", "a"]), 7, 0, apart=apart)


def test_folds_are_trained_once_each_in_a_run_nested_in_the_models(trained):
    write_params(trained, labels={"folds": 2})
    tool.rank()
    table = read_suspects(SUSPECTS)
    lists = {name: set(rows["name"]) for name, rows in table.groupby("list")}
    assert lists == {name: set(names) for name, names in LISTS.items()}
    assert [*table][:4] == ["name", "list", "breed", "species"]
    assert len(list((SUSPECTS / "masks").iterdir())) == len(table)

    *folds, own = runs(trained)
    tags = {run.data.tags["labels.fold"]: run.data.tags["mlflow.parentRunId"] for run in folds}
    assert tags == dict.fromkeys(("1 of 2", "2 of 2"), own.info.run_id)
    held_out = [
        set(pd.read_csv(file)["name"]) for file in trained.glob(".cache/labels/*/splits/test.csv")
    ]
    assert held_out[0].isdisjoint(held_out[1])
    assert held_out[0] | held_out[1] == set(LISTS["train"])
    logged = [each.path for each in client(trained).list_artifacts(own.info.run_id, "labels")]
    assert logged == ["labels/sheets", "labels/suspects.csv"]

    before = (SUSPECTS / "suspects.csv").read_bytes()
    tool.rank()
    assert len(runs(trained)) == 3
    assert (SUSPECTS / "suspects.csv").read_bytes() == before


def test_without_folds_the_model_judges_what_it_learned_and_says_so(trained, capsys):
    write_params(trained, labels={"folds": 0})
    tool.rank()
    assert "was trained on it" in capsys.readouterr().out.replace("\n", " ")
    assert len(read_suspects(SUSPECTS)) == sum(map(len, LISTS.values()))
    assert len(runs(trained)) == 1


def test_a_training_that_fails_leaves_no_fold(trained, monkeypatch):
    write_params(trained, labels={"folds": 2})
    monkeypatch.setattr(tool, "run_process", lambda *_: 1)
    with pytest.raises(UserError, match="not ranked: a training failed"):
        tool.rank()
    assert not [each for each in trained.glob(".cache/labels/*") if each.is_dir()]
    assert not SUSPECTS.exists()
