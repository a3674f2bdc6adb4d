"""Where an SQLite store says that its artifacts are: absolute addresses, wrong after a move."""

from pathlib import Path
from urllib.parse import unquote, urlparse

from sqlalchemy import create_engine, text

from pipeline.records.store import SQLITE, Store, store_errors

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def local_path(address: str) -> Path | None:
    """The path of a file:// address or of a plain path; None for an address elsewhere."""
    parts = urlparse(address)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def moved_from(store: Store) -> str | None:
    """The address under which the store looks for the artifacts that now lie beside its database.

    None if it looks there, keeps its artifacts on purpose elsewhere, or is no SQLite store.
    """
    beside = _beside(store)
    known = store.client.get_experiment(store.experiment_id).artifact_location
    path = local_path(known)
    if beside is None or path is None or path.name != beside.name or not beside.is_dir():
        return None
    return None if path.resolve() == beside.resolve() else known


def readdress(store: Store, old: str) -> int:
    """Make every address that begins with `old` begin with the folder beside the database.

    Returns how many there were. All of them change, or none. Raises UserError if the database
    does not take it.
    """
    beside = _beside(store)
    assert beside is not None, store.uri
    new = beside.as_uri()
    with store_errors(store.uri), create_engine(store.uri).begin() as database:
        return sum(
            database.execute(
                text(
                    f"UPDATE {table} SET {column} = :new || substr({column}, length(:old) + 1) "  # noqa: S608 - names of ours
                    f"WHERE {column} = :old OR substr({column}, 1, length(:old) + 1) = :old || '/'"
                ),
                {"old": old, "new": new},
            ).rowcount
            for table, column in COLUMNS
        )


def _beside(store: Store) -> Path | None:
    if not store.uri.startswith(SQLITE):
        return None
    return Path(store.uri.removeprefix(SQLITE)).resolve().parent / "mlartifacts"
