"""The table: rows by item, from many processes at once."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workloads.kit.errors import BadSettings
from workloads.kit.table import SqliteTable, open_table

WRITERS, ROWS_EACH = 4, 60


def rows_of(path: Path) -> dict[str, dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        return {item: json.loads(row) for item, row in connection.execute("SELECT item, row FROM items")}


def write_rows(path: Path, writer: int) -> float:
    table = SqliteTable(path)
    start_s = time.perf_counter()
    for index in range(ROWS_EACH):
        table.put({"item": f"{writer}/{index}", "writer": writer})
        table.put({"item": "shared", "writer": writer})
    took_s = time.perf_counter() - start_s
    table.close()
    return took_s


def test_put_is_an_upsert_by_item(tmp_path: Path) -> None:
    table = open_table(f"sqlite:///{tmp_path}/items.sqlite")
    table.put({"item": "a", "width": 1, "results": [{"size": 256}]})
    table.put({"item": "b", "width": 2})
    table.put({"item": "a", "width": 3})
    assert rows_of(tmp_path / "items.sqlite") == {
        "a": {"item": "a", "width": 3},
        "b": {"item": "b", "width": 2},
    }


def test_written_at_is_utc(tmp_path: Path) -> None:
    SqliteTable(tmp_path / "t").put({"item": "a"})
    with closing(sqlite3.connect(tmp_path / "t")) as connection:
        (text,) = connection.execute("SELECT written_at FROM items").fetchone()
    written = datetime.fromisoformat(text)
    assert written.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)


def test_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "items.sqlite"
    # All start on a file that is not there yet: the hardest moment, as they make it together.
    with ProcessPoolExecutor(WRITERS, multiprocessing.get_context("spawn")) as pool:
        times_s = list(pool.map(write_rows, [path] * WRITERS, range(WRITERS)))
    rows = rows_of(path)
    assert len(rows) == WRITERS * ROWS_EACH + 1
    assert rows["shared"]["writer"] in range(WRITERS)
    assert max(times_s) / (2 * ROWS_EACH) < 0.05


def test_threads_share_one_table(tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "t")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: table.put({"item": str(index)}), range(100)))
    assert len(rows_of(tmp_path / "t")) == 100


def test_a_row_that_is_no_json_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        SqliteTable(tmp_path / "t").put({"item": "a", "data": b"bytes"})


@pytest.mark.parametrize(
    "url", ["", "sqlite:///relative", "sqlite:////folder/", "postgres://host/db", "/a.sqlite"]
)
def test_other_urls_are_refused_by_name(url: str) -> None:
    with pytest.raises(BadSettings) as caught:
        open_table(url)
    assert repr(url) in str(caught.value)
    assert "sqlite:////absolute/file.sqlite" in str(caught.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        SqliteTable(tmp_path / "none" / "t")
