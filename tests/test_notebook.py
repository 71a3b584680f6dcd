"""The notebook of the docs runs, cell after cell, and draws what it says.

A kernel would bring two dozen packages into the development environment, so its cells are run here, in one namespace as
a kernel would run them: it uses no magic commands.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import altair as alt
import nbformat
import pytest
from pandas import DataFrame


@pytest.fixture(scope="module")
def cells(root: Path) -> list[Any]:
    """Its code cells; it is checked that Jupyter would open it."""
    read: Any = nbformat.read
    notebook = read(root / "docs/examples/runs.ipynb", as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def results(root: Path, cells: list[Any]) -> dict[str, Any]:
    """What each cell's last line gives, by the cell's id; None where that is no expression."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found: dict[str, Any] = {}
    renderer = alt.renderers.active
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root / "docs/examples")
        for cell in cells:
            body = ast.parse(cell.source).body
            last = body.pop() if isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), cell.id, "exec"), names)
            if isinstance(last, ast.Expr):
                found[cell.id] = eval(compile(ast.Expression(last.value), cell.id, "eval"), names)
    alt.renderers.enable(renderer)
    return found


def test_two_figures_are_drawn_of_many_rows(results: dict[str, Any]) -> None:
    figures = [
        value.to_dict() for value in results.values() if isinstance(value, (alt.Chart, alt.FacetChart))
    ]
    assert len(figures) == 2
    assert all(len(rows) > 50 for figure in figures for rows in figure["datasets"].values())


def test_tables_have_rows(results: dict[str, Any]) -> None:
    tables = [value for value in results.values() if isinstance(value, DataFrame)]
    assert len(tables) == 3
    assert all(len(table) for table in tables)


def test_what_is_kept_in_the_file_is_of_the_same_run(cells: list[Any], results: dict[str, Any]) -> None:
    """Figures as pictures, and a number that is the same when it is run again."""
    outputs = {cell.id: output.data for cell in cells for output in cell.outputs if "data" in output}
    assert sum("image/png" in data for data in outputs.values()) == 2
    numbers = {name: value for name, value in results.items() if isinstance(value, float)}
    assert numbers
    assert {name: float(outputs[name]["text/plain"]) for name in numbers} == pytest.approx(numbers)
