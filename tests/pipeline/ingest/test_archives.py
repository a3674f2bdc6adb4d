import gzip
import io
import os
import random
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from small_disk import small_disk

from pipeline.core.terminal import run_command
from pipeline.ingest import archives
from pipeline.ingest.archives import ArchiveError, check_archive, extract_archive, pack_folder

FILES = {
    "images/b.jpg": random.Random(0).randbytes(3000),
    "images/a.jpg": random.Random(1).randbytes(2000),
    "annotations/trimaps/a.png": b"mask",
    "annotations/list.txt": b"",
}


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


def files_in(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_hard_links_are_copies_where_there_are_none(tmp_path, folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    members = [a_file("a", b"one"), a_special("sub/b", tarfile.LNKTYPE, "a"), a_file("c", b"two")]
    archive = pack(tmp_path / "a.tar", *members)
    monkeypatch.setattr("os.link", refuse)
    extract_archive(archive, folder)
    assert files_in(folder) == {"a": b"one", "sub/b": b"one", "c": b"two"}


def test_absolute_names_lie_in_the_folder_and_are_there_once(tmp_path, folder):
    inside = tmp_path / "kept/a.jpg"
    inside.parent.mkdir()
    inside.write_bytes(b"kept")
    archive = pack(tmp_path / "a.tar", a_file(str(inside), b"packed"))
    extract_archive(archive, folder)
    assert (folder / str(inside)[1:]).read_bytes() == b"packed"
    with pytest.raises(
        ArchiveError, match="is there already, from this or another archive of the data set"
    ):
        extract_archive(archive, folder)


@pytest.fixture(params=["", "gz", "bz2", "xz", "zip"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "zip":
        return pack_zip(tmp_path / "a.tar", FILES)
    members = [a_file(name, content) for name, content in FILES.items()]
    return pack(tmp_path / "a.tar", *members, mode=f"w:{request.param}")


def test_an_archive_of_any_compression_is_extracted_whatever_its_name(archive, folder):
    check_archive(archive)
    extract_archive(archive, folder)
    assert files_in(folder) == FILES


def test_files_and_links_land_in_the_folder_without_their_modes_and_macos_extras(tmp_path, folder):
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
        a_file("a/" * 33 + "b.jpg"),
    ],
)
def test_an_unsafe_member_is_refused(tmp_path, folder, member):
    archive = pack(tmp_path / "a.tar", a_file("images/a.jpg"), member)
    with pytest.raises(ArchiveError) as error:
        extract_archive(archive, folder)
    assert str(archive) in str(error.value)
    assert member[0].name in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.tar", "out"}


AGAIN = ["images/é.jpg", "./images/é.jpg", "/images//é.jpg", "images/É.JPG", "images/e\u0301.jpg"]


@pytest.mark.parametrize("again", AGAIN)
def test_a_duplicate_name_is_refused(tmp_path, folder, again):
    """Even if only some file systems take it for the same."""
    archive = pack(tmp_path / "a.tar", a_file("images/é.jpg"), a_file(again))
    with pytest.raises(ArchiveError, match="twice"):
        extract_archive(archive, folder)


@pytest.mark.parametrize(("limit", "value"), [("MAX_MEMBERS", 1), ("MAX_BYTES", 1000)])
def test_limits_of_members_and_bytes(tmp_path, folder, monkeypatch, limit, value):
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


def a_header(kind: str, content: bytes, size: int | None = None) -> tuple[tarfile.TarInfo, bytes]:
    header = a_special("header", kind.encode())[0]
    header.size = len(content) if size is None else size
    return header, content


def pack_raw(archive: Path, *members: tuple[tarfile.TarInfo, bytes], end: int = 1024) -> Path:
    """Without tarfile's own order and checks."""
    with gzip.open(archive, "wb") as stream:
        for member, content in members:
            padding = bytes(-len(content) % tarfile.BLOCKSIZE)
            stream.write(member.tobuf(tarfile.GNU_FORMAT) + content + padding)
        stream.write(bytes(end))
    return archive


RECORD = b"9 a=bcde\n"  # also a name, or the target of a link
TOO_MANY = "a header of 9 bytes is not extracted"


@pytest.mark.parametrize("kind", "LKxg")
def test_headers_in_a_row_are_limited(tmp_path, folder, kind):
    """As tarfile calls itself for each of them."""
    archive = pack_raw(tmp_path / "a.tar", *[a_header(kind, RECORD)] * 2000, a_file("a.jpg"))
    with pytest.raises(ArchiveError, match=TOO_MANY):
        check_archive(archive)
    with pytest.raises(ArchiveError, match=TOO_MANY):
        extract_archive(archive, folder)


def test_headers_are_limited_in_their_sum_and_earlier_if_they_are_for_all_that_follow(
    tmp_path, folder, monkeypatch
):
    for kind, limit in (("x", 200 * 64 - 1), ("g", archives.MAX_BESIDES)):
        parts = [part for n in range(200) for part in (a_header(kind, RECORD), a_file(f"{n}.jpg"))]
        archive = pack_raw(tmp_path / f"{kind}.tar", *parts)
        if kind == "x":  # as Python's tarfile writes them, for the fractions of the times
            monkeypatch.setattr(archives, "MAX_BESIDES", limit + 1)
            extract_archive(archive, folder)
        monkeypatch.setattr(archives, "MAX_BESIDES", limit)
        with pytest.raises(ArchiveError, match=TOO_MANY):
            extract_archive(archive, tmp_path / kind)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ([a_header("L", b"", -512)], "a header of -512 bytes"),
        ([a_header("0", b"", -512)], "header claims to have -512 bytes"),
        ([a_header("x", b"14 size=-1024\n"), a_file("a.jpg")], "claims to have -1,024 bytes"),
        (
            [a_header("x", b"9" * 5000 + b" a=b\n"), a_file("a.jpg")],
            "not a whole archive: .* digits",
        ),
        ([a_header("x", b"12 path=a\0b\n"), a_file("a.jpg")], "not a whole archive: embedded null"),
    ],
)
def test_numbers_and_names_that_tarfile_trips_over_are_refused(tmp_path, folder, members, problem):
    with pytest.raises(ArchiveError, match=problem):
        extract_archive(pack_raw(tmp_path / "a.tar", *members), folder)


