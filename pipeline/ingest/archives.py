"""Untrusted archives, tar or zip: their names, and their extraction into a folder."""

import codecs
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self

from pipeline.core.files import naming
from pipeline.core.terminal import UserError, progress, refusal

# Far above any data set of this kind: the official archives hold 26,000 files and 0.8 GB.
MAX_MEMBERS = 1_000_000
MAX_BYTES = 100 * 2**30
MAX_DEPTH = 32  # folders in each other

# Headers that describe the next member, or all that follow (a long name takes some hundred bytes).
# tarfile reads them into memory, whatever size they claim, and its parser is slow: 2 MB a second.
MAX_HEADERS = 128  # for one member
MAX_HEADER = 2**20  # bytes of those
MAX_BESIDES = 2**28  # bytes of all headers, and bytes after the end mark
LEAST_HEADER = 64  # bytes that a smaller one counts as in that sum: it takes as long to read
_HEADERS = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)

# What macOS and Windows leave in folders: the beginnings of names.
LEFTOVERS = ("._", ".DS_Store", "Thumbs.db", "desktop.ini")

PACK = "pack the files themselves (tar --dereference)"

# What the decompressors raise for damaged data, besides an OSError without an errno.
DAMAGED = (
    *(tarfile.ReadError, tarfile.CompressionError, EOFError, zlib.error, lzma.LZMAError),
    *(zipfile.BadZipFile, RuntimeError),  # the latter for a password
    ValueError,  # tarfile, for a number of 5,000 digits or a name that holds a zero
)
ZIP = b"PK\x03\x04"
PAGE = (
    "not an archive: its url leads to a page about the file. Open the url in a browser, and use "
    "the address of the file itself"
)
AGAIN = (
    "Download it again (dvc repro --force download), and if that gives the same, correct its url "
    "in the data set's file, datasets/NAME.yaml, or in download.places"
)
REPACK = "which is not read here: repack it as .tar.gz"
OTHERS = {  # what is found in the place of an archive, by its first bytes
    b"<": f"a web page, {PAGE}",
    b"{": f"an answer in JSON, {PAGE}",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself (git lfs pull)",
    b"\x28\xb5\x2f\xfd": f"packed by Zstandard, {REPACK}",
    b"7z\xbc\xaf": f"packed by 7-Zip, {REPACK}",
    b"Rar!": f"packed by RAR, {REPACK}",
}


class ArchiveError(UserError):
    """An archive is missing, damaged, or holds something that is not extracted."""


class _RefusedError(Exception):
    """A member is not extracted; not one of tarfile's own errors, which it may swallow."""


