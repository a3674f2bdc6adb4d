"""A small archive that claims to be a large one, in a process that has little memory."""

import gzip
import tarfile

from processes import run_python

MEMORY = 2**31  # bytes of addresses: far more than is needed, half of what the archive claims
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


def test_a_name_of_4_gb_is_not_read(tmp_path):
    archive = tmp_path / "a.tar.gz"
    member = tarfile.TarInfo("././@LongLink")
    member.size, member.type = 2**32, tarfile.GNUTYPE_LONGNAME
    with gzip.open(archive, "wb", compresslevel=1) as stream:
        stream.write(member.tobuf(tarfile.GNU_FORMAT))
        for _ in range(64):
            stream.write(b"a" * 2**20)
    done = run_python("-c", EXTRACT, archive, tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "a header of 4,294,967,296 bytes is not extracted" in done.stderr
    peak = int(done.stdout.splitlines()[-1])  # MB
    assert peak < 100
