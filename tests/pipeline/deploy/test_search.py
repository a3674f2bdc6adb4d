"""Files, folders and patterns mean photographs; what means none is said."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.deploy.results import photograph_key, result_files, save_results
from pipeline.deploy.search import find_photographs

ODD = ["a cat.jpg", 'it\'s "it".jpg', "Kätzchen 猫.jpg", "-r.jpg", "[abc].jpg", "~.jpg", "*.jpg"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def found(*arguments):
    """Photographs as paths, errors as text."""
    return [str(each) for each in find_photographs(arguments)]


@pytest.mark.parametrize("name", ODD)
def test_a_file_of_any_name_is_meant_by_its_name(name):
    make(*ODD, "a", "b.jpg", "scan")
    assert found(name) == [name]


def test_a_file_needs_no_suffix():
    make("scan")
    assert found("scan") == ["scan"]


def test_a_folder_means_the_pictures_in_it_and_below():
    make("pets/b.PNG", "pets/a.jpeg", "pets/more/deep/c.webp", "pets/notes.txt", "pets/d.heic")
    assert found("pets") == ["pets/a.jpeg", "pets/b.PNG", "pets/d.heic", "pets/more/deep/c.webp"]


def test_hidden_files_and_folders_are_left_out():
    make("pets/a.jpg", "pets/._a.jpg", "pets/.trash/b.jpg")
    assert found("pets") == ["pets/a.jpg"]


def test_all_odd_names_in_a_folder_are_found():
    make(*(f"pets/{name}" for name in ODD))
    assert found("pets") == sorted(f"pets/{name}" for name in ODD)


def test_a_pattern_means_what_it_matches():
    make("pets/a1.jpg", "pets/a2.png", "pets/b1.jpg", "pets/more/a3.jpg")
    assert found("pets/a*") == ["pets/a1.jpg", "pets/a2.png"]
    assert found("pets/**/*.jpg") == ["pets/a1.jpg", "pets/b1.jpg", "pets/more/a3.jpg"]
    assert found("pets/[b]?.jpg") == ["pets/b1.jpg"]
    assert found(f"{Path.cwd()}/p*") == [
        f"{Path.cwd()}/pets/{n}" for n in ("a1.jpg", "a2.png", "b1.jpg", "more/a3.jpg")
    ]


def test_the_home_folder_is_known_where_no_shell_was(monkeypatch):
    monkeypatch.setenv("HOME", str(Path.cwd()))
    make("a.jpg")
    assert found("~/a.jpg") == [f"{Path.cwd()}/a.jpg"]


def test_a_photograph_named_twice_is_found_once():
    make("pets/a.jpg", "pets/b.jpg")
    Path("link.jpg").symlink_to("pets/b.jpg")
    assert found("pets/b.jpg", "pets", "./pets/../pets/*.jpg", "link.jpg") == [
        "pets/b.jpg",
        "pets/a.jpg",
    ]


def test_results_are_no_photographs_but_what_lies_beside_them_is():
    make("pets/a.jpg", "pets/b.mask.png")
    pixels = np.zeros((2, 2, 3), np.uint8)
    for folder in ("pets", "results"):
        files = result_files(Path(folder), "a")
        save_results(files, pixels, pixels[..., 0], photograph_key(Path("pets/a.jpg")))
    assert found("pets") == ["pets/a.jpg", "pets/b.mask.png"]
    assert found("pets/*") == ["pets/a.jpg", "pets/b.mask.png"]
    assert found("results") == ["results: nothing but results of earlier predictions"]


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("none.jpg", "no such file or folder, and nothing fits it as a pattern"),
        ("none/*.jpg", "no such file or folder, and nothing fits it as a pattern"),
        ("empty", "no photograph is in it, by the suffixes of the names"),
        ("/dev/null", "neither a file nor a folder"),
        ("n" * 300, "File name too long"),
    ],
)
def test_what_means_no_photograph_is_an_error_among_the_others(argument, reason):
    make("a.jpg", "b.jpg", "empty/notes.txt")
    assert found("a.jpg", argument, "b.jpg") == ["a.jpg", f"{argument}: {reason}", "b.jpg"]


def test_an_empty_name_is_not_the_current_folder():
    make("a.jpg")
    assert found("") == ["a name is empty: say which photograph"]


def test_a_folder_that_cannot_be_read_is_an_error(monkeypatch):
    make("pets/a.jpg", "pets/secret/b.jpg")
    real = __import__("os").scandir

    def scandir(path):
        if str(path).endswith("secret"):  # permissions do not stop root, who may run the tests
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    assert found("pets") == ["pets/a.jpg", "pets/secret: Permission denied"]
