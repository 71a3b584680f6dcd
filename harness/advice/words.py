"""The advice in words, for a reader who is new to the cloud."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from harness.advice import Advice
from harness.advice.ranking import Ranked
from harness.analysis import units

KINDS = {
    "function": "AWS starts it when an item comes and bills the milliseconds that it runs; in between nothing runs.",
    "batch": "Items are collected into jobs, each a container that starts, works through them and ends.",
    "service": "Containers are kept running behind one address and paid for around the clock, busy or not.",
}


def paragraphs(advice: Advice) -> list[tuple[str, list[str]]]:
    """(heading, lines), in the order in which to read them; headings without lines are left out."""
    found = [
        ("Advice", list(_answer(advice))),
        ("Second best", list(_second(advice))),
        ("How sure", list(_sure(advice))),
        ("Ruled out", list(_excluded(advice))),
        (
            "Where the answer flips",
            [f"{flip.over}: {flip.text}" for flip in advice.flips] or list(_never(advice)),
        ),
        (
            "Other ways",
            [f"{each.text}; this was not measured" for each in advice.alternatives],
        ),
        ("Good to know", [f"{each.arm}: {each.text}" if each.arm else each.text for each in advice.cautions]),
        ("What would settle more", list(advice.measurements)),
        ("Prices", [_terms(advice)]),
    ]
    return [(heading, lines) for heading, lines in found if lines]


def _answer(advice: Advice) -> Iterator[str]:
    best = advice.best
    if best is None:
        yield "None of the placements of this run can be advised: each is ruled out."
        return
    need = (
        f"meets {', '.join(advice.objectives)} at the least cost" if advice.objectives else "costs the least"
    )
    yield f"Use {best.arm}, {_article(best.told)}: of what was measured it {need}. {KINDS[best.placement]}"
    yield f"{advice.items_per_month:,.0f} items a month ({advice.load}) cost {_usd(best)}."
    yield (
        f"Of that, {units.money(best.own_usd)} is for the placement itself, "
        f"{units.money(best.own_usd / advice.items_per_month * 1e6)} per million items, and "
        f"{units.money(best.common_usd)} for reading and storing items, results and rows and the image, which any "
        "placement costs."
        if best.common_usd
        else ""
    )


def _second(advice: Advice) -> Iterator[str]:
    if advice.second is None or advice.premium_usd is None or advice.best is None:
        return
    second = advice.second
    more = units.percent(advice.premium_usd / advice.best.usd)
    yield (
        f"{second.arm}, {_article(second.told)}, for {_usd(second)}: {units.money(advice.premium_usd)} ({more}) a "
        f"month more. {KINDS[second.placement]}"
    )
    for other in advice.ranked[2:]:
        yield f"Then {other.arm}, {_article(other.told)}, for {_usd(other)}."


def _sure(advice: Advice) -> Iterator[str]:
    found = advice.confidence
    if advice.second is None or advice.best is None:
        return
    if math.isnan(found.share):
        yield f"Unknown: {found.blocks} valid block of measurements, and it takes several to tell luck from fact."
        return
    agree = round(found.share * found.draws)
    yield (
        f"{advice.best.arm} is the cheapest in {agree} of {found.draws} trials in which the {found.blocks} blocks "
        "(repeats) of this run were drawn anew. That covers the luck of this machine, not the difference between "
        "it and AWS."
    )


def _excluded(advice: Advice) -> Iterator[str]:
    for arm, found in groupby(advice.exclusions, key=lambda each: each.arm):
        yield f"{arm}: " + "; ".join(f"{each.reason} ({each.evidence})" for each in found)


def _never(advice: Advice) -> Iterator[str]:
    if advice.second is not None:
        yield "Nowhere from 1 to 10 billion items a month, nor for items a thousand times as short or long."


def _terms(advice: Advice) -> str:
    free = "with" if advice.free_tier else "without"
    return (
        f"Published prices of {advice.region}, {advice.prices_of}, {free} the free tier; speed factor "
        f"{advice.speed_factor:g}. Left out: data transfer to the internet, your own log lines, taxes, discounts; "
        "docs/cost.md has the formulas."
    )


def _usd(ranked: Ranked) -> str:
    texts = [units.money(value) for value in (ranked.usd, ranked.low, ranked.high)]
    return (
        texts[0]
        if math.isnan(ranked.low) or len(set(texts)) == 1
        else f"{texts[0]} ({texts[1]} to {texts[2]})"
    )


def _article(told: str) -> str:
    return told if told.startswith(("Batch", "tasks")) else f"a {told}"
