"""An S3 server on this machine, which lets in who signs with the right key: moto's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from mlflow_server import free_port, wait_for

USER = "team"
ALLOWED = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [ALLOWED]})


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Start a server without buckets; give the variables with which S3's clients come in."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"{url}/moto-api/data.json")
        yield {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1", **_keys(url)}
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _keys(url: str) -> dict[str, str]:
    """Make a user, and have keys and signatures checked from then on."""
    import boto3

    nobody = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
    accounts = boto3.client("iam", "us-east-1", endpoint_url=url, **nobody)
    accounts.create_user(UserName=USER)
    accounts.put_user_policy(UserName=USER, PolicyName="s3", PolicyDocument=POLICY)
    key = accounts.create_access_key(UserName=USER)["AccessKey"]
    requests.post(f"{url}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    names = {"AWS_ACCESS_KEY_ID": "AccessKeyId", "AWS_SECRET_ACCESS_KEY": "SecretAccessKey"}
    return {variable: key[name] for variable, name in names.items()}
