"""What `make train` hands to DVC."""

from datetime import date

import pytest

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from pipeline.data.description import SampleParams, Source
from pipeline.ingest.fetch import fetch
from tools.sweeps.plan import param_options, split_setting
from tools.train import find_places

OFFICIAL = Source("https://example.org/a.tar", "0" * 32)


def test_a_source_is_where_the_file_says_or_at_a_url_or_a_path_with_its_digest(tmp_path):
    file = tmp_path / "my images.tar"
    file.write_bytes(b"content")
    sources = {"images": OFFICIAL, "masks": OFFICIAL}
    assert find_places(sources, {}) == []
    assert find_places(sources, {"images": str(file), "masks": "https://example.org/b.tar"}) == [
        {"source": "images", "url": str(file), "md5": file_digest(file, "md5")},
        {"source": "masks", "url": "https://example.org/b.tar"},
    ]
    [place] = find_places(sources, {"images": f"file:{file}"})
    assert (place["url"], place["md5"]) == (str(file), file_digest(file, "md5"))
    with pytest.raises(UserError, match=r"images: .*none\.tar is no file or folder"):
        find_places(sources, {"images": str(tmp_path / "none.tar")})
    with pytest.raises(UserError, match="no such source; known: images, masks"):
        find_places(sources, {"archive": str(file)})
    with pytest.raises(UserError, match="known: none"):
        find_places(SampleParams("sample", 2, 64, 64, 0), {"images": str(file)})


def test_a_place_is_taken_as_it_is_written():
    assert split_setting("images=010") == ("images", "010")
    assert split_setting("images=/set #1/[a]=b.tar") == ("images", "/set #1/[a]=b.tar")


def test_a_folder_comes_with_the_digest_of_its_archive_which_follows_its_files(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"one")
    [place] = find_places({"folder": Source(str(folder), "f" * 32)}, {})  # not as it was
    fetch([place["url"]], tmp_path / "folder.tar", place["md5"], tmp_path / "cache")  # verified
    assert file_digest(tmp_path / "folder.tar", "md5") == place["md5"]
    (folder / "a.jpg").write_bytes(b"two")
    [changed] = find_places({"folder": Source(str(folder))}, {})
    assert changed["md5"] != place["md5"]


def test_mappings_are_written_in_the_grammar_of_dvcs_options():
    places = [{"source": "images", "url": "/a b/c: d.tar"}]
    settings = {"download.places": places, "train.lr": 1e-5, "a.b": None, "c.d": "früh"}
    assert param_options({**settings, "e.f": date(2024, 1, 2)}) == [
        '--set-param=download.places=[{source: "images", url: "/a b/c: d.tar"}]',
        "--set-param=train.lr=1e-05",
        "--set-param=a.b=null",
        '--set-param=c.d="früh"',
        '--set-param=e.f="2024-01-02"',
    ]
