"""The gallery: each line of "Batch vs Lambda" as a scenario, with a picture of a run of it and five sentences.

Pages are data, in pages.toml. Their sentences are filled with the figures of the run whose picture stands beside them,
so that the two cannot part.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["NODE", "Page", "pages"]

FOLDER = Path(__file__).parent
# The image of another language: what it is built of.
NODE = FOLDER / "node"


class Page(BaseModel):
    """One line of the comparison. Texts are Jinja templates over the figures of a run (`figures.Figures`).

    `blocks` of the scenario are run, and with `image` that of another language is made before. `picture` is one of
    `pictures.PICTURES`, and `alt` tells what is in it. `shown` is what a run has to show for the page to be true,
    `verdict` says it in one sentence. `items_per_month` is the load that the picture is about. `aws` is what AWS's own
    pages say, with their names and when they were read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    scenario: str
    blocks: int = 1
    image: bool = False
    picture: str
    alt: str
    items_per_month: float | None = None
    shown: str
    verdict: str
    sentences: tuple[str, ...] = Field(min_length=5, max_length=5)
    aws: str


def pages() -> dict[str, Page]:
    """Every page by its name, in the order of the comparison."""
    data = tomllib.loads((FOLDER / "pages.toml").read_text(encoding="utf-8"))
    return {name: Page(name=name, **about) for name, about in data.items()}
