"""Figures under their names, as a person reads them: how the name ends tells the unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.analysis import units

# By how a name ends, the first that fits.
UNITS: dict[str, Callable[[float], str]] = {
    "items_per_s": units.rate,
    "_per_s": units.rate,
    "_s": units.duration,
    "_s_per_item": units.duration,
    "_s_per_attempt": units.duration,
    "_bytes": units.size,
    "_rate": units.percent,
    "_fraction": units.percent,
    "usd_per_million": units.money,
}
# Names that say too little.
TITLES = {
    "load_1m": "load, mean of 1 min", "steal_s": "CPU stolen since the machine started", "os": "system",
    "driver_preferred": "driver had priority",
}  # fmt: skip


def unit(name: str) -> Callable[[float], str]:
    """How a figure of that name is written."""
    return next((text for ending, text in UNITS.items() if name.endswith(ending)), units.digits)


def title(name: str) -> str:
    """harness CPU per attempt: without the unit, which the figure has."""
    known = TITLES.get(name.rpartition(" ")[2])
    plain = known or re.sub(r"_(s|bytes)(?=$|_per_)|_per_s$", "", name)
    return re.sub(r"\bcpu\b", "CPU", plain.replace("_", " "))


def text(name: str, value: Any) -> str:
    """24.0 GiB for memory_bytes, yes for True; a text as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    known = any(name.endswith(ending) for ending in UNITS)
    if isinstance(value, float) or (known and isinstance(value, int)):
        return unit(name)(value)
    return str(value)


def flat(known: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values, those of a mapping within it under both names; what is not known is left out."""
    for name, value in known.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name} ")
        elif value is not None:
            yield f"{prefix}{name}", value
