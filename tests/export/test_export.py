"""What is written can be read back, by programs that know nothing of this one."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.export import FORMATS, NAMES, ExportError, export
from harness.export.tables import columns, is_text, tables
from harness.export.to_xlsx import MAX_CHARACTERS, MAX_ROWS, with_iso_times
from harness.rows import Attempt
from harness.runs import Run, schema
from tests.synthetic import empty_run, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r", blocks=2, items=6, failed_share=0.1)


def read_csv(path: Path) -> pd.DataFrame:
    """With the types that `columns.csv` tells, as its reader would."""
    told = pd.read_csv(path.parent / "columns.csv", keep_default_na=False)
    types = told[told["table"] == path.stem].set_index("column")["type"].replace("text", "str")
    known = {str(name): str(kind) for name, kind in types.items() if not str(kind).startswith("datetime")}
    texts = {name: str for name, kind in known.items() if kind == "str"}
    frame = pd.read_csv(
        path, dtype=known, keep_default_na=False, na_values={n: [""] for n in set(known) - set(texts)}
    )
    return frame


def read_json(path: Path) -> pd.DataFrame:
    return pd.read_json(path, orient="table", precise_float=True)


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    "csv": read_csv,
    "json": read_json,
    "parquet": pd.read_parquet,
}


def same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Equal to the last digit, whatever kind of number or text holds it."""
    assert list(found.columns) == list(wanted.columns)
    assert len(found) == len(wanted)
    for column in wanted:
        left, right = found[column], wanted[column]
        if is_text(right):
            assert left.astype(str).tolist() == right.astype(str).tolist(), column
        elif right.dtype.kind in "fiub":
            exact: Any = right.dtype if right.dtype.kind == "f" else "Int64"
            assert left.astype(exact).equals(right.astype(exact).set_axis(left.index)), column
        else:
            assert pd.to_datetime(left, utc=True).tolist() == right.tolist(), column


@pytest.mark.parametrize("form", sorted(READERS))
def test_every_table_comes_back_to_the_last_digit(run: Run, tmp_path: Path, form: str) -> None:
    paths = export(run, form, out=tmp_path / form)
    made = tables(run)
    assert {path.stem for path in paths} == {*made, "columns"}
    assert {"attempts", "samples", "events", "summary", "comparison", "cost", "manifest"} <= set(made)
    for name, table in made.items():
        same(READERS[form](tmp_path / form / f"{name}.{form}"), table)


def test_parquet_keeps_types_and_meanings(run: Run, tmp_path: Path) -> None:
    (path,) = export(run, "parquet", ["attempts"], tmp_path / "a.parquet")
    found = pq.read_schema(path)
    for field in schema(Attempt):
        assert (
            found.field(field.name).type == field.type
            or field.type.num_fields
            or "dictionary" in str(field.type)
        )
        assert found.field(field.name).metadata[b"doc"] == field.metadata[b"doc"]


def test_whole_numbers_stay_whole_where_some_are_missing(run: Run, tmp_path: Path) -> None:
    assert run.samples["memory_bytes"].isna().any()
    export(run, "csv", ["samples"], tmp_path)
    told = pd.read_csv(tmp_path / "columns.csv").set_index("column")
    assert told["type"]["memory_bytes"] == "Int64"
    assert told["unit"]["memory_bytes"] == "bytes"
    text = pd.read_csv(tmp_path / "samples.csv", dtype=str)["memory_bytes"].dropna()
    assert not text.str.contains(".", regex=False).any()


def test_columns_tell_units_and_meanings(run: Run) -> None:
    told = columns(tables(run, ["attempts", "summary"])).set_index(["table", "column"])
    assert list(told.xs(("attempts", "due_ns"))) == [
        "int64", "UTC nanoseconds since 1970", "intended start, from the arrivals",
    ]  # fmt: skip
    assert told.loc[("summary", "throughput_items_per_s"), "unit"] == "items a second"
    assert told.loc[("summary", "cpu_s_per_item"), "unit"] == "seconds"
    assert told.loc[("summary", "latency_p50_s_low"), "unit"] == "seconds"
    durations = told[told.index.get_level_values("column").str.endswith("_s")]
    assert (durations["unit"] != "").all()