def test_bytes_after_the_end_are_limited(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BESIDES", 2**20)
    extract_archive(pack_raw(tmp_path / "a.tar", a_file("a.jpg"), end=2**19), folder)
    with pytest.raises(ArchiveError, match="more than 1,048,576 bytes come after its end mark"):
        extract_archive(pack_raw(tmp_path / "b.tar", a_file("b.jpg"), end=2**22), folder)


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_sparse_file_is_refused(tmp_path, folder, form):
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


def test_an_error_shows_terminal_codes_as_text(tmp_path, folder, capsys):
    """A name must not move the cursor, or set the title of the window."""
    pack(tmp_path / "a.tar", a_special("\x1b[2J\x07.jpg", tarfile.FIFOTYPE))
    with pytest.raises(SystemExit):
        run_command(lambda: extract_archive(tmp_path / "a.tar", folder))
    said = capsys.readouterr().err
    assert r"\x1b[2J\x07.jpg is a symbolic link" in said
    assert "\x1b" not in said


def pack_zip(archive: Path, files: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            packed.writestr(info, content)
    return archive


@pytest.mark.parametrize(
    ("files", "mode", "problem"),
    [
        ({"../a.jpg": b""}, 0, "outside the destination"),
        ({"a.jpg": b"/etc/passwd"}, 0o120777, "symbolic link"),
        ({"a.jpg": b"", "A.jpg": b""}, 0, "in it twice"),
        ({"a/" * 40 + "b.jpg": b""}, 0, "more than 32 folders deep"),
        ({"a.jpg": bytes(2000)}, 0, "1,000 bytes"),
    ],
)
def test_a_zip_is_checked_as_a_tar_is(tmp_path, folder, monkeypatch, files, mode, problem):
    monkeypatch.setattr(archives, "MAX_BYTES", 1000)
    with pytest.raises(ArchiveError, match=problem):
        extract_archive(pack_zip(tmp_path / "a.zip", files, mode), folder)
    assert files_in(tmp_path).keys() <= {"a.zip", "out/a.jpg"}


def test_a_zip_with_the_separators_of_windows_gives_the_same_files(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        info = zipfile.ZipInfo()
        info.filename, info.create_system = "images\\a.jpg", 0
        packed.writestr(info, b"a")
    extract_archive(tmp_path / "a.zip", folder)
    assert files_in(folder) == {"images/a.jpg": b"a"}


def test_a_damaged_zip_is_refused_and_never_gives_more_than_it_claims(tmp_path, folder):
    content = pack_zip(tmp_path / "a.zip", {"a.jpg": bytes(2**20)}).read_bytes()
    flipped = content[:60] + bytes([content[60] ^ 1]) + content[61:]
    for n, damaged in enumerate(
        (flipped, content.replace((2**20).to_bytes(4, "little"), b"\x64\0\0\0"))
    ):
        (tmp_path / "a.zip").write_bytes(damaged)
        with pytest.raises(ArchiveError, match="not a whole archive"):
            extract_archive(tmp_path / "a.zip", folder / str(n))
    # The second one claims 100 bytes; the first holds what it claims, but other bytes.
    assert all(len(content) <= 100 for content in files_in(folder / "1").values())


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_a_method_that_unpacks_without_a_limit_is_refused(tmp_path, folder, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as packed:
        packed.writestr("a.jpg", b"x")
    with pytest.raises(ArchiveError, match=r"a\.jpg is not packed by deflate: repack"):
        extract_archive(tmp_path / "a.zip", folder)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9])
def test_an_archive_cut_short_is_refused(archive, folder, fraction):
    whole = archive.read_bytes()
    # The end of a plain tar is 10 kB of zeros, of which two blocks matter.
    end = len(whole.rstrip(b"\0")) if whole.endswith(bytes(1024)) else len(whole)
    archive.write_bytes(whole[: int(end * fraction)])
    with pytest.raises(ArchiveError, match=r"a\.tar is not a whole archive.*Download it again"):
        extract_archive(archive, folder)


def test_a_cut_or_a_damaged_header_between_members_does_not_end_the_archive(tmp_path, folder):
    archive = pack(tmp_path / "a.tar", *(a_file(f"images/{n}.jpg") for n in range(3)))
    content = archive.read_bytes()
    damaged = bytearray(content)
    damaged[1024 + 5] ^= 1  # in the name of the second member
    for n, broken in enumerate((content[:1024], damaged)):
        archive.write_bytes(broken)
        with pytest.raises(ArchiveError, match="not a whole archive"):
            extract_archive(archive, folder / str(n))


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_a_changed_byte_in_a_compressed_archive_is_noticed(tmp_path, folder, compression):
    members = [a_file(name, content) for name, content in FILES.items()]
    archive = pack(tmp_path / "a.tar", *members, mode=f"w:{compression}")
    content = bytearray(archive.read_bytes())
    for place in range(200, len(content) - 200, 500):
        content[place] ^= 1
        archive.write_bytes(content)
        with pytest.raises(ArchiveError, match="not a whole archive"):
            extract_archive(archive, folder / str(place))
        content[place] ^= 1
    if compression == "gz":  # whose checksum is at the end
        content[-6] ^= 1
        archive.write_bytes(content)
        with pytest.raises(ArchiveError, match="CRC check failed"):
            extract_archive(archive, folder / "end")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a whole archive: it is empty"),
        (b"\x89PNG" * 200, "not a whole archive: file could not be opened successfully[.]"),
        (b'{"error": {"code": 403}}', "an answer in JSON, not an archive"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        (b"Rar!\x1a\x07\x01\x00", "packed by RAR"),
        ("<html>".encode("utf-16"), "a web page"),
        (gzip.compress(b"<html>", mtime=0), "a web page"),
        (b"PK\3\4" + bytes(2000), "not a whole archive"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><title>Virus scan</title>", "a web page, not an archive"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), "packed by Zstandard"),
    ],
)
def test_a_file_that_is_no_archive_is_refused_as_what_it_is(tmp_path, content, problem):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ArchiveError, match=rf"a\.tar is {problem}"):
        check_archive(tmp_path / "a.tar")
    with pytest.raises(ArchiveError, match=r"b\.tar: No such file"):
        check_archive(tmp_path / "b.tar")


def test_a_full_disk_names_the_folder_and_the_member(tmp_path, folder):
    archive = pack(tmp_path / "a.tar", a_file("images/a.jpg", bytes(500_000)))
    message = f"{folder}/images/a.jpg: File too large.* Make room"
    with small_disk(100_000), pytest.raises(ArchiveError, match=message):
        extract_archive(archive, folder)


def packed(folder: Path) -> bytes:
    stream = io.BytesIO()
    pack_folder(folder, stream)
    return stream.getvalue()


def write_files(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(FILES[name])
    return folder


def test_a_folder_is_the_same_archive_whatever_its_times_order_and_rights(tmp_path, folder):
    one = write_files(tmp_path / "one/pets", list(FILES))
    other = write_files(tmp_path / "other/pets", list(FILES)[::-1])
    (other / "images/a.jpg").chmod(0o600)
    os.utime(other / "images/b.jpg", (1, 1))
    for hidden in (".DS_Store", ".git/config"):
        (other / hidden).parent.mkdir(exist_ok=True)
        (other / hidden).write_text("x")
    assert packed(one) == packed(one) == packed(other)
    (tmp_path / "a.tar").write_bytes(packed(one))
    check_archive(tmp_path / "a.tar")
    extract_archive(tmp_path / "a.tar", folder)
    assert files_in(folder) == {f"pets/{name}": content for name, content in FILES.items()}
    (other / "images/a.jpg").write_bytes(b"another")
    assert packed(one) != packed(other)


def test_links_in_a_folder_are_followed_and_those_to_nowhere_or_around_are_refused(
    tmp_path, folder
):
    pets = write_files(tmp_path / "pets", ["images/b.jpg"])
    outside = write_files(tmp_path / "outside", ["images/a.jpg"])
    (pets / "more").symlink_to(outside / "images")
    (pets / "b.jpg").symlink_to("images/b.jpg")
    (tmp_path / "link").symlink_to(pets)
    (tmp_path / "a.tar").write_bytes(packed(tmp_path / "link"))
    extract_archive(tmp_path / "a.tar", folder)
    b = FILES["images/b.jpg"]
    assert files_in(folder) == {
        "pets/images/b.jpg": b,
        "pets/b.jpg": b,
        "pets/more/a.jpg": FILES["images/a.jpg"],
    }
    (pets / "images/up").symlink_to("..")
    with pytest.raises(ArchiveError, match=r"images/up is a link to a folder that it is in"):
        packed(pets)
    (pets / "images/up").unlink()
    (pets / "c.jpg").symlink_to("nowhere")
    with pytest.raises(ArchiveError, match=r"c\.jpg is no file: a link that leads nowhere"):
        packed(pets)
