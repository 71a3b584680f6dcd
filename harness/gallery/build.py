"""Makes the gallery of the runs in a folder: a page and a picture for each line, and an index of all of them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from harness import __version__
from harness.gallery import Page
from harness.gallery.figures import Figures, GalleryError, as_it_came, disturbed
from harness.gallery.pictures import draw
from harness.runs import Run
from harness.scenario import find, load

INDEX = "index.html"
CONTENTS = "README.md"
# How the files of pictures end, by theme; the site shows the one that fits (docs/conf.py).
ENDINGS = {"light": ".svg", "dark": "-dark.svg"}


@dataclass(frozen=True, slots=True)
class Card:
    """A page as filled from a run: `pictures` are SVG by theme, `shown` is whether the run has shown it.

    `report` is the path of the run's report, relative to the folder of runs.
    """

    page: Page
    verdict: str
    sentences: tuple[str, ...]
    pictures: dict[str, str]
    caption: str
    shown: bool
    report: str

    def picture(self, theme: str) -> str:
        """As an address that needs no file."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.pictures[theme].encode()).decode()}"


def newest_run(folder: Path, scenario: str) -> Run | None:
    """The last complete run of a scenario below `folder`; None where there is none. Their names begin with the time."""
    for path in sorted(folder.glob(f"*-{scenario}"), reverse=True):
        try:
            manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if manifest.get("state") == "complete" and (manifest.get("scenario") or {}).get("name") == scenario:
            return Run.load(path)
    return None


def make_card(page: Page, run: Run) -> Card:
    """Fill a page from a run. GalleryError where the run is of something else."""
    figures = Figures(as_it_came(run))
    try:
        pictures = draw(figures.run, page.picture, page.items_per_month)
        shown = figures.holds(page.shown)
        verdict, *sentences = [figures.text(text) for text in (page.verdict, *page.sentences)]
    except GalleryError as error:
        raise GalleryError(f"page {page.name}, run {run.folder.name}: {error}") from error
    if pictures is None:
        raise GalleryError(f"page {page.name}: run {run.folder.name} has no rows for its picture")
    report = f"{run.folder.name}/report.html"
    return Card(page, verdict, tuple(sentences), pictures, _caption(run), shown, report)


def write_pages(cards: Sequence[Card], folder: Path) -> list[Path]:
    """A page in Markdown and its pictures for each card, and their table of contents; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for card in cards:
        text = _templates().get_template("page.md.j2").render(
            page=card.page, caption=card.caption, sentences=card.sentences, scaled=_scaled(card.page),
            by_hand=_by_hand(card.page),
        )  # fmt: skip
        texts = {f"{card.page.name}.md": text}
        texts |= {f"{card.page.name}{ENDINGS[theme]}": picture for theme, picture in card.pictures.items()}
        for name, content in texts.items():
            written.append(folder / name)
            written[-1].write_text(content + "\n", encoding="utf-8")
    written.append(folder / CONTENTS)
    contents = _templates().get_template("contents.md.j2").render(cards=cards)
    written[-1].write_text(contents.rstrip() + "\n", encoding="utf-8")
    return written


def write_index(cards: Sequence[Card], folder: Path) -> Path:
    """One HTML page that needs nothing but itself, with all that the pages say; its links lead to the runs' reports."""
    text = _templates(autoescape=True).get_template("index.html.j2").render(
        cards=cards, version=__version__, scaled={card.page.name: _scaled(card.page) for card in cards},
        by_hand={card.page.name: _by_hand(card.page) for card in cards},
    )  # fmt: skip
    path = folder / INDEX
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _by_hand(page: Page) -> str:
    """The command that runs its scenario, for as many blocks."""
    usual = load(find(page.scenario)).blocks == page.blocks
    return f"harness run {page.scenario}" + ("" if usual else f" --repeat {page.blocks}")


def _scaled(page: Page) -> str:
    """What the scenario's own first comment says of how it was scaled, as one paragraph."""
    lines = find(page.scenario).read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#").strip() for line in lines[: _first_key(lines)]]
    return " ".join(comment)


def _first_key(lines: Sequence[str]) -> int:
    return next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _caption(run: Run) -> str:
    """Where a picture is from, and how quiet it was."""
    machine = run.manifest.get("machine") or {}
    started = str(run.manifest.get("started_utc") or "")[:10]
    told = f"A run of {started}, {machine.get('cores', '?')} cores ({machine.get('cpu_model', 'unknown')})"
    spoilt, cells = disturbed(run)
    if spoilt:
        told += (
            f"; {spoilt} of {cells} cells were disturbed by other programs, so times are longer than need be"
        )
    return f"{told}."


def _templates(*, autoescape: bool = False) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("harness.gallery", "."),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,  # noqa: S701  (the others make Markdown)
        trim_blocks=True,
    )
    made.filters["code"] = _code
    return made


def _code(text: str) -> Markup:
    """Texts of pages are Markdown, of which they have code alone."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704
