"""Write docs/scenarios.md and docs/commands.md: `python -m scripts.reference`."""

from __future__ import annotations

from pathlib import Path

from scripts.reference.commands import commands_page
from scripts.reference.scenarios import scenarios_page

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"scenarios.md": scenarios_page, "commands.md": commands_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
