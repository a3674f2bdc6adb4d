import hashlib
import json
from pathlib import Path

import pytest
import yaml
from file_server import FileServer, run_download
from tars import tar_of

from pipeline.core.params import ParamsError, read_section
from stages.download import ArchiveParams, DownloadParams, FetchedParams, download

Entry = dict[str, object]


IMAGES = tar_of({"file": b"images"}, "gz")
ANNOTATIONS = tar_of({"file": b"annotations"}, "xz")


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def entry(server: FileServer) -> dict[str, Entry]:
    """A data set on a server, with checksums."""
    server.files = {"/images.tgz": IMAGES, "/marks.tar.xz": ANNOTATIONS}
    return {
        "images": {"url": f"{server.url}/images.tgz", "md5": md5(IMAGES)},
        "annotations": {"url": f"{server.url}/marks.tar.xz", "md5": md5(ANNOTATIONS)},
    }


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def bring(entry: dict[str, Entry], folder: Path) -> Path:
    """Run the stage's own function in this process."""
    archives = {stem: ArchiveParams(**values) for stem, values in entry.items()}  # type: ignore[arg-type]
    download(FetchedParams(**archives), folder / "raw", folder / "cache")
    return folder / "raw"


def test_a_data_set_from_a_server_lands_in_the_folder_and_in_the_metrics(tmp_path, entry):
    done = run_download(tmp_path, entry)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "data" / "raw") == {"images.tar.gz", "annotations.tar.xz"}
    assert (tmp_path / "data" / "raw" / "images.tar.gz").read_bytes() == IMAGES
    assert (tmp_path / "data" / "raw" / "annotations.tar.xz").read_bytes() == ANNOTATIONS
    assert json.loads((tmp_path / "metrics" / "download.json").read_text()) == {
        "dataset": "mine",
        "images": {"file": "images.tar.gz", "bytes": len(IMAGES), "md5": md5(IMAGES)},
        "annotations": {
            "file": "annotations.tar.xz",
            "bytes": len(ANNOTATIONS),
            "md5": md5(ANNOTATIONS),
        },
    }


def test_a_failure_is_a_message_and_leaves_nothing_behind(tmp_path, entry):
    failed = run_download(tmp_path, entry | {"annotations": {"url": "missing/annotations.tar"}})
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: missing/annotations.tar: ")
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "metrics").exists()
    assert not list((tmp_path / "data").glob("raw/*"))


def test_archives_of_an_earlier_data_set_go_and_the_large_archive_comes_last(
    tmp_path, entry, server
):
    """Last, since a failure loses what came before."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("images.tar", "annotations.tar.bz2", ".images.tar.gz.42.tmp", "notes.txt"):
        (raw / name).write_text("old")
    for _ in range(2):
        bring(entry, tmp_path)
    assert names(raw) == {"images.tar.gz", "annotations.tar.xz", "notes.txt"}
    assert [path for path, _ in server.requests] == ["/marks.tar.xz", "/images.tgz"]
    server.files["/images.tgz"] = b"<html>please log in</html>"
    entry["images"]["md5"] = None
    with pytest.raises(Exception, match=r"images\.tar\.gz is a web page"):
        bring(entry, tmp_path)


def problem(tmp_path: Path, **section: object) -> str:
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump({"download": section}))
    with pytest.raises(ParamsError) as error:
        read_section("download", DownloadParams, file)
    return str(error.value).replace(f"{file}: ", "")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"builtin": "sampel"}, "builtin: Input should be 'sample', found 'sampel'"),
        ({"images": {"url": "a.tar"}}, "annotations is missing"),
        ({"images": {"url": "a", "md5": "abc"}}, "images.md5: String should match pattern"),
        ({"images": {"url": "a", "mirror": ["b"]}}, "images.mirror is not a known key"),
        ({"images": {"url": "https://me:secret@host/a"}}, "images.url: user and password do not"),
    ],
)
def test_a_wrong_entry_is_named_by_its_key(tmp_path, entry, message):
    found = problem(tmp_path, dataset="mine", datasets={"mine": entry})
    assert f"download.datasets.mine.{message}" in found
    assert "secret" not in found
    found = problem(tmp_path, dataset="mine.1", datasets={"mine.1": entry})
    assert "String should match pattern '^[A-Za-z0-9_-]+$', found 'mine.1'" in found


def test_an_unknown_data_set_and_an_entry_without_keys_are_told_the_known_ones(tmp_path):
    stems = ("images", "annotations")
    datasets = {name: {stem: {"url": "a.tar"} for stem in stems} for name in ("a", "b")}
    found = problem(tmp_path, dataset="c", datasets=datasets)
    assert found == "download: dataset 'c' is not in datasets; known: a, b"
    expected = "download.datasets.mine: Input should be a"
    for entry in ("a.tar", None, ["a.tar"]):
        found = problem(tmp_path, dataset="mine", datasets={"mine": entry})
        assert found.startswith(expected)
