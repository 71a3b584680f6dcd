"""`harness compare`: runs against the first of them."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.exits import FAILED, OK, USAGE, fail, failing, leave
from harness.cli.options import FILE, FOLDER_THERE, json_option
from harness.cli.output import console, print_json


@click.command()
@click.argument("run_folders", nargs=-1, required=True, metavar="RUN RUN...", type=FOLDER_THERE)
@click.option(
    "--fail-on", "fail_on", multiple=True, metavar="THRESHOLD",
    help="Exit with 1 where this is shown: 'any' regression, or METRIC > N% (throughput: < -N%), for one arm or phase "
    "with :NAME behind the metric. May be repeated.",
)  # fmt: skip
@json_option("comparison")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print it as Markdown, for a pull request.")
@click.option("--html", "page", type=FILE, help="Write it as a page that works offline.")
def compare(
    run_folders: tuple[Path, ...],
    fail_on: tuple[str, ...],
    as_json: bool,
    as_markdown: bool,
    page: Path | None,
) -> None:
    """Compare runs with the first RUN: what differs between them first, then every figure as a ratio with a verdict.

    Metrics: latency_p50_s, latency_p95_s, throughput_items_per_s, cpu_s_per_item, memory_peak_bytes,
    cold_pull_mean_s, cold_create_mean_s, cold_start_mean_s, cold_init_mean_s, error_rate, cost_usd_per_million. Bounds
    are relative.

    Exit code: 0 compared, 1 a threshold failed, 2 bad usage. A threshold fails only where the whole 95 % interval lies
    beyond it and the difference exceeds the noise floor of both runs; undecided is said, and is no failure.

    \b
    Example:
      harness compare results/before results/after
      harness compare results/before results/after --fail-on 'latency_p50_s > 5%' --markdown
      harness compare results/512 results/1024 results/1769 --fail-on any:function --html sizes.html
    """
    from harness import comparing, load
    from harness.comparing.as_json import as_json as to_json
    from harness.comparing.html import html
    from harness.comparing.markdown import markdown
    from harness.comparing.terminal import render
    from harness.runs import RunError

    if as_json and as_markdown:
        fail("--json and --markdown: allowed is one of them", USAGE)
    wrong_threshold = failing(USAGE, comparing.ThresholdError, saying="--fail-on: ")
    with wrong_threshold, failing(USAGE, RunError, comparing.ComparisonError):
        thresholds = [comparing.parse(text) for text in fail_on]
        comparison = comparing.compare_runs([load(folder) for folder in run_folders], thresholds)
    if page is not None:
        try:
            page.write_text(html(comparison), encoding="utf-8")
        except OSError as error:
            fail(f"--html {page}: cannot be written ({error.strerror})", USAGE)
    if as_json:
        print_json(to_json(comparison))
    elif as_markdown:
        click.echo(markdown(comparison), nl=False)
    else:
        console().print(render(comparison))
    leave(FAILED if comparison.failed else OK)
