"""Write docs/commands.md, docs/rows.md and docs/scenarios.md: `python -m scripts.reference`."""

from __future__ import annotations

from pathlib import Path

from scripts.reference.commands import commands_page
from scripts.reference.rows import rows_page
from scripts.reference.scenarios import scenarios_page

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"commands.md": commands_page, "rows.md": rows_page, "scenarios.md": scenarios_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
