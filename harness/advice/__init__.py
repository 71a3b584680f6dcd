"""Which placement, at what size, why, how sure, and where the answer flips: the question that the project answers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from harness.advice.cautions import Caution, cautions, hourly_batch, measurements
from harness.advice.exclusions import Exclusion, exclusions
from harness.advice.flips import Flip, flips
from harness.advice.question import Question
from harness.advice.ranking import Confidence, Ranked, cheapest, confidence, ranking
from harness.analysis import units
from harness.runs import Run

WAIT = "if an item may wait an hour, jobs of {arm} that collect items for so long cost {usd} a month"

__all__ = ["Advice", "Question", "advise", "as_json"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """Something that was not measured as such, and would cost less."""

    arm: str
    usd: float
    text: str


@dataclass(frozen=True, slots=True)
class Advice:
    """The answer; `ranked` are the placements that nothing rules out, cheapest first: the first of them is the best.

    `premium_usd` is what choosing the second costs more a month. Prices are US dollars a month.
    """

    run: str
    items_per_month: float
    load: str
    free_tier: bool
    speed_factor: float
    region: str
    prices_of: str
    objectives: tuple[str, ...]
    ranked: tuple[Ranked, ...]
    premium_usd: float | None
    confidence: Confidence
    exclusions: tuple[Exclusion, ...]
    cautions: tuple[Caution, ...]
    flips: tuple[Flip, ...]
    alternatives: tuple[Alternative, ...]
    measurements: tuple[str, ...]

    @property
    def best(self) -> Ranked | None:
        """The cheapest that nothing rules out."""
        return self.ranked[0] if self.ranked else None

    @property
    def second(self) -> Ranked | None:
        """The next one."""
        return self.ranked[1] if len(self.ranked) > 1 else None


def advise(run: Run, question: Question | None = None) -> Advice:
    """The advice that a run supports. PriceError where its region has no prices."""
    asked = question or Question()
    model = asked.model(run)
    items, why = asked.load(run)
    against = exclusions(model)
    names = [each.name for each in model.options if each.name not in {found.arm for found in against}]
    ranked = ranking(model, names, items)
    sure = confidence(model, ranked, items)
    flipped = flips(model, ranked, items)
    if ranked:
        other = model.on(free_tier=not asked.free_tier)
        to = cheapest(other, names, items)
        if to != ranked[0].arm:
            which = "without" if asked.free_tier else "with"
            flipped.append(
                Flip(
                    "free tier",
                    float("nan"),
                    float("nan"),
                    float("nan"),
                    to,
                    f"{which} the free tier {to} is cheaper",
                )
            )
    return Advice(
        run=str(run.manifest.get("run") or run.folder.name),
        items_per_month=items,
        load=why,
        free_tier=asked.free_tier,
        speed_factor=model.terms.speed_factor,
        region=model.terms.book.region,
        prices_of=model.terms.book.date,
        objectives=tuple(each["expect"] for each in (run.manifest.get("scenario") or {}).get("objectives") or []),
        ranked=tuple(ranked),
        premium_usd=ranked[1].usd - ranked[0].usd if len(ranked) > 1 else None,
        confidence=sure,
        exclusions=tuple(against),
        cautions=tuple(cautions(model, ranked, items)),
        flips=tuple(flipped),
        alternatives=tuple(
            Alternative(arm, usd, WAIT.format(arm=arm, usd=units.money(usd)))
            for arm, usd in hourly_batch(model, items)
            if ranked and usd < ranked[0].usd
        ),
        measurements=tuple(measurements(model, ranked, sure, flipped)),
    )  # fmt: skip


def as_json(advice: Advice) -> dict[str, Any]:
    """Plain values, with best and second by name; what is unknown is null."""
    told = asdict(advice)
    told["best"] = advice.best.arm if advice.best else None
    told["second"] = advice.second.arm if advice.second else None
    plain: dict[str, Any] = json.loads(json.dumps(told), parse_constant=lambda _: None)
    return plain
