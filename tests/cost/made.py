"""Arms, figures and demands out of nothing, for tests of prices."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from harness.cost.arms import Arm
from harness.cost.book import PriceBook, load_book
from harness.cost.curve import Curve, total
from harness.cost.demand import Demand
from harness.cost.figures import Figures
from harness.cost.service import Carrying
from harness.cost.terms import Terms

BOOK = load_book()
TERMS = Terms(BOOK)
STEPS = r"(\d+) \(([\d.]+) / ([\d.]+) rounded up to (\d+) at least (\d+)\)"
ALWAYS = Carrying(1.0, 1.0, "made up: an item a second, never idle")


def lacking(book: PriceBook, *keys: str) -> PriceBook:
    """The same book without these prices."""
    return replace(book, prices={key: price for key, price in book.prices.items() if key not in keys})


def an_arm(kind: str, *, vcpu: float = 0.5, memory_mb: float = 1024.0, **settings: Any) -> Arm:
    return Arm(kind, kind, settings, vcpu, memory_mb, 2, "x86")


def figures(**changes: float) -> Figures:
    usual = {
        "invocations": 1.0, "billed_s": 0.1, "item_s": 0.1, "start_s": 0.5, "cpu_s": 0.08, "cold": 0.0, "bytes_out":
        1e4, "instance_s": 0.2, "busy_instance_s": 0.1, "rate_per_s": 8.0,
        "at_once": 1.0,
    }  # fmt: skip
    return Figures(**(usual | changes))


def curve(demands: Iterable[Demand], parts: Collection[str] | None = None, terms: Terms = TERMS) -> Curve:
    """US dollars a month over items, of the named parts."""
    return total([each.over_items(terms) for each in demands if parts is None or each.part in parts])


def usd(demands: Iterable[Demand], items: float, *parts: str, terms: Terms = TERMS) -> float:
    found = float(curve(demands, parts or None, terms)(items))
    assert math.isfinite(found)
    return found


def calculated(text: str) -> float:
    """What a pocket calculator makes of a quantity in words; what the words say of steps has to be true."""
    plain = text.replace(",", "")
    for count, items, each, rounded, least in re.findall(STEPS, plain):
        assert math.ceil(float(items) / float(each)) == int(rounded), text
        assert max(int(rounded), int(least)) == int(count), text
    plain = re.sub(STEPS, r"\1", plain)
    plain = re.sub(r"the greater of (.+?) and (.+?)(?= \+ |$)", r"max(\1, \2)", plain)
    return float(eval(plain.replace("x", "*").replace("ma*", "max")))
