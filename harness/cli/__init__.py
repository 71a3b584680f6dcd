"""The commands, a file each. What is slow is imported inside its command, so that `harness --help` answers at once."""

from __future__ import annotations

from typing import Any

import click

from harness import __version__
from harness.cli.aa import aa
from harness.cli.advise import advise
from harness.cli.compare import compare
from harness.cli.doctor import doctor
from harness.cli.exits import INTERRUPTED, fail
from harness.cli.export import export
from harness.cli.gallery import gallery
from harness.cli.prices import prices
from harness.cli.push import push
from harness.cli.report import report
from harness.cli.run import run
from harness.cli.serve import serve
from harness.cli.tune import tune

COMMANDS = (aa, advise, compare, doctor, export, gallery, prices, push, report, run, serve, tune)


class _Commands(click.Group):
    """Commands that end with the exit code of an interruption when they are interrupted, where click has 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            fail("interrupted", INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Measure one workload as a function, a batch job and a service, and read which to use.

    \b
    Example:
      harness run quick            a first look in half a minute
      harness doctor               what this machine can measure
    """


for command in COMMANDS:
    main.add_command(command)
