"""A training's state outlives its process, belongs to one at a time, and goes at the end."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from pipeline.model.resume import (
    ABANDONED,
    UNSAVED,
    training_key,
    training_state,
)

KEY, OTHER = training_key("mine"), training_key("another")
STATE = {
    "learner": {"network": {"weight": torch.arange(6.0).view(2, 3)}, "steps": [1, 2]},
    "rows": [{"epoch": 1, "val": {"miou": 0.25, "iou": {"pet": None}}}],
    "best": {"half": torch.tensor([0.5], dtype=torch.bfloat16)},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the states lie."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path / ".cache/training"


def states(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def load():
    with training_state(KEY) as state:
        return state.load()


def test_the_last_state_is_loaded_by_the_next_process_even_after_an_error(folder):
    with suppress(ZeroDivisionError), training_state(KEY) as state:
        assert state.load() is None
        state.save({"rows": []})
        state.save(STATE)
        raise ZeroDivisionError
    loaded = load()
    assert repr(loaded) == repr(STATE)
    assert loaded["best"]["half"].dtype == torch.bfloat16
    assert loaded["learner"]["network"]["weight"].equal(STATE["learner"]["network"]["weight"])


def test_the_id_stays_until_the_training_is_finished(folder):
    with training_state(KEY) as state:
        first = state.id
    with training_state(KEY) as state:
        assert state.id == first
        state.save(STATE)
        state.file.with_name(f".{state.file.name}.1234.tmp").write_bytes(b"half written")
        assert repr(state.load()) == repr(STATE)
        state.remove()
    assert states(folder) == []
    with training_state(KEY) as state:
        assert state.id != first
        assert state.load() is None


@pytest.fixture
def finished(folder, tmp_path, monkeypatch):
    """The id of a training that has finished, whose checkpoint DVC has yet to save."""
    monkeypatch.chdir(tmp_path)
    Path("checkpoint.pth").write_bytes(b"weights")
    Path("dvc.lock").write_text("md5: 0123\n")
    with training_state(KEY) as state:
        state.save(STATE)
        state.finish(Path("checkpoint.pth"))
        return state.id


def test_a_finished_training_is_kept_until_dvc_has_saved_its_checkpoint(finished):
    for _ in range(2):  # it may be killed again
        with training_state(KEY) as state:
            assert state.id == finished
            assert repr(state.load()) == repr(STATE)
    Path("dvc.lock").write_text(f"md5: {hashlib.md5(b'weights').hexdigest()}\n")
    with training_state(KEY) as state:  # asked for again: a new training
        assert state.id != finished
        assert state.load() is None


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_a_finished_training_is_not_kept_for_long(finished, folder, key):
    (mine,) = states(folder)
    os.utime(folder / mine, (time.time() - UNSAVED - 60,) * 2)
    with training_state(key) as state:
        assert state.id != finished
        assert states(folder) == [state.file.parent.name]


def test_the_key_depends_on_all_parts_in_order_and_on_the_files(tmp_path):
    parts = [("a", 1), ("a", 2), (1, "a"), ("a", "1"), ("a1",), ({"lr": 0.1},), ({"lr": 0.2},)]
    assert len({training_key(*each) for each in parts}) == len(parts)
    assert training_key({"lr": 0.1}, "a") == training_key({"lr": 0.1}, "a")
    keys = set()
    for content in ("one", "another"):
        (tmp_path / "weights").write_text(content)
        keys.add(training_key(files=[tmp_path / "weights"]))
    assert len(keys) == 2


def test_the_same_training_waits_until_the_first_is_finished(folder, said):
    with ThreadPoolExecutor(1) as pool, training_state(KEY) as state:
        state.save(STATE)
        second = pool.submit(load)
        try:
            assert "waiting for its end" in said.get(timeout=60)
            assert not second.done()
        finally:
            state.remove()
    assert second.result() is None


def test_only_abandoned_states_are_removed(folder):
    left = [training_key(name) for name in ("old", "new")]
    for place, age in enumerate((ABANDONED + 60, 60)):
        with training_state(left[place]) as state:
            state.save(STATE)
        left[place] = state.file.parent
        os.utime(left[place], (time.time() - age,) * 2)
    with training_state(KEY) as state:
        assert [each.exists() for each in left] == [False, True]
        state.save(STATE)
        os.utime(state.file.parent, (time.time() - ABANDONED - 60,) * 2)
        with training_state(OTHER):
            assert repr(state.load()) == repr(STATE)  # a slow epoch is not abandoned


def test_a_damaged_or_hostile_state_starts_the_training_over(folder, capsys):
    class Hostile:
        def __reduce__(self):
            return (folder.joinpath("escaped").touch, ())

    with training_state(KEY) as state:
        torch.save({"rows": Hostile()}, state.file)
        assert state.load() is None
        assert not (folder / "escaped").exists()
        assert "damaged, the training starts over" in capsys.readouterr().out
        state.save(STATE)
        state.file.write_bytes(state.file.read_bytes()[:100])
        assert state.load() is None
        assert "damaged, the training starts over" in capsys.readouterr().out
        state.save({"epoch": 1})
        assert state.load() == {"epoch": 1}
