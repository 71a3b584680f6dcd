"""The last job of a chain: a page with every sheet, `python3 -m workloads.thumbnail.index_page`.

`EARLIER_CHILDREN` is how many children the step before had, and so how many sheets there are.
"""

from __future__ import annotations

import html
import json
import os
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath

from workloads.kit.errors import BadSettings
from workloads.kit.job import EXIT_BAD_USAGE, read_share
from workloads.kit.step import open_interfaces
from workloads.thumbnail.contact_sheet import sheet_key


def page_key(manifest: str) -> str:
    """Key of the page for a manifest."""
    return f"index/{PurePosixPath(manifest).stem}.html"


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Write the page. Exit code 0, or 2 when the job was set up wrongly."""
    try:
        items = read_share(environ)
        sheets = int(environ.get("EARLIER_CHILDREN") or "1")
    except (BadSettings, ValueError) as error:
        print(f"index_page job: {error}", file=sys.stderr)
        return EXIT_BAD_USAGE
    store, manifest = open_interfaces(environ).store_out, environ["MANIFEST"]
    keys = [sheet_key(manifest, index) for index in range(sheets)]
    for key in keys:  # a page that shows nothing is worse than a job that fails
        store.get(key)
    store.put(page_key(manifest), page(items, keys).encode(), "text/html")
    print(json.dumps({"type": "step", "key": page_key(manifest), "sheets": len(keys)}), flush=True)
    return 0


def page(items: list[str], sheets: list[str]) -> str:
    """HTML with every sheet, and the items that they show."""
    pictures = "\n".join(
        f'<img src="../{html.escape(key)}" alt="contact sheet {n}">' for n, key in enumerate(sheets)
    )
    listed = "\n".join(f"<li>{html.escape(item)}</li>" for item in items)
    return (
        f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{len(items)} pictures</title>\n"
        f"<h1>{len(items)} pictures</h1>\n{pictures}\n<ol>\n{listed}\n</ol>\n"
    )


if __name__ == "__main__":
    sys.exit(main())
