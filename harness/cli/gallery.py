"""`harness gallery`: run each line of "Batch vs Lambda", and build its pages."""

# ruff: noqa: PLC0415  (`harness --help` has to answer at once, and pandas alone takes half a second)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.gallery import Page

OUT = Path("results/gallery")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--build", is_flag=True, help="Run nothing: build from the newest run of each in OUT.")
@click.option(
    "--docs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the pages and pictures here as well, such as docs/gallery.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=OUT,
    show_default=True,
    help="Where runs, pages and the index page go.",
)
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
    from harness import cli
    from harness.gallery import pages
    from harness.gallery.build import make_card, newest_run, write_index, write_pages
    from harness.gallery.figures import GalleryError

    known = pages()
    if unknown := [name for name in names if name not in known]:
        cli._fail(f"no page {unknown[0]!r}: allowed are {', '.join(known)}", cli.USAGE)
    chosen = {name: page for name, page in known.items() if not names or name in names}
    states = {} if build else {name: _run(page, out) for name, page in chosen.items()}
    found = {name: newest_run(out, page.scenario) for name, page in known.items()}
    try:
        cards = [make_card(known[name], run) for name, run in found.items() if run is not None]
    except GalleryError as error:
        cli._fail(str(error), cli.FAILED)
    if not cards:
        cli._fail(f"{out}: no complete run of any page", cli.FAILED)
    write_pages(cards, out)
    click.echo(f"Index: {write_index(cards, out)}")
    if docs is not None:
        write_pages(cards, docs)
    missed = [card.page.name for card in cards if card.page.name in chosen and not card.shown]
    missed += [name for name in chosen if found[name] is None or states.get(name, "complete") != "complete"]
    if missed:
        cli._fail(f"not shown: {', '.join(dict.fromkeys(missed))}", cli.FAILED)


def _run(page: Page, out: Path) -> str:
    """Carry out its scenario, and report; how it ended. Exits where it was interrupted."""
    from harness import cli, scenario

    click.echo(f"== {page.title}")
    if page.image:
        _make_image()
    chosen = scenario.load(scenario.find(page.scenario)).model_copy(
        update={"blocks": page.blocks, "aa": None}
    )
    nothing: dict[str, Any] = {"corpus": None, "precision": None, "budget": None}
    folder, state = cli._carry_out(chosen, engine="docker", out=out, quiet=False, **nothing)
    cli._report(folder, as_json=False)
    if state == "interrupted":
        cli._fail("interrupted; the index page was not built", cli.INTERRUPTED)
    return state


def _make_image() -> None:
    from harness import cli
    from harness.engines.base import EngineError
    from harness.engines.docker import connect
    from harness.engines.node_image import ensure_node_image
    from harness.gallery import NODE

    try:
        client = connect()
        try:
            ensure_node_image(client, NODE, click.echo)
        finally:
            client.close()
    except EngineError as error:
        cli._fail(str(error), cli.FAILED)
