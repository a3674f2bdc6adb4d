"""The prediction log: whole rows through kills and full disks, bounded, with few pictures kept."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from processes import running, wait_until
from small_disk import small_disk

from pipeline.core.terminal import UserError
from pipeline.monitoring import log
from pipeline.monitoring.log import PredictionLog, read_log

IDENTITY = {"version": 3, "digest": "0123456789ab", "dataset": "tiny"}
ENDLESS = """
import sys
from pathlib import Path
from pipeline.monitoring.log import PredictionLog
log = PredictionLog(Path(sys.argv[1]))
number = 0
while True:
    log.write({"digest": "a"}, {"number": number}, format="JPEG", seconds=0, image=None)
    number += 1
"""


def add(to, number=0, confidence=0.5, image=None):
    seen = {"number": number, "confidence": confidence}
    to.write(IDENTITY, seen, format="PNG", seconds=0.0421, image=image)


def test_a_row_says_when_by_which_model_and_what_was_seen(tmp_path):
    written = PredictionLog(tmp_path / "new/log")
    before = datetime.now(UTC)
    add(written, 1)
    add(written, 2)
    table = read_log(tmp_path / "new/log")
    assert table["number"].tolist() == [1, 2]
    first = table.iloc[0]
    assert (first["version"], first["digest"], first["dataset"]) == (3, "0123456789ab", "tiny")
    assert (first["format"], first["ms"], first["confidence"]) == ("PNG", 42.1, 0.5)
    assert abs((first["time"] - before).total_seconds()) < 60
    assert read_log(tmp_path / "new/log", since=first["time"])["id"].isin(table["id"][1:]).all()
    assert read_log(tmp_path / "new/log", since=before.replace(year=9000)).empty


def test_a_killed_process_leaves_whole_rows(tmp_path):
    with running("-c", ENDLESS, tmp_path), running("-c", ENDLESS, tmp_path):
        wait_until(lambda: sum(p.stat().st_size > 50_000 for p in tmp_path.glob("*.jsonl")) == 2)
    pieces = sorted(tmp_path.glob("*.jsonl"))
    assert len(pieces) == 2
    for piece in pieces:
        numbers = [json.loads(line)["number"] for line in piece.read_text().splitlines()]
        assert numbers == list(range(len(numbers)))
    assert len(read_log(tmp_path)) == sum(len(p.read_text().splitlines()) for p in pieces)


def test_what_a_power_cut_left_of_a_row_is_left_out(tmp_path):
    add(PredictionLog(tmp_path), 1)
    (piece,) = tmp_path.glob("*.jsonl")
    piece.write_bytes(piece.read_bytes() + b'{"id":"2","ti' + b"\x00\x00\n" + b"17\n")
    assert read_log(tmp_path)["number"].tolist() == [1]


def test_a_full_disk_costs_rows_and_nothing_else(tmp_path, capsys):
    written = PredictionLog(tmp_path)
    with small_disk(1000):
        for number in range(20):
            add(written, number)
    kept = read_log(tmp_path)["number"].tolist()
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) == 20 - written.dropped
    assert capsys.readouterr().err.count("warning") == 1
    add(written, 20)  # there is room again
    (piece,) = tmp_path.glob("*.jsonl")
    assert [json.loads(line)["number"] for line in piece.read_text().splitlines()] == [*kept, 20]


def test_the_oldest_pieces_go(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "PIECE", 1000)
    monkeypatch.setattr(log, "MOST", 5000)
    written = PredictionLog(tmp_path)
    for number in range(200):
        add(written, number)
        assert sum(file.stat().st_size for file in tmp_path.glob("*.jsonl")) <= 5000
    kept = read_log(tmp_path)["number"].tolist()
    assert len(kept) > 10
    assert kept == list(range(200 - len(kept), 200))
    for file in tmp_path.glob("*.jsonl"):  # as another server does that shares the folder
        file.unlink()
    add(written, 200)
    assert read_log(tmp_path)["number"].tolist() == [200]


def test_threads_share_a_log(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "PIECE", 2000)
    written = PredictionLog(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add(written, number), range(400)))
    assert sorted(read_log(tmp_path)["number"]) == list(range(400))
    assert written.dropped == 0


def test_the_least_confident_pictures_are_kept_under_their_rows_ids(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "MOST_KEPT", 30)
    written = PredictionLog(tmp_path, keep=0.1)
    confidences = np.random.default_rng(0).permutation(400) / 400
    for number, confidence in enumerate(confidences.tolist()):
        image = np.full((4, 6, 3), number // 2, np.uint8)
        add(written, number, confidence, image)
    table = read_log(tmp_path).set_index("id")
    kept = sorted((tmp_path / "kept").iterdir())
    assert len(kept) == 30
    modes = {file.stat().st_mode & 0o777 for file in (tmp_path / "kept", *kept)}
    assert modes == {0o700, 0o600}, "for their owner alone"
    rows = table.loc[[file.stem for file in kept]]
    assert rows["confidence"].max() < 0.2
    assert rows["confidence"].mean() < 0.1
    for file, number in zip(kept, rows["number"], strict=True):
        with Image.open(file) as image:
            assert (image.size, len(image.getexif())) == ((6, 4), 0)
            assert np.abs(np.array(image, np.int16) - number // 2).max() <= 2


@pytest.mark.parametrize(("keep", "kept"), [(0.0, 0), (1.0, 50)])
def test_none_or_all_pictures_are_kept_however_many_came_before(tmp_path, monkeypatch, keep, kept):
    monkeypatch.setattr(log, "REMEMBERED", 10)
    written = PredictionLog(tmp_path, keep)
    for confidence in (None, *np.linspace(0, 1, 49).tolist()):
        add(written, confidence=confidence, image=np.zeros((2, 2, 3), np.uint8))
    assert len(list(tmp_path.glob("kept/*"))) == kept


def test_a_folder_without_a_log_or_that_cannot_be_one_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no log in it.*make serve LOG="):
        read_log(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: the log cannot be written"):
        PredictionLog(tmp_path / "file")
