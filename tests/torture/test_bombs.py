"""Small files that stand for large ones, in a process that has little memory."""

import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import pytest
from ledger import FULL, REPOSITORY

MEMORY = 2**31  # bytes of addresses: far more than is needed, far less than the bombs unpack to
EXTRACT = f"""
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
from pipeline.ingest.archives import extract_archive
from pipeline.core.terminal import run_command
try:
    run_command(lambda: extract_archive(Path(sys.argv[1]), Path(sys.argv[2])))
finally:
    # Not getrusage, whose figure begins with that of the process that started this one.
    print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024)
"""


def compress(file: Path, *pieces: bytes, times: int = 1) -> Path:
    """Gzip of the pieces, the last of them so many times."""
    packer = zlib.compressobj(1, wbits=31)
    with file.open("wb") as stream:
        for piece in (*pieces[:-1], *[pieces[-1]] * times, bytes(1024)):
            stream.write(packer.compress(piece))
        stream.write(packer.flush())
    return file


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


def extracted(archive: Path) -> tuple[str, int]:
    """What is said, and the largest memory in use, in MB."""
    command = [sys.executable, "-c", EXTRACT, str(archive), str(archive.parent / "out")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    peak = int(done.stdout.splitlines()[-1])
    print(f"\n{archive.stat().st_size:,} bytes, {peak} MB at most: {done.stderr}")
    return done.stderr, peak


def test_a_name_of_4_gb_is_not_read(tmp_path):
    name = header("././@LongLink", 2**32, tarfile.GNUTYPE_LONGNAME)
    said, peak = extracted(compress(tmp_path / "a.tar.gz", name, b"a" * 2**20, times=64))
    assert "a header of 4,294,967,296 bytes is not extracted" in said
    assert peak < 100


@FULL
@pytest.mark.torture
def test_a_million_members_are_the_most(tmp_path):
    files = [header(f"images/{number}", 0) for number in range(1_000_001)]
    said, peak = extracted(compress(tmp_path / "a.tar.gz", *files))
    assert "more than 1,000,000 members" in said
    assert peak < 500


@FULL
@pytest.mark.torture
def test_files_of_200_gb_are_refused_by_what_they_claim(tmp_path):
    bomb = header("images/a.jpg", 200 * 2**30)
    said, peak = extracted(compress(tmp_path / "a.tar.gz", bomb, bytes(2**20), times=64))
    assert "more than 1,000,000 members or 107,374,182,400 bytes" in said
    assert peak < 100
    assert not (tmp_path / "out").exists()
