"""What `make oxford` hands to DVC."""

import pytest
import yaml
from tiny_pets import REPOSITORY

from pipeline.core.files import file_digest
from pipeline.core.params import flatten
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


@pytest.mark.parametrize("name", ["oxford", "oxford-plain"])
def test_every_setting_for_the_official_set_is_a_known_param(name):
    params = flatten(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    settings = yaml.safe_load((REPOSITORY / f"experiments/{name}.yaml").read_text())
    for key, value in settings.items():
        assert isinstance(value, type(params[key])), key
