"""The answer, for the first screen: which placement, how much better, how sure, and at what load it flips."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.advice import Advice
from harness.advice.flips import Flip
from harness.advice.ranking import Ranked
from harness.advice.words import cheapest, need, nothing, paragraphs, undecided
from harness.analysis import units
from harness.analysis.comparison import LATENCY, NO_DIFFERENCE, TOO_FEW, compare
from harness.analysis.records import records
from harness.report.contents import Contents
from harness.statistics import min_count

MEASURED, MODELLED, PRICED = "measured", "modelled", "priced"


@dataclass(frozen=True, slots=True)
class Fact:
    """`label` says what it rests on: measured, modelled or priced."""

    question: str
    figure: str
    lines: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`advised` is the placement's name, empty where none can be; `reasons` are headings with their lines."""

    advised: str
    headline: str
    because: str
    facts: tuple[Fact, ...]
    ruled_out: tuple[str, ...]
    reasons: tuple[tuple[str, list[str]], ...]

    @property
    def verdict(self) -> str:
        """Use function: Lambda function of 885 MB."""
        return f"Use {self.advised}: {self.headline}" if self.advised else capital(self.headline)


def answer(contents: Contents) -> Answer | None:
    """None where there is nothing to advise on: the run priced no placement, or it is a sweep of sizes, which is
    answered by its choices.
    """
    advice = contents.advice
    if contents.picture is not None or not contents.model.options:
        return None
    out = tuple(f"{each.arm}: {each.reason} ({each.evidence})" for each in advice.exclusions)
    reasons = tuple((heading, lines) for heading, lines in paragraphs(advice) if heading not in {"Ruled out"})
    best = advice.best
    if best is None:
        return Answer("", nothing(advice), "", (), out, reasons)
    because = (
        f"{capital(need(advice))}: {units.money(best.usd)} a month for {_items(advice.items_per_month)} items "
        f"({advice.load})."
    )
    facts = (_better(advice), _sure(advice), _flip(advice), _speed(contents, best.arm))
    return Answer(best.arm, best.told, because, facts, out, reasons)


def _better(advice: Advice) -> Fact:
    question, best, open_ = "How much better?", advice.best, tuple(undecided(advice))
    assert best is not None
    if advice.premium_usd is None or advice.second is None:
        nothing_left = ("Nothing else that was measured is left.",)
        return Fact(question, "no other to compare", open_ or nothing_left, PRICED)
    others = [
        f"{each.arm}: {units.money(each.usd)} a month, {_more(each, best)}" for each in advice.ranked[1:4]
    ]
    common = (
        f"{units.money(best.common_usd)} of each is the store, which any placement pays."
        if best.common_usd
        else ""
    )
    figure = f"{units.money(advice.premium_usd)} a month saved"
    return Fact(question, figure, tuple(filter(None, [*others, common, *open_])), PRICED)


def _more(each: Ranked, best: Ranked) -> str:
    """What is the same everywhere, the store, hides how far apart the placements themselves are."""
    whole = _times(each.usd, best.usd)
    if not best.common_usd or best.own_usd <= 0:
        return whole
    return f"{whole} (its own part {_times(each.own_usd, best.own_usd)})"


def _times(usd: float, least: float) -> str:
    return (
        f"{units.digits(usd / least)} times as much"
        if usd >= 2 * least
        else f"{units.percent(usd / least - 1)} more"
    )


def _sure(advice: Advice) -> Fact:
    question, found = "How sure?", advice.confidence
    speed = (
        "Not covered: AWS is taken to be as fast as this machine."
        if advice.speed_factor == 1
        else f"Seconds here are turned into AWS's by speed factor {advice.speed_factor:g}."
    )
    blocks = f"{units.many(found.blocks, 'valid block')} of measurements"
    if advice.second is None:
        return Fact(question, "nothing to confuse it with", (f"{blocks}.", speed), PRICED)
    if math.isnan(found.share):
        return Fact(question, "not known", (f"{blocks}; it takes two to tell luck from fact.", speed), PRICED)
    drawn = (
        f"Each trial drew the {found.blocks} blocks of this run anew and priced a month of them: that covers the luck "
        "of this machine."
    )
    figure = f"{cheapest(advice).removeprefix('the ')} in {round(found.share * found.draws)} of {found.draws} trials"
    return Fact(question, figure, (drawn, speed), PRICED)


