"""A job of a chain: one sheet of the thumbnails of its share, `python3 -m workloads.thumbnail.contact_sheet`.

It reads the same manifest as the job that made them, and is a child of an array as that was, so child upon child of a
chain can begin while others still resize.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath

from PIL import Image

from workloads.kit.errors import BadSettings, ObjectNotFound
from workloads.kit.job import EXIT_BAD_USAGE, array_place, read_share
from workloads.kit.step import open_interfaces, output_key, settings_from
from workloads.thumbnail.settings import Settings
from workloads.thumbnail.thumbnail import SUFFIX, thumbnail

TILE_PX = 128
GAP_PX = 4


def sheet_key(manifest: str, index: int) -> str:
    """Key of the sheet that child `index` makes for a manifest."""
    return f"sheets/{PurePosixPath(manifest).stem}/{index:05}.jpg"


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Make the sheet. Exit code 0, or 2 when the job was set up wrongly; pictures that failed are left out."""
    try:
        items = read_share(environ)
        settings = Settings.parse(settings_from(environ))
    except BadSettings as error:
        print(f"contact_sheet job: {error}", file=sys.stderr)
        return EXIT_BAD_USAGE
    store = open_interfaces(environ).store_out
    name = f"{max(settings.sizes)}.{SUFFIX[settings.format]}"
    tiles = []
    for item in items:
        try:
            tiles.append(store.get(output_key(thumbnail, item, name)))
        except ObjectNotFound:
            continue
    key = sheet_key(environ["MANIFEST"], array_place(environ)[0])
    store.put(key, sheet(tiles), "image/jpeg")
    print(json.dumps({"type": "step", "key": key, "pictures": len(tiles)}), flush=True)
    return 0


def sheet(pictures: list[bytes]) -> bytes:
    """A JPEG with all pictures in rows, as nearly square as that goes; an empty one is a single grey tile."""
    columns = max(1, math.ceil(math.sqrt(len(pictures))))
    rows = max(1, math.ceil(len(pictures) / columns))
    step_px = TILE_PX + GAP_PX
    canvas = Image.new("RGB", (columns * step_px + GAP_PX, rows * step_px + GAP_PX), "#dddddd")
    for number, data in enumerate(pictures):
        with Image.open(io.BytesIO(data)) as picture:
            picture.thumbnail((TILE_PX, TILE_PX))
            row, column = divmod(number, columns)
            left = GAP_PX + column * step_px + (TILE_PX - picture.width) // 2
            top = GAP_PX + row * step_px + (TILE_PX - picture.height) // 2
            canvas.paste(picture.convert("RGB"), (left, top))
    out = io.BytesIO()
    canvas.save(out, "JPEG", quality=85)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
