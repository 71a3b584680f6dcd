"""The metadata table: one row for each item, in SQLite, written by several containers of one host at once.

    open_table("sqlite:////data/out/items.sqlite")

SQLite's write-ahead log lets one writer and many readers work side by side; it needs memory shared between the
processes, which containers of one host have through a common bind-mounted folder. A put is one commit without a
disk flush (synchronous=NORMAL): a crash of the process loses nothing, a power cut may lose the last rows.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from workloads.kit.errors import BadSettings

if TYPE_CHECKING:
    from sqlite3 import Connection

SCHEME = "sqlite:///"
BUSY_TIMEOUT_S = 30.0

_CREATE = (
    "CREATE TABLE IF NOT EXISTS items (item TEXT PRIMARY KEY, row TEXT NOT NULL, written_at TEXT NOT NULL)"
)
_UPSERT = (
    "INSERT INTO items (item, row, written_at) VALUES (?, ?, ?) "
    "ON CONFLICT (item) DO UPDATE SET row = excluded.row, written_at = excluded.written_at"
)


class Table(Protocol):
    """Rows by item."""

    def put(self, row: dict[str, Any]) -> None:
        """Insert or replace the row of `row["item"]`; everything in it must be JSON."""


class SqliteTable:
    """Rows in the table `items` (item, row as JSON, written_at in UTC) of one SQLite file, made at need."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = _connect(path)

    def put(self, row: dict[str, Any]) -> None:
        """Upsert one row; waits up to 30 s for other writers, then raises sqlite3.OperationalError."""
        values = (row["item"], json.dumps(row, sort_keys=True), datetime.now(UTC).isoformat())
        with self._lock:
            self._connection.execute(_UPSERT, values)

    def close(self) -> None:
        """Close the connection; the last one to close folds the log into the file."""
        with self._lock:
            self._connection.close()


def _connect(path: Path) -> Connection:
    import sqlite3  # noqa: PLC0415 - a job that only lists or a test without a table should not pay for it

    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    deadline_s = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_CREATE)
            return connection
        except sqlite3.OperationalError as error:
            # SQLite does not wait when two processes switch a new file to the log at once: it says "locked".
            if "locked" not in str(error) or time.monotonic() > deadline_s:
                connection.close()
                raise
            time.sleep(0.005)


def open_table(url: str) -> Table:
    """Open the table that a URL names; raises BadSettings (a ValueError) for any other URL."""
    path = unquote(url.removeprefix(SCHEME))
    if not url.startswith(SCHEME) or not path.startswith("/") or path.endswith("/"):
        raise BadSettings(f"table URL {url!r} is not supported; allowed: sqlite:////absolute/file.sqlite")
    return SqliteTable(Path(path))
