"""What people decide is in the file when they are told so, whoever else decides meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import running

from pipeline.core.terminal import UserError
from pipeline.ingest.decisions import Held, Review, change, held, read_reviews

HEADER = "name,mask_sha256,decision,reviewer,reason\n"


def review(name, decision="right", reviewer="Ann <ann@example.org>", reason=""):
    return Review(name, "ab12", decision, reviewer, reason)


def decide(labels, name, **more):
    change(labels, name, Held(), Held(review(name, **more)))


def test_rows_are_sorted_by_name_and_read_back_as_they_were_given(tmp_path):
    decide(tmp_path, "pug_2", decision="swap:cat,dog", reason='an "odd" one, really')
    decide(tmp_path, "pug_1", decision="leave out")
    assert (tmp_path / "review.csv").read_text() == HEADER + (
        "pug_1,ab12,leave out,Ann <ann@example.org>,\n"
        'pug_2,ab12,"swap:cat,dog",Ann <ann@example.org>,"an ""odd"" one, really"\n'
    )
    assert read_reviews(tmp_path) == {
        "pug_1": review("pug_1", "leave out"),
        "pug_2": review("pug_2", "swap:cat,dog", reason='an "odd" one, really'),
    }


def test_a_table_that_a_spreadsheet_saved_is_read_or_told(tmp_path):
    decide(tmp_path, "pug_1")
    file = tmp_path / "review.csv"
    text = file.read_text().replace("Ann", "Müller")
    file.write_text(text, encoding="utf-8-sig")
    assert read_reviews(tmp_path)["pug_1"].reviewer.startswith("Müller")
    file.write_text(text, encoding="cp1252")
    with pytest.raises(UserError, match=r"review\.csv: .*save it as CSV in UTF-8"):
        read_reviews(tmp_path)


def test_an_undone_decision_leaves_what_was_there_before(tmp_path):
    first = Held(review("pug_1", "file"), b"a mask")
    second = Held(review("pug_1", "model"), b"another")
    change(tmp_path, "pug_1", Held(), first)
    change(tmp_path, "pug_1", first, second)
    assert held(tmp_path, "pug_1") == second
    change(tmp_path, "pug_1", second, first)
    assert held(tmp_path, "pug_1") == first
    change(tmp_path, "pug_1", first, Held())
    assert (tmp_path / "review.csv").read_text() == HEADER
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["review.csv"]


def test_nobody_overwrites_a_decision_that_they_have_not_seen(tmp_path):
    decide(tmp_path, "pug_1")
    with pytest.raises(UserError, match=r"pug_1 has been decided.*: right, by Ann"):
        decide(tmp_path, "pug_1", decision="leave out", reviewer="Bob")
    assert read_reviews(tmp_path) == {"pug_1": review("pug_1")}


def test_two_reviewers_at_once_lose_nothing(tmp_path):
    def fifty(reviewer):
        for number in range(50):
            decide(tmp_path, f"{reviewer}_{number}", reviewer=reviewer)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fifty, ("Ann", "Bob")))
    assert len(read_reviews(tmp_path)) == 100


ENDLESS = """
import sys, itertools, pathlib
from pipeline.ingest.decisions import Held, Review, change
for number in itertools.count():
    name = f"pug_{number}"
    review = Review(name, "ab", "file", "Ann", "")
    change(pathlib.Path(sys.argv[1]), name, Held(), Held(review, b"x"))
    print(name, flush=True)
"""


def test_every_confirmed_decision_survives_a_kill(tmp_path):
    with running("-c", ENDLESS, tmp_path) as process:
        confirmed = [process.stdout.readline().strip() for _ in range(30)]
        process.kill()
        confirmed += process.stdout.read().split()
    assert set(confirmed) <= read_reviews(tmp_path).keys()
    decide(tmp_path, "pug", decision="leave out")  # and nobody waits for the lock of the dead


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,decision\n", "its first line must be name,mask_sha256,"),
        ("", "its first line must be"),
        (HEADER + "pug_1,ab,right,Ann,\n<<<<<<< HEAD\n", "line 3: 1 columns, expected 5"),
        (HEADER + "pug_1,ab,wrong,Ann,\n", "pug_1: 'wrong' is no decision; accepted: right, "),
        (HEADER + "pug_1,ab,swap,Ann,\n", "'swap' is no decision; .* swap:CLASS,CLASS"),
        (HEADER + "pug_1,ab,right,Ann,\npug_1,ab,file,Bob,\n", "line 3: a second row about"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_with_the_line(tmp_path, text, message):
    (tmp_path / "review.csv").write_text(text)
    with pytest.raises(UserError, match=f"review.csv.*{message}"):
        read_reviews(tmp_path)
