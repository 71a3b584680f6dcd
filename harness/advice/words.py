"""The advice in words, for a reader who is new to the cloud."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from harness.advice import Advice
from harness.advice.flips import Flip, Hold
from harness.advice.ranking import Ranked
from harness.analysis import units
from harness.cost.tiers import amount

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
        ("Where the answer flips", list(_flips(advice))),
        (
            "Other ways",
            [f"{each.text}; this was not measured" for each in advice.alternatives],
        ),
        ("Good to know", [f"{each.arm}: {each.text}" if each.arm else each.text for each in advice.cautions]),
        ("What would settle more", list(advice.measurements)),
        ("Prices", [_terms(advice)]),
    ]
    return [(heading, lines) for heading, lines in found if lines]


def need(advice: Advice) -> str:
    """What the best one does, and no more than was shown; to be followed by nothing, or by what it costs."""
    expected = f"{', '.join(advice.objectives)}{_at(advice)}"
    told = {
        "none": "of what was measured it costs the least",
        "met": f"of what was measured and is shown to meet {expected} it costs the least",
        "undecided": f"nothing is shown to meet {expected}; of what may meet it, it costs the least",
        "missed": "",
    }[advice.standing]
    return told + (
        f"; {units.percent(advice.failed_share)} of its items failed" if advice.failed_share else ""
    )


def nothing(advice: Advice) -> str:
    """Why nothing is advised."""
    if advice.unusable:
        return f"nothing of this run could be used: {'; '.join(advice.unusable)}"
    return "none of the placements of this run can be advised: each is ruled out"


def _at(advice: Advice) -> str:
    return "" if advice.speed_factor == 1 else f" (times here x {advice.speed_factor:g}, the speed factor)"


def _answer(advice: Advice) -> Iterator[str]:
    best = advice.best
    if best is None:
        text = nothing(advice)
        yield f"{text[0].upper()}{text[1:]}."
        return
    yield f"Use {best.arm}, {_article(best.told)}: {need(advice)}. {KINDS[best.placement]}"
    items = amount(advice.items_per_month, "item")
    yield f"{items} a month ({advice.load}) cost{'s' * (advice.items_per_month == 1)} {_usd(best)}."
    if best.common_usd:
        yield (
            f"Of that, {units.money(best.own_usd)} is for the placement itself, "
            f"{units.money(best.own_usd / advice.items_per_month * 1e6)} per million items, and "
            f"{units.money(best.common_usd)} for reading and storing items, results and rows and the image, which any "
            "placement costs."
        )


def _second(advice: Advice) -> Iterator[str]:
    second, best = advice.second, advice.best
    if best is not None and second is not None and advice.premium_usd is not None:
        more = units.percent(advice.premium_usd / best.usd)
        yield (
            f"{second.arm}, {_article(second.told)}, for {_usd(second)}: {units.money(advice.premium_usd)} ({more}) a "
            f"month more. {KINDS[second.placement]}"
        )
        for other in advice.ranked[2:]:
            yield f"Then {other.arm}, {_article(other.told)}, for {_usd(other)}."
    yield from undecided(advice)


def undecided(advice: Advice) -> Iterator[str]:
    """Those that may do as well, beside a best one that is shown to."""
    for other in advice.undecided:
        seen = "" if math.isnan(other.met_share) else f", though it did in {_trials(advice, other.met_share)}"
        yield (
            f"{other.arm}, {_article(other.told)}, costs {_usd(other)}; it is not shown to meet "
            f"{', '.join(advice.objectives)}{seen}."
        )


def _sure(advice: Advice) -> Iterator[str]:
    found = advice.confidence
    if advice.best is None or advice.second is None:
        return
    if math.isnan(found.share):
        yield f"Unknown: {found.blocks} valid block of measurements, and it takes several to tell luck from fact."
        return
    yield (
        f"{advice.best.arm} is {cheapest(advice)} in {_trials(advice, found.share)} in which the {found.blocks} blocks "
        "(repeats) of this run were drawn anew. That covers the luck of this machine, not the difference between it "
        "and AWS."
    )


def _trials(advice: Advice, share: float) -> str:
    draws = advice.confidence.draws
    return f"{round(share * draws)} of {draws} trials"


def cheapest(advice: Advice) -> str:
    """What is counted over the trials."""
    return f"the cheapest that meets {', '.join(advice.objectives)}" if advice.objectives else "the cheapest"


def _excluded(advice: Advice) -> Iterator[str]:
    for arm, found in groupby(advice.exclusions, key=lambda each: each.arm):
        yield f"{arm}: " + "; ".join(f"{each.reason} ({each.evidence})" for each in found)


def _flips(advice: Advice) -> Iterator[str]:
    found: tuple[Flip | Hold, ...] = (*advice.flips, *advice.holds)
    for each in found:
        yield f"{each.over}: {each.text}"


def _terms(advice: Advice) -> str:
    free = "with" if advice.free_tier else "without"
    whose = "Prices" if advice.prices_own else "Published prices"
    own = f" and of the scenario itself ({', '.join(advice.prices_own)})" if advice.prices_own else ""
    return (
        f"{whose} of {advice.region}, {advice.prices_of}{own}, {free} the free tier; speed factor "
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
