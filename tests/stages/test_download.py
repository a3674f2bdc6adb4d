import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from file_server import FileServer, run_download
from tars import tar_of

from pipeline.core.params import ParamsError, check_values
from pipeline.core.terminal import UserError
from pipeline.data.description import DownloadParams, Place, SampleParams, Source
from stages.download import download, replace_sources

Entry = dict[str, object]


IMAGES = tar_of({"file": b"images"}, "gz")
ANNOTATIONS = tar_of({"file": b"annotations"}, "xz")


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def entry(server: FileServer) -> dict[str, Entry]:
    """The sources of a data set on a server, with checksums."""
    server.files = {"/images.tgz": IMAGES, "/marks.tar.xz": ANNOTATIONS}
    return {
        "images": {"url": f"{server.url}/images.tgz", "md5": md5(IMAGES)},
        "annotations": {"url": f"{server.url}/marks.tar.xz", "md5": md5(ANNOTATIONS)},
    }


def sources_of(entry: dict[str, Entry]) -> dict[str, Source]:
    return {stem: Source(**values) for stem, values in entry.items()}  # type: ignore[arg-type]


def test_a_data_set_from_a_server_lands_in_the_folder_and_in_the_metrics(tmp_path, entry):
    done = run_download(tmp_path, entry)
    assert done.returncode == 0, done.stderr
    contents = {"images": IMAGES, "annotations": ANNOTATIONS}
    found = {path.name: path.read_bytes() for path in (tmp_path / "data/raw").iterdir()}
    assert found == {f"{stem}.tar": content for stem, content in contents.items()}
    assert json.loads((tmp_path / "metrics/download.json").read_text()) == {"dataset": "mine"} | {
        stem: {"file": f"{stem}.tar", "bytes": len(content), "md5": md5(content)}
        for stem, content in contents.items()
    }


def test_a_failure_is_a_message_and_leaves_nothing_behind(tmp_path, entry):
    failed = run_download(tmp_path, entry | {"images": {"url": "missing/images.tar"}})
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: missing/images.tar: ")
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "metrics").exists()
    assert not list((tmp_path / "data").glob("raw/*"))


def test_an_archive_of_an_earlier_data_set_is_replaced_and_the_sources_come_in_their_order(
    tmp_path, entry, server
):
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("images.tar", "notes.txt"):
        (raw / name).write_text("old")
    for _ in range(2):
        download(sources_of(entry), raw, tmp_path / "cache")
    assert {path.name for path in raw.iterdir()} == {"images.tar", "annotations.tar", "notes.txt"}
    assert [path for path, _ in server.requests] == ["/images.tgz", "/marks.tar.xz"]
    server.files["/images.tgz"] = b"<html>please log in</html>"
    entry["images"]["md5"] = None
    with pytest.raises(Exception, match=r"images\.tar is a web page"):
        download(sources_of(entry), raw, tmp_path / "cache")


def test_places_replace_sources_and_a_folder_becomes_an_archive(tmp_path, entry):
    (tmp_path / "here/images").mkdir(parents=True)
    (tmp_path / "here/images/a.jpg").write_bytes(b"a")
    done = run_download(tmp_path, entry, [{"source": "images", "url": "here/images"}])
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "data/raw/images.tar") as tar:
        assert tar.getnames() == ["images/a.jpg"]
    assert (tmp_path / "data/raw/annotations.tar").read_bytes() == ANNOTATIONS
    with pytest.raises(
        UserError, match=r"places: mine\.yaml has no source 'masks'; known: images, "
    ):
        replace_sources(sources_of(entry), [Place("masks", "a.tar")], Path("mine.yaml"))
    with pytest.raises(UserError, match="no source 'images'; known: none: it is drawn here"):
        replace_sources(
            SampleParams("sample", 2, 64, 64, 0), [Place("images", "a.tar")], Path("sample.yaml")
        )


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"source": "images"}, "url is missing"),
        ({"source": "images", "url": "a", "md5": "abc"}, "md5: String should match pattern"),
        ({"source": "images", "url": "a", "mirror": ["b"]}, "mirror is not a known key"),
        ({"source": "images", "url": "https://me:secret@host/a"}, "url: user and password do not"),
    ],
)
def test_a_wrong_place_or_name_is_named_by_its_key(place, message):
    values = {"dataset": "mine.1", "places": [place]}
    with pytest.raises(ParamsError) as error:
        check_values(values, DownloadParams, Path("params.yaml"), "download")
    assert f"download.places.0.{message}" in str(error.value)
    assert "secret" not in str(error.value)
    assert "String should match pattern '^[A-Za-z0-9_-]+$', found 'mine.1'" in str(error.value)
