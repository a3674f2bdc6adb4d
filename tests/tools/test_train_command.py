"""What `make oxford` hands to DVC."""

import pytest

from pipeline.core.files import file_digest
from pipeline.core.terminal import UserError
from tools.oxford import archive_settings


def test_an_archive_is_the_official_one_a_url_or_a_path_with_its_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my images.tar"
    file.write_bytes(b"content")
    key = "download.datasets.oxford"
    assert archive_settings("images", None) == {}
    assert archive_settings("images", "my images.tar") == {
        f"{key}.images.url": str(file),
        f"{key}.images.md5": file_digest(file, "md5"),
    }
    assert archive_settings("annotations", "https://example.org/a.tar") == {
        f"{key}.annotations.url": "https://example.org/a.tar",
        f"{key}.annotations.md5": None,
    }
    with pytest.raises(UserError, match=r"images: .*none\.tar is not a file"):
        archive_settings("images", str(tmp_path / "none.tar"))
