"""What commands tell a person to type next."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.cli.output import program


@pytest.mark.parametrize("called", [".venv/bin/harness", "../project/.venv/bin/harness"])
def test_a_program_that_is_not_on_the_path_is_named_as_it_was_called(
    called: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", [called, "run", "quick"])
    assert program() == called


def test_a_program_on_the_path_is_named_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "harness").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "harness"


def test_a_module_is_run_by_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["harness/__main__.py", "run", "quick"])
    assert program() == f"{sys.executable} -m harness"