class _Member(tarfile.TarInfo):
    """A member whose header is checked before tarfile acts on it."""

    def _proc_member(self, tar: "_Tar") -> Self:
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._refuse_sparse(self)
        if self.type in _HEADERS:
            tar.read += max(self.size, LEAST_HEADER)
            # Each is a level of tarfile's recursion, whatever its size.
            cost = max(self.size, MAX_HEADER // MAX_HEADERS)
            tar.held += cost
            tar.shared += cost if self.type == tarfile.XGLTYPE else 0
            if self.size < 0 or tar.held > MAX_HEADER or tar.read > MAX_BESIDES:
                most = f"a member may have {MAX_HEADERS} of {MAX_HEADER:,} bytes together"
                text = f"{most}, an archive headers of {MAX_BESIDES:,} bytes"
                raise _RefusedError(f"a header of {self.size:,} bytes is not extracted: {text}")
        else:
            tar.held = tar.shared
        return super()._proc_member(tar)  # type: ignore[misc]

    def _refuse_sparse(self, member: tarfile.TarInfo, *_: object) -> None:
        """Refuse a sparse file: it, and the list of its holes, can claim any size at no cost."""
        raise _RefusedError(f"{member.name} is a sparse file: {PACK}")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class _Tar(tarfile.TarFile):
    """A tar archive that counts what its headers cost, in bytes."""

    tarinfo = _Member
    read = 0  # so far
    held = 0  # kept in memory
    shared = 0  # kept until the end: they are for all members that follow


def archive_path(raw: Path, source: str) -> Path:
    """The path of a source's archive: always .tar, since its content tells the real format."""
    return raw / f"{source}.tar"


def pack_folder(folder: Path, stream: IO[bytes]) -> None:
    """Write the files in a folder, and below it, as a tar whose bytes depend on nothing else.

    `files_below` says which. Raises ArchiveError and OSError for what cannot be read.
    """
    top = folder.resolve().name
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for file in files_below(folder):
            member = tarfile.TarInfo((top / file.relative_to(folder)).as_posix())
            with file.open("rb") as content:
                member.size = os.fstat(content.fileno()).st_size
                tar.addfile(member, content)


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder and below it, those that links lead to as well, but no hidden ones.

    Raises ArchiveError for a link that leads nowhere, or to a folder around it.
    """
    for at, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        here = Path(at).resolve()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in [Path(at, name) for name in folders]:
            if file.resolve() in (here, *here.parents):
                raise ArchiveError(f"{file} is a link to a folder that it is in")
        for file in [Path(at, name) for name in sorted(names) if not name.startswith(".")]:
            if not file.is_file():
                raise ArchiveError(f"{file} is no file: a link that leads nowhere, or a device")
            yield file


def _raise(error: OSError) -> None:
    raise error


def check_archive(archive: Path) -> None:
    """Raise ArchiveError unless the file is a zip, or begins like a tar of any compression."""
    with _explained(archive):
        (zipfile.ZipFile if is_zip(archive) else _Tar.open)(archive).close()


def extract_archive(archive: Path, folder: Path, remedy: str = AGAIN) -> None:
    """Extract the files of a zip archive, or of a tar of any compression, into the folder.

    Only files, folders and hard links inside the folder are extracted, without times, owners and
    permissions. What macOS adds (._NAME, .DS_Store) is left out. Raises ArchiveError for any other
    member, for two of one name (either could be meant), for more than the limits, for a damaged or
    truncated archive, and for a disk that refuses. The folder then holds what came before.
    remedy: what the error says to do about a damaged archive.
    """
    with _explained(archive, remedy), progress() as bars:
        task = bars.add_task(f"extracting {archive.name}", total=None)
        for member in (_unzip if is_zip(archive) else _untar)(archive, folder):
            bars.update(task, advance=not member.isdir())


def _untar(archive: Path, folder: Path) -> Iterator[tarfile.TarInfo]:
    with _Tar.open(archive, "r:*") as tar:
        for member in _checked(tar):
            with _extracting(member, folder):
                if member.islnk():
                    _link(tarfile.data_filter(member, str(folder)), folder)
                else:
                    tar.extract(member, folder, set_attrs=False, filter="data")
            yield member
            # tarfile keeps all it has read: 100 MB for 100,000 members.
            tar.members.clear()  # type: ignore[attr-defined]
        _read_to_the_end(archive, tar)


def _link(member: tarfile.TarInfo, folder: Path) -> None:
    """Extract a hard link; where there are none, or too many of one file, as a copy.

    tarfile would look for the file among all members, which are not kept. Raises KeyError for a
    link to what has not been extracted.
    """
    target, source = folder / member.name, folder / member.linkname
    if not source.is_file():
        raise KeyError(f"linkname {member.linkname!r} not found")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _unzip(archive: Path, folder: Path) -> Iterator[tarfile.TarInfo]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            if info.create_system == 0:  # Windows, some of whose programs write its own separators
                info.filename = info.filename.replace("\\", "/")
        entries = {info.filename: info for info in packed.infolist()}
        for member in _checked(map(_as_in_tar, packed.infolist())):
            with _extracting(member, folder):
                tarfile.data_filter(member, str(folder))
                packed.extract(entries[member.name], folder)
            yield member


@contextmanager
def _extracting(member: tarfile.TarInfo, folder: Path) -> Iterator[None]:
    place = folder / member.name.lstrip("/")  # where the filter puts an absolute one
    if not member.isdir() and place.exists():
        raise _RefusedError(
            f"{member.name} is there already, from this or another archive of the data set: pack"
            " each with a folder of its own around its files"
        )
    try:
        with naming(place):
            yield
    except (tarfile.FilterError, KeyError) as error:
        raise _RefusedError(f"{member.name} is not extracted: {error}") from None


def _as_in_tar(info: zipfile.ZipInfo) -> tarfile.TarInfo:
    """The entry as a tar archive would have it: both are checked alike."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile unpacks 64 kB at a time, which bzip2 turns into gigabytes.
        raise _RefusedError(f"{info.filename} is not packed by deflate: repack the archive")
    member = tarfile.TarInfo(info.filename)
    member.size = info.file_size
    if info.is_dir():
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(info.external_attr >> 16):
        member.type = tarfile.SYMTYPE
    return member


def is_zip(archive: Path) -> bool:
    """Whether the file begins like a zip archive."""
    with archive.open("rb") as stream:
        return stream.read(len(ZIP)) == ZIP


def _start(archive: Path) -> bytes:
    """The first bytes, without what comes before a text or between its letters in UTF-16."""
    with archive.open("rb") as stream:
        start = stream.read(512)
    with suppress(zlib.error):
        start = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, 512)  # of gzip
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        start = start[2:].replace(b"\0", b"")
    return start.lstrip(codecs.BOM_UTF8 + b" \t\r\n")