def test_a_workbook_has_a_sheet_a_table_and_reads_back(run: Run, tmp_path: Path) -> None:
    (path,) = export(run, "xlsx", out=tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(path, read_only=True)
    made = tables(run)
    assert book.sheetnames == [*made, "columns"]
    for name, table in made.items():
        wanted = with_iso_times(table)
        rows = list(book[name].iter_rows(values_only=True))
        assert list(rows[0]) == list(wanted.columns)
        assert len(rows) == len(wanted) + 1
        found = pd.DataFrame(rows[1:], columns=wanted.columns)
        for column in wanted:
            left, right = found[column], wanted[column]
            if is_text(right):
                assert (
                    left.fillna("").astype(str).tolist()
                    == right.astype(object).fillna("").astype(str).tolist()
                ), column
            elif right.dtype.kind == "b":
                assert left.tolist() == right.tolist()
            elif right.dtype.kind in "fiu":
                numbers = pd.to_numeric(left).astype("float64").to_numpy()
                np.testing.assert_allclose(numbers, right.astype("float64").to_numpy(), rtol=1e-15)


def test_excels_times_keep_their_nanoseconds_as_text(run: Run, tmp_path: Path) -> None:
    (path,) = export(run, "xlsx", ["attempts"], tmp_path / "r.xlsx")
    sheet = openpyxl.load_workbook(path, read_only=True)["attempts"]
    rows = list(sheet.iter_rows(values_only=True))
    place = rows[0].index("due_utc")
    assert rows[0][place - 1] == "due_ns"
    exact = [int(pd.Timestamp(str(row[place])).value) for row in rows[1:]]
    assert exact == run.attempts["due_ns"].tolist()


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_iso_times_are_exact(at_ns: int) -> None:
    text = with_iso_times(pd.DataFrame({"at_ns": [at_ns]}))["at_utc"].iloc[0]
    whole, digits = text.removesuffix("Z").split(".")
    seconds = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.UTC)
    assert len(digits) == 9
    assert int(seconds.timestamp()) * 1_000_000_000 + int(digits) == at_ns


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30) | st.sampled_from(
    ["=1+1", "https://example.com", "+3", "1e5", "NULL", 'a,"b"', "{=SUM(A1)}", "@x", "nan", "True"]
)
# Numbers below the least normal one are valid JSON, and more than pandas reads of it.
FLOATS = st.floats(-1e300, 1e300, allow_subnormal=False) | st.just(float("nan"))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(TEXTS, FLOATS, st.integers(-(2**53), 2**53), st.booleans()), min_size=1, max_size=8),
    st.sampled_from(["csv", "json", "parquet", "xlsx"]),
)
def test_any_values_survive_any_format(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float, int, bool]], form: str
) -> None:
    """Texts that look like formulas, numbers or links stay texts."""
    table = pd.DataFrame(rows, columns=["text", "x", "count", "yes"])
    path = tmp_path_factory.mktemp("any") / f"made.{form}"
    FORMATS[form].write({"made": table}, path)
    if form == "xlsx":
        sheet = list(openpyxl.load_workbook(path)["made"].iter_rows(min_row=2, values_only=True))
        assert [row[0] or "" for row in sheet] == [text for text, *_ in rows]
        assert [row[3] for row in sheet] == [row[3] for row in rows]
        found = [np.nan if row[1] is None else float(str(row[1])) for row in sheet]
        np.testing.assert_allclose(found, table["x"], rtol=1e-15)
    elif form == "csv":
        same(pd.read_csv(path, dtype={"text": str}, keep_default_na=False, na_values={"x": [""]}), table)
    else:
        same(READERS[form](path), table)


def test_a_sheet_that_excel_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "big.xlsx"
    fits, one_too_many = (pd.DataFrame({"x": np.zeros(rows, "int8")}) for rows in (MAX_ROWS - 1, MAX_ROWS))
    with pytest.raises(ExportError, match=r"1,048,576 rows and a heading.*--format parquet"):
        FORMATS["xlsx"].write({"small": fits.head(1), "big": one_too_many}, path)
    with pytest.raises(ExportError, match="column detail: a text of 32,768 characters"):
        FORMATS["xlsx"].write({"events": pd.DataFrame({"detail": ["x" * (MAX_CHARACTERS + 1)]})}, path)
    assert not path.exists()


def test_one_table_may_go_to_one_file(run: Run, tmp_path: Path) -> None:
    assert export(run, "csv", ["summary"], tmp_path / "deep" / "s.csv") == [tmp_path / "deep" / "s.csv"]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "deep" / "s.csv"), run.summary(), check_dtype=False)
    with pytest.raises(ExportError, match="one file holds one table"):
        export(run, "csv", ["summary", "events"], tmp_path / "s.csv")


def test_places_and_names_that_cannot_be_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="cannot be written"):
        export(run, "csv", out=tmp_path / "file")
    with pytest.raises(ExportError, match="cannot be written"):
        export(run, "xlsx", out=tmp_path)
    with pytest.raises(ExportError, match="allowed are attempts, samples"):
        export(run, "csv", ["attempt"], tmp_path)


def test_a_run_without_rows_exports_what_was_asked_for(tmp_path: Path) -> None:
    run = empty_run(tmp_path / "r")
    assert {path.stem for path in export(run, "csv", out=tmp_path / "all")} == {"manifest", "columns"}
    for form in FORMATS:
        for path in export(
            run, form, [name for name in NAMES if name != "manifest"], tmp_path / f"{form}.{form}x"
        ):
            assert path.exists()


def test_the_command_names_its_files_after_the_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["export", str(run.folder), "--format", "json", "--table", "summary"])
    assert result.output.split() == ["r-json/summary.json", "r-json/columns.json"]
    assert json.loads(Path("r-json/summary.json").read_text())["schema"]["fields"][0]["name"] == "arm"
    assert (
        CliRunner().invoke(main, ["export", str(run.folder), "--format", "xlsx", "--table", "cost"]).output
        == "r.xlsx\n"
    )
    for wrong in (["--format", "csv", "--table", "nothing"], ["--format", "doc"], []):
        assert CliRunner().invoke(main, ["export", str(run.folder), *wrong]).exit_code == 2
    assert CliRunner().invoke(main, ["export", str(tmp_path), "--format", "csv"]).exit_code == 2
