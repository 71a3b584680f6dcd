"""How the pages become a site: `make docs`. Nothing is fetched, neither when it is built nor when it is read.

Sphinx with MyST, since both are maintained and a broken link ends the build. Looked at on 2026-11-24: MkDocs 1 had its
last release in August 2024, its version 2 breaks with plugins and themes, Material for MkDocs calls itself inactive,
and its successor Zensical is at 0.1.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "placement-harness"
html_title = "placement-harness"
html_show_copyright = False
html_show_sphinx = False
html_show_sourcelink = False
html_copy_source = False

extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_inline"]
# Anchors of headings as GitHub makes them, so that links hold in both places.
myst_heading_anchors = 4

# Quotes and dashes stay as they are typed: many belong to commands.
smartquotes = False

html_theme = "furo"
# So that the table of a run fits into the column of text, beside which Furo has room for 90 letters of its usual size.
SMALLER = {"code-font-size": "0.75rem"}
html_theme_options = {"navigation_with_keys": True, "light_css_variables": SMALLER}
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Indented blocks are commands for the most part.
highlight_language = "console"

# The order of the pages. Any other comes after them, and at the end folders that have an index or a README.
PAGES = [
    "start", "concepts", "scenarios", "commands", "rows", "adding-a-workload", "aws", "services", "registry",
    "tune", "comparing", "method", "measurement", "cost", "prices", "troubleshooting",
]  # fmt: skip
CONTENTS = "\n```{{toctree}}\n:hidden:\n\n{}\n```\n"


def _add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Let pages be plain Markdown: what Sphinx wants of them is added here."""
    if Path(name).name not in ("index", "README"):
        return
    folder = Path(app.srcdir, name).parent
    pages = [page.stem for page in folder.glob("*.md") if page.stem != Path(name).name]
    ordered = sorted(pages, key=lambda page: (PAGES.index(page) if page in PAGES else len(PAGES), page))
    below = [page.relative_to(folder).with_suffix("") for page in folder.glob("*/*.md")]
    ordered += sorted(page.as_posix() for page in below if page.name in ("index", "README"))
    source[0] += CONTENTS.format("\n".join(ordered))


def _add_dark(app: Sphinx, name: str, source: list[str]) -> None:
    """A picture that has a dark one beside it, such as those of the gallery, is there twice; Furo shows one of them."""

    def both(found: re.Match[str]) -> str:
        alt, path = found.groups()
        dark = f"{path}-dark.svg"
        if not Path(app.srcdir, name).parent.joinpath(dark).is_file():
            return found[0]
        return f"{found[0]}{{.only-light}}\n![{alt}]({dark}){{.only-dark}}"

    source[0] = re.sub(r"!\[([^]]*)\]\(([\w/-]+)\.svg\)", both, source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_contents)
    app.connect("source-read", _add_dark)