@contextmanager
def _explained(archive: Path, remedy: str = AGAIN) -> Iterator[None]:
    try:
        yield
    except _RefusedError as error:
        raise ArchiveError(f"{archive}: {error}") from None
    except MemoryError:
        raise ArchiveError(f"{archive}: its headers take more memory than there is") from None
    except DAMAGED as error:
        raise _damaged(archive, str(error), remedy) from None
    except OSError as error:
        if error.errno is None:  # this is how gzip and bz2 report wrong data
            raise _damaged(archive, str(error), remedy) from None
        raise ArchiveError(refusal(error, archive)) from None


def _damaged(archive: Path, reason: str, remedy: str = AGAIN) -> ArchiveError:
    start = _start(archive)
    for other, words in OTHERS.items():
        if start.startswith(other):
            return ArchiveError(f"{archive} is {words}")
    first = (reason or "it ends too early").splitlines()[0].rstrip(":") if start else "it is empty"
    return ArchiveError(f"{archive} is not a whole archive: {first}. {remedy}")


def _checked(members: Iterable[tarfile.TarInfo]) -> Iterator[tarfile.TarInfo]:
    """Yield the members to extract; raise at the first that is not acceptable."""
    size, names = 0, set()
    for count, member in enumerate(members, start=1):
        size += member.size
        if count > MAX_MEMBERS or size > MAX_BYTES:
            raise _RefusedError(
                f"refused at {member.name}: more than {MAX_MEMBERS:,} members or "
                f"{MAX_BYTES:,} bytes in one archive: give the data set as several sources"
            )
        if member.size < 0:  # it would lead back to an earlier member
            raise _RefusedError(f"{member.name} claims to have {member.size:,} bytes")
        name = posixpath.normpath(member.name).lstrip("/")
        if name.count("/") > MAX_DEPTH:
            raise _RefusedError(f"{name[:80]}... lies more than {MAX_DEPTH} folders deep")
        if posixpath.basename(name).startswith(LEFTOVERS):
            continue
        if member.issparse() or not (member.isreg() or member.isdir() or member.islnk()):
            kinds = "a symbolic link, a device or a sparse file"
            raise _RefusedError(f"{member.name} is {kinds}: {PACK}")
        folded = unicodedata.normalize("NFC", name).casefold()  # on some systems A.jpg is a.jpg
        if folded in names and not member.isdir():
            raise _RefusedError(f"{member.name} is in it twice, perhaps in capitals: pack it once")
        names.add(folded)
        yield member


def _read_to_the_end(archive: Path, tar: tarfile.TarFile) -> None:
    """Raise where tarfile stops in silence: at a damaged header, a cut, or a wrong checksum."""
    stream = tar.fileobj
    assert stream is not None
    stream.seek(tar.offset)
    if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise _damaged(archive, f"no end mark and no member at byte {tar.offset:,}")
    while stream.read(1 << 20):  # the checksum of gzip and xz comes last
        if stream.tell() > tar.offset + MAX_BESIDES:
            raise _RefusedError(f"more than {MAX_BESIDES:,} bytes come after its end mark")
