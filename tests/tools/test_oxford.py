"""What `make oxford` hands to DVC."""

import hashlib

import pytest
import yaml
from tiny_pets import REPOSITORY

from pipeline.core.terminal import UserError
from tools.oxford import archive_settings


def test_the_official_archives_need_no_setting():
    assert archive_settings("images", None) == {}


def test_a_local_archive_goes_by_absolute_path_and_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my images.tar").write_bytes(b"content")
    assert archive_settings("images", "my images.tar") == {
        "download.datasets.oxford.images.url": str(tmp_path / "my images.tar"),
        "download.datasets.oxford.images.md5": hashlib.md5(b"content").hexdigest(),
    }


def test_a_url_goes_without_a_digest():
    assert archive_settings("annotations", "https://example.org/a.tar") == {
        "download.datasets.oxford.annotations.url": "https://example.org/a.tar",
        "download.datasets.oxford.annotations.md5": None,
    }


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(UserError, match=r"images: .*none\.tar is not a file"):
        archive_settings("images", str(tmp_path / "none.tar"))


@pytest.mark.parametrize("name", ["oxford", "oxford-plain"])
def test_every_setting_for_the_official_set_is_a_known_param(name):
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    settings = yaml.safe_load((REPOSITORY / f"experiments/{name}.yaml").read_text())
    for key, value in settings.items():
        known = params
        for part in key.split("."):
            known = known[part]
        assert isinstance(value, type(known)), key
