"""How a command ends: with which code, and what it says where it fails. Nothing else in the harness exits."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

# An objective that is undecided is no failure: the report says what would decide it. 130 is 128 + SIGINT.
OK, FAILED, USAGE, MISSED, INVALID, INTERRUPTED = 0, 1, 2, 3, 4, 130
OF_STATE = {"complete": OK, "interrupted": INTERRUPTED, "failed": FAILED}


def leave(code: int) -> NoReturn:
    """End the command; what there was to say has been said."""
    sys.exit(code)


def fail(message: str, code: int) -> NoReturn:
    """End the command, and say why."""
    click.echo(f"harness: {message}", err=True)
    leave(code)


@contextlib.contextmanager
def failing(code: int, *errors: type[Exception], saying: str = "") -> Iterator[None]:
    """Have such an error end the command with its text, behind `saying`."""
    try:
        yield
    except errors as error:
        fail(f"{saying}{error}", code)
