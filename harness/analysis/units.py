"""Figures as a person reads them: three significant digits and a unit; a dash where there is no figure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

NONE = "-"
KIB = 1024
SCALES = {
    "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "B": 1.0, "KiB": KIB, "MiB": KIB**2, "GiB": KIB**3, "TiB": KIB**4,
    "%": 0.01,
}  # fmt: skip
# A figure, perhaps its interval, and its unit: -1,234.5 ms, 502 (470 to 540) ms, $3.21, < 0.001, 12.
FIGURE = re.compile(
    r"(?:< )?(?P<sign>-?)\$?(?P<digits>[\d,]+(?:\.\d+)?(?:e[-+]?\d+)?)"
    r"(?: \([^)]*\))?(?: (?P<unit>[^\s\d()]+)| |/|$)"
)


def duration(value_s: float | None) -> str:
    """12.3 ms, 1.20 s, 3 min 20 s."""
    if _missing(value_s):
        return NONE
    assert value_s is not None
    size_s = abs(value_s)
    if size_s >= 119.5:
        minutes, seconds = divmod(round(value_s), 60)
        return f"{minutes} min {seconds} s"
    if size_s >= 0.9995:
        return f"{digits(value_s)} s"
    if size_s >= 0.9995e-3:
        return f"{digits(value_s * 1e3)} ms"
    return f"{digits(value_s * 1e6)} µs" if size_s else "0 s"


def size(value_bytes: float | None) -> str:
    """512 B, 45.0 MiB."""
    if _missing(value_bytes):
        return NONE
    assert value_bytes is not None
    value, unit = float(value_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(value) < KIB - 0.5:
            break
        value, unit = value / KIB, larger
    return f"{value:.0f} B" if unit == "B" else f"{digits(value)} {unit}"


def money(value_usd: float | None) -> str:
    """$3.21, $0.0000166: cents from a dollar up, three digits below."""
    if _missing(value_usd):
        return NONE
    assert value_usd is not None
    return f"${value_usd:,.2f}" if abs(value_usd) >= 1 or value_usd == 0 else f"${_decimal(value_usd)}"


def rate(value_per_s: float | None) -> str:
    """9.87/s."""
    return NONE if _missing(value_per_s) else f"{digits(value_per_s)}/s"


def percent(fraction: float | None) -> str:
    """0 %, 0.12 %, 3.4 %, 45 %: two digits."""
    if _missing(fraction):
        return NONE
    assert fraction is not None
    return f"{fraction * 100:.2g} %" if abs(fraction) < 0.995 else f"{fraction * 100:,.0f} %"


def ratio(value: float | None) -> str:
    """1.23, 15.2, 230: three digits."""
    return NONE if _missing(value) else digits(value)


def bounded(text: Callable[[float], str], value: float, low: float, high: float) -> str:
    """587 ms (554 ms to 625 ms); the figure alone where it has no interval."""
    return text(value) if _missing(low) or _missing(high) else f"{text(value)} ({text(low)} to {text(high)})"


def count(number: float | None, figures: int = 4) -> str:
    """135,578, 25.22 million, 4.046 billion: few digits from a million on, for no load is known better than that."""
    if _missing(number):
        return NONE
    assert number is not None
    for scale, name in ((1e9, "billion"), (1e6, "million")):
        if abs(number) >= scale:
            return f"{digits(number / scale, figures)} {name}"
    return f"{number:,.0f}"


def many(count: int, noun: str) -> str:
    """1 block, 12 blocks."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def digits(value: float | None, count: int = 3) -> str:
    """`count` significant digits without an exponent, and all digits before the point."""
    if _missing(value):
        return NONE
    assert value is not None
    rounded = float(f"{value:.{count}g}")
    if rounded == 0:
        return "0"
    places = count - 1 - math.floor(math.log10(abs(rounded)))
    return f"{value:,.{max(0, places)}f}" if abs(value) >= 1e-4 else f"{value:.{count}g}"


def value(text: str) -> float | None:
    """The figure that a text of these begins with, in seconds, bytes, dollars or as a fraction; None without one."""
    found = FIGURE.match(text)
    if found is None:
        return None
    number = float(found["digits"].replace(",", "")) * SCALES.get(found["unit"] or "", 1.0)
    if found["unit"] == "min" and (seconds := re.match(r" (\d+) s", text[found.end() :])):
        number += float(seconds[1])
    return -number if found["sign"] else number


def _decimal(value: float, count: int = 3) -> str:
    return f"{value:.{count - 1 - math.floor(math.log10(abs(value)))}f}"


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
