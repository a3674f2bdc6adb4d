import io
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pipeline.ingest import archives
from pipeline.ingest.archives import (
    ArchiveError,
    archive_name,
    check_archive,
    extract_archive,
    find_archive,
)

FILES = {
    "images/b.jpg": random.Random(0).randbytes(3000),
    "images/a.jpg": random.Random(1).randbytes(2000),
    "annotations/trimaps/a.png": b"mask",
    "annotations/list.txt": b"",
}
REPOSITORY = Path(__file__).resolve().parents[3]
EXTRACT = """
import sys
from pathlib import Path
from pipeline.ingest.archives import extract_archive
from pipeline.core.terminal import run_command
run_command(lambda: extract_archive(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def pack(archive: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(archive, mode) as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return archive


def a_file(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def a_special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def run(script: str, archive: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, str(archive), str(folder)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def files_in(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/pets/images.tar.gz", "images.tar.gz"),
        ("pets.v2.tgz", "images.tar.gz"),
        ("file:///disk/PETS.TAR.BZ2", "images.tar.bz2"),
        ("a.txz?download=1#top", "images.tar.xz"),
        ("https://host/download?file=a.tar.gz", "images.tar"),
        ("https://host.tar.gz/42", "images.tar"),
    ],
)
def test_an_archive_keeps_the_suffix_of_its_url(url, name):
    assert archive_name("images", url) == name


@pytest.mark.parametrize("names", [["images.tar.gz"], [], ["images.tar", "images.tar.gz"]])
def test_the_one_archive_is_found_and_none_or_several_are_named(tmp_path, names):
    for name in (*names, "annotations.tar", ".images.tar.1.tmp", "images.txt"):
        (tmp_path / name).touch()
    if len(names) == 1:
        assert find_archive(tmp_path, "images") == tmp_path / names[0]
        return
    found = f"found {', '.join(names) or 'none'}: run the stage download"
    with pytest.raises(ArchiveError, match=found):
        find_archive(tmp_path, "images")


@pytest.fixture(params=["", "gz", "bz2", "xz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    members = [a_file(name, content) for name, content in FILES.items()]
    return pack(tmp_path / "a.tar", *members, mode=f"w:{request.param}")


def test_an_archive_of_any_compression_is_extracted_whatever_its_name(archive, folder):
    check_archive(archive)
    extract_archive(archive, folder)
    assert files_in(folder) == FILES


def test_names_and_links_land_in_the_folder_whatever_their_modes_without_what_macos_adds(
    tmp_path, folder
):
    images = a_special("images", tarfile.DIRTYPE)  # a folder may come twice
    names = ("./images/a.jpg", "/images/b.jpg", "images/._a.jpg", "._images", "images/.DS_Store")
    link = a_special("images/c.jpg", tarfile.LNKTYPE, "images/closed.jpg")
    closed = a_file("images/closed.jpg", b"pet")
    closed[0].mode = images[0].mode = 0
    files = [images, *map(a_file, names), images, closed, link]
    extract_archive(pack(tmp_path / "a.tar", *files), folder)
    found = files_in(folder)
    assert set(found) == {f"images/{name}.jpg" for name in ("a", "b", "c", "closed")}
    assert found["images/c.jpg"] == b"pet"
    assert (folder / "images").stat().st_mode & 0o700 == 0o700
    status = (folder / "images/closed.jpg").stat()
    assert status.st_mode & 0o600 == 0o600
    assert status.st_mtime > closed[0].mtime == 0


@pytest.mark.parametrize(
    "member",
    [
        a_file("../outside.jpg"),
        a_file("images/../../outside.jpg"),
        a_special("images/b.jpg", tarfile.SYMTYPE, "a.jpg"),
        a_special("images/b.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        a_special("images/b.jpg", tarfile.LNKTYPE, "../../outside.jpg"),
        a_special("images/b.jpg", tarfile.LNKTYPE, "images/missing.jpg"),
        a_special("images/b.jpg", tarfile.FIFOTYPE),
        a_special("images/b.jpg", tarfile.CHRTYPE),
    ],
)
def test_a_member_that_is_not_safe_is_named(tmp_path, folder, member):
    archive = pack(tmp_path / "a.tar", a_file("images/a.jpg"), member)
    with pytest.raises(ArchiveError) as error:
        extract_archive(archive, folder)
    assert str(archive) in str(error.value)
    assert member[0].name in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.tar", "out"}


AGAIN = ["images/é.jpg", "./images/é.jpg", "/images//é.jpg", "images/É.JPG", "images/e\u0301.jpg"]


@pytest.mark.parametrize("again", AGAIN)
def test_a_name_that_comes_twice_is_refused(tmp_path, folder, again):
    """Also where it is only to some systems the same."""
    archive = pack(tmp_path / "a.tar", a_file("images/é.jpg"), a_file(again))
    with pytest.raises(ArchiveError, match="twice"):
        extract_archive(archive, folder)


@pytest.mark.parametrize(("limit", "value"), [("MAX_MEMBERS", 1), ("MAX_BYTES", 1000)])
def test_more_members_or_bytes_than_the_limit_are_not_written(
    tmp_path, folder, monkeypatch, limit, value
):
    monkeypatch.setattr(archives, limit, value)
    bomb = a_file("images/bomb.jpg", bytes(1000))
    archive = pack(tmp_path / "a.tar.gz", a_file("images/a.jpg"), bomb, mode="w:gz")
    with pytest.raises(ArchiveError, match=rf"images/bomb\.jpg: more than .*\b{value:,} "):
        extract_archive(archive, folder)
    assert set(files_in(folder)) == {"images/a.jpg"}


# A long name, a long link, what describes the next member, what describes all that follow.
@pytest.mark.parametrize("kind", "LKxg")
@pytest.mark.parametrize("first", [True, False])
def test_a_header_that_claims_to_be_huge_is_not_read(tmp_path, folder, kind, first):
    header = tarfile.TarInfo("header")
    header.type, header.size = kind.encode(), 2**40
    content = b"" if first else (pack(tmp_path / "b.tar", a_file("a.jpg"))).read_bytes()[:1024]
    (tmp_path / "a.tar").write_bytes(content + header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ArchiveError, match=r"a header of 1,099,511,627,776 bytes"):
        extract_archive(tmp_path / "a.tar", folder)


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_sparse_file_is_refused_since_it_may_be_of_any_size(tmp_path, folder, form):
    hollow = tmp_path / "images" / "a.jpg"
    hollow.parent.mkdir()
    hollow.touch()
    os.truncate(hollow, 50 * 2**30)
    command = ["tar", "--create", "--sparse", f"--format={form}", "--file=a.tar", "images"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "a.tar").stat().st_size < 20_000
    with pytest.raises(ArchiveError, match=r"images/.*a\.jpg is .*a sparse file"):
        extract_archive(tmp_path / "a.tar", folder)
    assert files_in(folder) == {}


def test_what_the_terminal_would_obey_is_shown_in_the_error_as_it_is_written(tmp_path):
    """A name must not move the cursor, or set the title of the window."""
    pack(tmp_path / "a.tar", a_special("\x1b[2J\x07.jpg", tarfile.FIFOTYPE))
    failed = run(EXTRACT, tmp_path / "a.tar", tmp_path / "out")
    assert r"\x1b[2J\x07.jpg is a symbolic link" in failed.stderr
    assert "\x1b" not in failed.stderr


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9])
def test_an_archive_cut_short_is_refused(archive, folder, fraction):
    whole = archive.read_bytes()
    # The end of a plain tar is 10 kB of zeros, of which two blocks matter.
    end = len(whole.rstrip(b"\0")) if whole.endswith(bytes(1024)) else len(whole)
    archive.write_bytes(whole[: int(end * fraction)])
    with pytest.raises(ArchiveError, match=r"a\.tar is not a whole tar archive.*Download it again"):
        extract_archive(archive, folder)


def test_a_cut_or_a_damaged_header_between_members_does_not_end_the_archive(tmp_path, folder):
    archive = pack(tmp_path / "a.tar", *(a_file(f"images/{n}.jpg") for n in range(3)))
    content = archive.read_bytes()
    damaged = bytearray(content)
    damaged[1024 + 5] ^= 1  # in the name of the second member
    for broken in (content[:1024], damaged):
        archive.write_bytes(broken)
        with pytest.raises(ArchiveError, match="not a whole tar archive"):
            extract_archive(archive, folder)


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_changed_byte_in_a_compressed_archive_is_noticed(tmp_path, folder, compression):
    members = [a_file(name, content) for name, content in FILES.items()]
    archive = pack(tmp_path / "a.tar", *members, mode=f"w:{compression}")
    content = bytearray(archive.read_bytes())
    for place in range(200, len(content) - 200, 500):
        content[place] ^= 1
        archive.write_bytes(content)
        with pytest.raises(ArchiveError, match="not a whole tar archive"):
            extract_archive(archive, folder)
        content[place] ^= 1
    if compression == "gz":  # whose checksum is at the end
        content[-6] ^= 1
        archive.write_bytes(content)
        with pytest.raises(ArchiveError, match="CRC check failed"):
            extract_archive(archive, folder)


@pytest.mark.parametrize("content", [b"", b"<html>please log in</html>", b"PK\3\4" + bytes(2000)])
def test_what_is_no_tar_is_refused_at_first_sight(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ArchiveError, match=r"a\.tar is not a whole tar archive"):
        check_archive(tmp_path / "a.tar")
    with pytest.raises(ArchiveError, match=r"b\.tar: No such file"):
        check_archive(tmp_path / "b.tar")


# A limit on the size of a file stands for a disk that becomes full: the kernel refuses the write.
LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)){EXTRACT}"


def test_a_full_disk_names_the_folder_and_the_member(tmp_path, folder):
    archive = pack(tmp_path / "a.tar", a_file("images/a.jpg", bytes(5000)))
    failed = run(LIMITED, archive, folder)
    assert failed.returncode == 1
    assert f"{folder}: images/a.jpg of a.tar cannot be written" in failed.stderr
    assert "Make room" in failed.stderr
    assert "Traceback" not in failed.stderr
