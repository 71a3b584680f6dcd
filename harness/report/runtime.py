"""The Vega runtime that draws the charts of a page, as one script."""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import vl_convert as vlc

CALL = "window.vegaEmbed = vegaEmbed;"


def runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script. It takes two seconds to bundle, so it is kept for the next report
    in the user's cache folder, by version; where nothing can be written it is made anew each time.
    """
    kept = _cache() / f"vega-{version('vl-convert-python')}.js"
    try:
        return kept.read_text(encoding="utf-8")
    except OSError:
        made: str = vlc.javascript_bundle(CALL)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=kept.parent, delete=False) as file:
            file.write(made)
        Path(file.name).replace(kept)
    except OSError:
        pass
    return made


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "placement-harness"
