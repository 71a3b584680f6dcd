"""Where commands write: tables to a console, documents as JSON, and to a terminal what takes so long."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and rich takes a while)

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import showing

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_WHEN_PIPED = 120


def console() -> Console:
    """Standard output, as wide as the terminal that it is."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH_WHEN_PIPED)


def program() -> str:
    """What to type to run this program: not everybody has it on the path."""
    if shutil.which("harness"):
        return "harness"
    called = Path(sys.argv[0])
    return str(called) if called.name == "harness" else f"{sys.executable} -m harness"


def print_json(document: Any, default: Callable[[Any], Any] | None = None) -> None:
    """For other programs; `default` makes text of what JSON has no type for."""
    click.echo(json.dumps(document, indent=2, default=default))


@contextlib.contextmanager
def busy(what: str, *, shown: bool) -> Iterator[None]:
    """Tell a terminal what takes so long."""
    from rich.console import Console

    from harness.cli.progress import mode

    asked = showing()
    if mode(quiet=asked.quiet or not shown, live=asked.live) != "live":
        yield
        return
    with Console(stderr=True).status(what):
        yield