def _flip(advice: Advice) -> Fact:
    question = "Where does it flip?"
    if advice.second is None:
        return Fact(question, "at no load", ("There is no other placement left.",), MODELLED)
    loads = [flip for flip in advice.flips if flip.over == "load"]
    others = [f"Also: {flip.text}." for flip in advice.flips if flip.over in {"speed", "free tier"}]
    if not loads:
        nowhere = "The same placement is cheapest from 1 to 10 billion items a month."
        return Fact(question, "at no load", (nowhere, *others), MODELLED)
    nearest = min(loads, key=lambda flip: abs(math.log(flip.at / advice.items_per_month)))
    spans = [
        f"{_first(flip, advice)}, in 95 % of trials from {_items(flip.low)} to {_items(flip.high)}."
        for flip in loads
        if not math.isnan(flip.low)
    ]
    return Fact(question, f"{_where(nearest, advice)} a month", (*spans, *others), MODELLED)


def _first(flip: Flip, advice: Advice) -> str:
    return _where(flip, advice) if flip.stays == flip.at else f"{flip.to} first at {_items(flip.at)} items"


def _where(flip: Flip, advice: Advice) -> str:
    side = "above" if flip.at >= advice.items_per_month else "below"
    if flip.stays == flip.at:
        return f"{flip.to} {side} {_items(flip.at)} items"
    if math.isnan(flip.stays):
        return f"{flip.to} {side} {_items(flip.at)} items, off and on"
    return f"{flip.to} {side} {_items(flip.stays)} items, off and on {side} {_items(flip.at)},"


def _speed(contents: Contents, best: str) -> Fact:
    """Median latency of the advised arm in each phase, and how the others compare."""
    summary = contents.summary.dropna(subset=["latency_p50_s"])
    compared = compare(contents.run, best)
    compared = compared[compared["metric"] == LATENCY.name]
    ranked = {each.arm for each in contents.advice.ranked} | {each.arm for each in contents.advice.exclusions}
    own = summary[summary["arm"] == best].set_index("phase")["latency_p50_s"]
    lines = [
        f"{phase}: {_others(compared[(compared['phase'] == phase) & compared['arm'].isin(ranked)])}"
        for phase in own.index
    ]
    if own.empty:
        done = contents.summary[contents.summary["arm"] == best]
        counts = ", ".join(f"{units.many(row.ok, 'item')} in {row.phase}" for row in records(done))
        needed = f"A median takes {min_count(0.5)} items; {best} did {counts}."
        return Fact("How fast?", "too few items for a median", (needed,), MEASURED)
    figure = "median " + ", ".join(f"{units.duration(value)} in {phase}" for phase, value in own.items())
    return Fact("How fast?", figure, tuple(lines), MEASURED)


def _others(compared: pd.DataFrame) -> str:
    return (
        "; ".join(_ratio(row) for row in records(compared.dropna(subset=["ratio"]))) or "no other to compare"
    )


def _ratio(row: Any) -> str:
    arm, verdict, ratio = row.arm, row.verdict, units.ratio(row.ratio)
    if verdict == NO_DIFFERENCE:
        return f"{arm} no different"
    faster = row.ratio < 1
    text = (
        f"{arm} {units.ratio(1 / row.ratio)} times as fast"
        if faster
        else f"{arm} takes {ratio} times as long"
    )
    return text + (", no claim yet" if verdict == TOO_FEW else "")


def _items(items: float) -> str:
    """26.3 million."""
    return units.count(items, 3)


def capital(text: str) -> str:
    """The same with a capital letter at its beginning."""
    return text[0].upper() + text[1:]


def told(found: Answer) -> Iterator[str]:
    """The answer in lines, for the Markdown report."""
    yield f"**{found.verdict}.** {found.because}".rstrip()
    for fact in found.facts:
        yield f"- **{fact.question}** {fact.figure} ({fact.label}). {' '.join(_sentence(line) for line in fact.lines)}"
    for each in found.ruled_out:
        yield f"- **Ruled out:** {each}."


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
