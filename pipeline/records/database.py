"""The SQLite database of a store: where it is, and what we read or update without mlflow.

mlflow takes seconds to import. The tables are those of MLflow 3.17.
"""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlparse

from pipeline.core.layout import workspace_root
from pipeline.core.terminal import UserError

# A version: number, creation in milliseconds since 1970, address of its files, tags, aliases.
Row = tuple[int, int, str | None, dict[str, str], list[str]]

SQLITE = "sqlite:///"
ARTIFACTS = "mlartifacts"  # the folder beside an SQLite store's database
REVISION = "dc11669786a5"  # of the schema, as MLflow 3.17 writes it into each database
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# For each of these columns: the folder :old, and whatever is in it, becomes that in :new.
READDRESS = [
    f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "  # noqa: S608 - names of ours
    f"WHERE {column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'"
    for table, column in ADDRESSES
]
# One statement, so that it sees one state of the database.
VERSIONS = """
SELECT version, creation_time, coalesce(nullif(storage_location, ''), source),
    (SELECT json_group_object(key, value) FROM model_version_tags AS tags
     WHERE tags.name = versions.name AND tags.version = versions.version
     AND tags.workspace = versions.workspace),
    (SELECT json_group_array(alias) FROM registered_model_aliases AS aliases
     WHERE aliases.name = versions.name AND aliases.version = versions.version
     AND aliases.workspace = versions.workspace)
FROM model_versions AS versions
WHERE name = ? AND workspace = 'default' AND current_stage != 'Deleted_Internal'
"""


def default_uri() -> str:
    """The database in the root of the repository, also for a temporary copy of the workspace."""
    return sqlite_uri(workspace_root() / "mlflow.db")


def configured_uri() -> str:
    """MLFLOW_TRACKING_URI, else `default_uri()`; a relative SQLite file lies in the repository."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or default_uri()
    file = database_file(uri)
    return sqlite_uri(file) if file else uri


def sqlite_uri(file: Path) -> str:
    """The address of a database. It is quoted, as MLflow expects: a folder may be called a%2Fb."""
    return f"{SQLITE}{quote(str(file))}"


def database_file(uri: str) -> Path | None:
    """The file of an SQLite store, which may not exist yet; None for any other store."""
    if not uri.startswith(SQLITE):
        return None
    path = unquote(uri.removeprefix(SQLITE).partition("?")[0])
    return (workspace_root() / path).resolve()


def artifact_folder(uri: str) -> Path | None:
    """Where an SQLite store keeps its artifacts: beside its database. None for other stores."""
    file = database_file(uri)
    return file.parent / ARTIFACTS if file else None


def local_path(address: str) -> Path | None:
    """The path in a file:// address or a plain path; None for an address elsewhere."""
    parts = urlparse(address)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def read_versions(uri: str, model: str) -> list[Row] | None:
    """The model's versions, in no particular order.

    Empty if the database does not exist yet. None if mlflow has to read the store: it is no
    SQLite store, or its schema is not the one above.
    """
    if (file := database_file(uri)) is None:
        return None
    if not file.is_file():
        return []
    try:
        with _open(file, "ro") as database:
            revision = database.execute("SELECT version_num FROM alembic_version").fetchall()
            if revision != [(REVISION,)]:
                return None
            rows = database.execute(VERSIONS, (model,)).fetchall()
            return [(*row, json.loads(tags), json.loads(aliases)) for *row, tags, aliases in rows]
    except sqlite3.Error:  # mlflow says what is wrong with it
        return None


def moved_from(uri: str, known: str) -> str | None:
    """The address `known`, if the artifacts that the store expects there lie beside its database.

    known: the experiment's artifact location. None if the store is right, keeps its artifacts
    elsewhere on purpose, or is no SQLite store.
    """
    beside, path = artifact_folder(uri), local_path(known)
    if beside is None or path is None or path.name != beside.name or not beside.is_dir():
        return None
    return None if path.resolve() == beside.resolve() else known


def readdress(uri: str, old: str) -> int:
    """Make every address that begins with `old` begin with the folder beside the database.

    Returns how many there were. All of them change, or none. Raises UserError if the database
    refuses.
    """
    file = database_file(uri)
    assert file is not None, f"{uri} is no SQLite store"
    new = (file.parent / ARTIFACTS).as_uri()
    try:
        with _open(file, "rw") as database, database:
            values = {"old": old, "new": new}
            return sum(database.execute(each, values).rowcount for each in READDRESS)
    except sqlite3.Error as error:  # somebody writes, or may not
        raise UserError(f"{file}: {error}") from None


def _open(file: Path, mode: str) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"file:{quote(str(file))}?mode={mode}", uri=True))
