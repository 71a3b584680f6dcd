"""`harness gallery`: run each line of "Batch vs Lambda", and build its pages."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.exits import FAILED, INTERRUPTED, USAGE, fail, failing
from harness.cli.options import FOLDER, defaulted
from harness.cli.report import report_on
from harness.cli.starting import carry_out, request_for, scenario_asked

if TYPE_CHECKING:
    from harness.gallery import Page

OUT = Path("results/gallery")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--build", is_flag=True, help="Run nothing: build from the newest run of each in OUT.")
@click.option("--docs", type=FOLDER, help="Write the pages and pictures here as well, such as docs/gallery.")
@defaulted("--out", type=FOLDER, default=OUT, help="Where runs, pages and the index page go.")
def gallery(names: tuple[str, ...], build: bool, docs: Path | None, out: Path) -> None:
    """Run the lines of "Batch vs Lambda" one after the other (or those called NAMES), and build the index page.

    It takes a Docker engine. Exit code: 0 done, 1 a run failed or has not shown what its page says, 2 bad usage, 130
    interrupted.

    \b
    Example:
      harness gallery
      harness gallery burst trickle
      harness gallery --build --docs docs/gallery
    """
    from harness.gallery import pages
    from harness.gallery.build import make_card, newest_run, write_index, write_pages
    from harness.gallery.figures import GalleryError

    known = pages()
    if unknown := [name for name in names if name not in known]:
        fail(f"no page {unknown[0]!r}: allowed are {', '.join(known)}", USAGE)
    chosen = {name: page for name, page in known.items() if not names or name in names}
    states = {} if build else {name: _run(page, out) for name, page in chosen.items()}
    found = {name: newest_run(out, page.scenario) for name, page in known.items()}
    with failing(FAILED, GalleryError):
        cards = [make_card(known[name], run) for name, run in found.items() if run is not None]
    if not cards:
        fail(f"{out}: no complete run of any page", FAILED)
    write_pages(cards, out)
    click.echo(f"Index: {write_index(cards, out)}")
    if docs is not None:
        write_pages(cards, docs)
    missed = [card.page.name for card in cards if card.page.name in chosen and not card.shown]
    missed += [name for name in chosen if found[name] is None or states.get(name, "complete") != "complete"]
    if missed:
        fail(f"not shown: {', '.join(dict.fromkeys(missed))}", FAILED)


def _run(page: Page, out: Path) -> str:
    """Carry out its scenario, and report; how it ended. Exits where it was interrupted."""
    click.echo(f"== {page.title}")
    if page.image:
        _make_image()
    chosen = scenario_asked(page.scenario, repeat=page.blocks).model_copy(update={"aa": None})
    folder, state = carry_out(request_for(chosen, "docker", None, out), quiet=False)
    report_on(folder, as_json=False)
    if state == "interrupted":
        fail("interrupted; the index page was not built", INTERRUPTED)
    return state


def _make_image() -> None:
    from harness.engines.base import EngineError
    from harness.engines.docker import connect
    from harness.engines.node_image import ensure_node_image
    from harness.gallery import NODE

    with failing(FAILED, EngineError):
        client = connect()
        try:
            ensure_node_image(client, NODE, click.echo)
        finally:
            client.close()
