"""What the pages say is so: links lead somewhere, scenarios load, messages are the harness's, references are new."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from PIL import Image

from harness import scenario
from harness.cli import main
from scripts.reference.__main__ import DOCS
from scripts.reference.__main__ import PAGES as MADE
from scripts.reference.commands import walk
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, inline, tokens

FRAME = """
name = "framed"
title = "A part of a scenario, with the rest"
workload = "thumbnail"
seed = 1
blocks = 1
"""
PHASES = """
[[phases]]
name = "steady"
arrivals = { kind = "steady", rate_per_s = 1, duration_s = 1 }
"""
PLACEMENT = """
[placements.function]
memory_mb = 885
"""


@pytest.mark.parametrize("name", MADE)
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == MADE[name](), "make it again with `python -m scripts.reference`"


def test_every_command_is_described_with_an_example() -> None:
    text = (DOCS / "commands.md").read_text()
    for path, command in walk(main, ("harness",)):
        section = text.split(f"\n## {' '.join(path)}\n")[1].split("\n## ")[0]
        assert f"```console\n{' '.join(path)}" in section or isinstance(command, click.Group)
        assert (command.help or "").splitlines()[0] in section


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    hrefs = [str(token.attrs["href"]) for token in inline(page, "link_open")]
    sources = [str(token.attrs["src"]) for token in inline(page, "image")]
    for href in [*hrefs, *sources]:
        if re.match(r"[a-z]+:", href):
            continue
        path, _, anchor = unquote(href).partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page}: {href}"
        assert not anchor or anchor in anchors(target), f"{page}: {href}"


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/index.md"], ids=lambda page: page.name)
def test_what_is_called_a_first_screen_is_no_longer_than_one(page: Path) -> None:
    for token in inline(page, "image"):
        size = Image.open(page.parent / str(token.attrs["src"])).size
        assert "first screen" not in token.content or size[1] <= size[0]


def tomls() -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language == "toml"]


@pytest.mark.parametrize("block", tomls(), ids=str)
def test_scenarios_load(block: Block, tmp_path: Path) -> None:
    """A part of one is completed by the rest."""
    path = tmp_path / "shown.toml"
    text = block.text
    if not re.search(r"^name = ", text, re.MULTILINE):
        rest = PHASES + (PLACEMENT if "[placements." not in text else "")
        text = FRAME + text + rest if text.startswith("[") else FRAME + text + PHASES + PLACEMENT
    path.write_text(text)
    scenario.load(path)


def test_every_kind_of_placement_has_an_example() -> None:
    shown = [block.text for block in tomls() if block.page.name == "scenarios.md"]
    for kind in ("function", "batch", "service"):
        assert any(f'kind = "{kind}"' in text for text in shown)


def literals() -> str:
    """Every text in the code, with `...` where a value goes."""
    found = []
    for file in [*(ROOT / "harness").rglob("*.py"), *(ROOT / "workloads").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [each.value if isinstance(each, ast.Constant) else "..." for each in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(" ".join(text.split()) for text in found)


def test_messages_are_those_of_the_harness() -> None:
    """The first column of the tables of symptoms, what is in backticks."""
    code, said, first = literals(), [], False
    for token in tokens(ROOT / "docs/troubleshooting.md"):
        if token.type == "tr_open":
            first = True
        elif token.type == "inline" and first:
            first = False
            said += [each.content for each in token.children or [] if each.type == "code_inline"]
    assert len(said) > 30
    assert [each for each in said if each.replace("'...'", "...").strip(".: ") not in code] == []
