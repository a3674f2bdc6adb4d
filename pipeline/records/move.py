"""Copy a store from SQLite to the empty database of a server, every id and address kept right."""

from sqlalchemy import Connection, Integer, Table, create_engine, func, literal, select, text

from pipeline.core.terminal import UserError, redacted
from pipeline.records.database import READDRESS, artifact_folder, database_file, moved_from
from pipeline.records.store import connect, store_errors
from pipeline.records.unsent import stores_with_unsent

SERVED = "mlflow-artifacts:/mlartifacts"  # that folder, where the server keeps its artifacts
ACCEPTED = "accepted is postgresql+psycopg://USER@HOST:PORT/DATABASE"
# The rows that an empty database has at most: MLflow's own experiment.
EMPTY = {"runs": 0, "registered_models": 0, "logged_models": 0, "trace_info": 0, "experiments": 1}
AT_ONCE = 10_000  # rows: a long training has a million measurements


def move_store(source: str, target: str) -> dict[str, int]:
    """Copy all rows of the SQLite store at `source`; return how many by table, empty ones left out.

    target: postgresql+psycopg://USER@HOST:PORT/DATABASE. Its tables are made if it has none.
    Addresses of the folder mlartifacts become those of a server that has the folder in its
    `--artifacts-destination`. All rows arrive or none. Raises UserError if the target is no
    PostgreSQL database or holds something already, if the source was moved or metrics wait to be
    sent to it, or if one of the two stores fails.
    """
    file, folder = database_file(source), artifact_folder(source)
    if file is None or folder is None or not file.is_file():
        raise UserError(f"{source} is no database in a file: there is nothing to copy")
    if redacted(source) in stores_with_unsent():
        raise UserError(f"metrics wait to be sent to {source}: first run `make sync`")
    if not target.startswith("postgresql"):
        raise UserError(f"{redacted(target)} is no address of a PostgreSQL database: {ACCEPTED}")
    with store_errors(redacted(target)):
        for uri in (source, target):
            connect(uri)  # both get the tables of this MLflow
        from mlflow.store.db.base_sql_model import Base  # noqa: PLC0415 - complete only now

        tables = Base.metadata.sorted_tables
        with create_engine(source).connect() as old, create_engine(target).begin() as new:
            places = old.scalars(select(Base.metadata.tables["experiments"].c.artifact_location))
            if any(moved_from(source, place) for place in places):
                remedy = "python -m tools.doctor --readdress"
                raise UserError(f"{source} was moved or copied: first run `{remedy}`")
            for name, most in EMPTY.items():
                rows = select(func.count()).select_from(Base.metadata.tables[name])
                if new.scalars(rows).one() > most:
                    held = f"{redacted(target)} holds {name.replace('_', ' ')} already"
                    raise UserError(f"{held}: name an empty database")
            for table in reversed(tables):  # what MLflow puts into a new database
                new.execute(table.delete())
            copied = {table.name: _copy(table, old, new) for table in tables}
            for statement in READDRESS:
                new.execute(text(statement), {"old": folder.as_uri(), "new": SERVED})
    return {name: rows for name, rows in copied.items() if rows}


def _copy(table: Table, old: Connection, new: Connection) -> int:
    """Copy a table, and have its next row numbered after the last one."""
    count = 0
    for rows in old.execute(select(table)).mappings().partitions(AT_ONCE):
        new.execute(table.insert(), [dict(row) for row in rows])
        count += len(rows)
    for column in table.primary_key.columns:
        if isinstance(column.type, Integer):  # without a sequence this does nothing
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            following = func.coalesce(func.max(column), 0) + 1
            new.execute(select(func.setval(sequence, following, literal(False))).select_from(table))
    return count
