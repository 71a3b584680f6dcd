"""The reference of commands, from click."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import click

from harness.cli import main
from scripts.reference.tables import table

INTRODUCTION = """# Commands
Made from the commands themselves by `make docs`; `harness COMMAND --help` says the same. After `make setup` the
command is `.venv/bin/harness`.
"""


def commands_page() -> str:
    """The page docs/commands.md."""
    return "\n".join([INTRODUCTION, *(_section(path, command) for path, command in walk(main, ("harness",)))])


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it, with the words that call each."""
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from walk(command.commands[name], (*path, name))


def _section(path: tuple[str, ...], command: click.Command) -> str:
    words, examples = _help(command)
    context = click.Context(command, info_name=path[-1])
    usage = " ".join([*path, *command.collect_usage_pieces(context)])
    records = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    rows = [
        (f"`{options}`", told)
        for options, told in records
        if options.startswith("-") and "--help" not in options
    ]
    parts = [f"## {' '.join(path)}", f"`{usage}`", words]
    parts += ["```console\n" + "\n".join(examples) + "\n```"] if examples else []
    parts += [table(("option", "meaning"), rows)] if rows else []
    return "\n\n".join(parts) + "\n"


def _help(command: click.Command) -> tuple[str, list[str]]:
    """The help in words, and the examples, their explanations as comments."""
    words, _, example = cleandoc(command.help or "").partition("\b\nExample:\n")
    lines = [line.strip() for line in example.splitlines() if line.strip()]
    return words.strip(), [re.sub(r"( {3,})(?=\S)", r"\1# ", line) for line in lines]
