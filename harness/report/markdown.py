"""The Markdown report, for pull requests and for reading without a browser."""

from __future__ import annotations

from harness.report.contents import Contents
from harness.report.method import method_tables
from harness.report.results import first_tables, result_tables
from harness.report.table import Table


def markdown(contents: Contents) -> str:
    """The whole document."""
    manifest = contents.run.manifest
    title = (manifest.get("scenario") or {}).get("title") or contents.run.folder.name
    told = [
        f"# {title}",
        f"Run `{manifest.get('run', contents.run.folder.name)}`, {len(contents.run.attempts):,} attempts.",
    ]
    told += [f"> **Note:** {banner}" for banner in contents.banners()]
    told += contents.sentences
    told += [table_text(table) for table in [*first_tables(contents), *result_tables(contents)] if table.rows]
    told += ["## How it was measured", *(f"- {each}" for each in manifest.get("differences") or [])]
    told += [table_text(table) for table in method_tables(contents) if table.rows]
    return "\n\n".join(told) + "\n"


def table_text(table: Table) -> str:
    """A caption, the table and its note."""
    left = len(table.headings) - table.numeric
    rule = ["---" if index < left else "---:" for index in range(len(table.headings))]
    lines = [_line(row) for row in (table.headings, rule, *table.rows)]
    return "\n".join([f"### {table.caption}", "", *lines, *(["", table.note] if table.note else [])])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
