"""The Markdown report, for pull requests and for reading without a browser."""

from __future__ import annotations

from harness.report.answer import Answer, told
from harness.report.contents import Contents
from harness.report.table import Table, Tables


def markdown(contents: Contents, found: Answer | None, tables: Tables) -> str:
    """The whole document."""
    manifest = contents.run.manifest
    title = (manifest.get("scenario") or {}).get("title") or contents.run.folder.name
    lines = [
        f"# {title}",
        f"Run `{manifest.get('run', contents.run.folder.name)}`, {len(contents.run.attempts):,} attempts.",
    ]
    lines += [f"> **Note:** {banner}" for banner in contents.banners()]
    lines += told(found) if found else []
    lines += contents.sentences
    lines += [table_text(table) for table in [*tables.first, *tables.results] if table.rows]
    lines += ["## How it was measured", *(f"- {each}" for each in manifest.get("differences") or [])]
    lines += [table_text(table) for table in tables.method if table.rows]
    return "\n\n".join(lines) + "\n"


def table_text(table: Table) -> str:
    """A caption, the table and its note."""
    left = len(table.headings) - table.numeric
    rule = ["---" if index < left else "---:" for index in range(len(table.headings))]
    lines = [_line(row) for row in (table.headings, rule, *table.rows)]
    return "\n".join([f"### {table.caption}", "", *lines, *(["", table.note] if table.note else [])])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
