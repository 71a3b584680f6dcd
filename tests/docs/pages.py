"""The pages of the docs, taken apart: code blocks, commands in them, code within lines, links."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = {"sh", "bash", "console", "shell"}
# A block without a language holds commands if it begins with one of these.
PROGRAMS = {"harness", ".venv/bin/harness", ".venv/bin/python", "make", "aws", "pip", "docker", "git", "curl"}


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code; `language` is empty for an indented one."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a block, without prompt and comment."""

    block: Block
    text: str

    def __str__(self) -> str:
        return self.text


@cache
def tokens(page: Path) -> list[Token]:
    """What the page consists of, headings with their anchors, as GitHub and Sphinx make them."""
    return MarkdownIt().enable("table").use(anchors_plugin, max_level=4).parse(page.read_text())


def blocks(page: Path) -> list[Block]:
    """Its blocks of code, in order."""
    return [
        Block(page, token.map[0] + 1, token.info.split(" ")[0], token.content)
        for token in tokens(page)
        if token.type in {"fence", "code_block"} and token.map
    ]


def commands(page: Path) -> Iterator[Command]:
    """Its commands, in order; lines that end in a backslash go on in the next."""
    for block in blocks(page):
        lines = block.text.replace("\\\n", " ").splitlines()
        first = (lines or [""])[0].split(" ")[0]
        if block.language in SHELL or (not block.language and first in PROGRAMS):
            for line in lines:
                if text := re.sub(r"(^|\s+)#.*", "", line.removeprefix("$ ")).strip():
                    yield Command(block, text)


def inline(page: Path, kind: str) -> list[Token]:
    """What is within lines: `code_inline` or `link_open`."""
    return [each for token in tokens(page) for each in token.children or [] if each.type == kind]


def anchors(page: Path) -> set[str]:
    """What a link to the page may have behind `#`."""
    return {str(token.attrs["id"]) for token in tokens(page) if token.type == "heading_open"}


def build_site(folder: Path) -> Path:
    """As `make docs` does, without a warning; where the pages are."""
    recipe = re.search(
        r"^docs:.*\n(?:\t.*\n)*?\t@\$\(BIN\)/python (-m sphinx .*)$",
        (ROOT / "Makefile").read_text(),
        re.MULTILINE,
    )
    assert recipe is not None
    replaced = recipe[1].replace(".cache/doctrees", str(folder / "trees"))
    replaced = replaced.replace(".cache/site", str(folder / "html"))
    done = subprocess.run(
        [sys.executable, *replaced.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"
