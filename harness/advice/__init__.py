"""Which placement, at what size, why, how sure, and where the answer flips: the question that the project answers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from harness.advice.cautions import Caution, cautions, failed_share, hourly_batch, measurements
from harness.advice.exclusions import Exclusion, exclusions
from harness.advice.flips import Flip, Hold, flips
from harness.advice.question import Question
from harness.advice.ranking import Confidence, Field, Ranked, confidence, ranking
from harness.advice.standing import Standing, verdicts
from harness.analysis import units
from harness.analysis.cells import validity
from harness.cost.notices import price_notices
from harness.objectives import objectives_of
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
    """The answer. `ranked` are the placements that nothing rules out and that stand best to the objectives, cheapest
    first: the first of them is the best. `standing` is theirs: "met" is shown, "undecided" may be, "none" without an
    objective. `undecided` are those that may meet the objectives too, where the ranked ones are shown to.

    `premium_usd` is what choosing the second costs more a month. Prices are US dollars a month. `unusable` says why no
    cell of the run is valid; `failed_share` is that of the best one's items.
    """

    run: str
    items_per_month: float
    load: str
    shape: str
    free_tier: bool
    speed_factor: float
    region: str
    prices_of: str
    prices_own: tuple[str, ...]
    objectives: tuple[str, ...]
    standing: Standing
    ranked: tuple[Ranked, ...]
    undecided: tuple[Ranked, ...]
    failed_share: float
    premium_usd: float | None
    confidence: Confidence
    exclusions: tuple[Exclusion, ...]
    unusable: tuple[str, ...]
    cautions: tuple[Caution, ...]
    flips: tuple[Flip, ...]
    holds: tuple[Hold, ...]
    alternatives: tuple[Alternative, ...]
    measurements: tuple[str, ...]

    @property
    def best(self) -> Ranked | None:
        """The cheapest of those that stand best."""
        return self.ranked[0] if self.ranked else None

    @property
    def second(self) -> Ranked | None:
        """The next one."""
        return self.ranked[1] if len(self.ranked) > 1 else None


def advise(run: Run, question: Question | None = None, today: date | None = None) -> Advice:
    """The advice that a run supports; prices are old or not as of `today`.

    PriceError where its region has no prices.
    """
    asked = question or Question()
    model = asked.model(run)
    items, why = asked.load(run)
    table = verdicts(model)
    against = exclusions(model, table)
    field = Field.of(model, table, {each.arm for each in against})
    ranked, undecided = (ranking(model, table, names, items) for names in (field.ranked, field.undecided))
    best = ranked[0].arm if ranked else ""
    sure = confidence(model, table, ranked, items)
    flipped, held = flips(model, ranked, table, items)
    book = model.terms.book
    return Advice(
        run=str(run.manifest.get("run") or run.folder.name),
        items_per_month=items,
        load=why,
        shape=str(model.terms.shape),
        free_tier=asked.free_tier,
        speed_factor=model.terms.speed_factor,
        region=book.region,
        prices_of=book.date,
        prices_own=book.overridden,
        objectives=tuple(each.expect for each in objectives_of(run.manifest)),
        standing=field.standing,
        ranked=tuple(ranked),
        undecided=tuple(undecided),
        failed_share=failed_share(run, best),
        premium_usd=ranked[1].usd - ranked[0].usd if len(ranked) > 1 else None,
        confidence=sure,
        exclusions=tuple(against),
        unusable=_unusable(run),
        cautions=(
            *cautions(model, [*ranked, *undecided], items),
            *(Caution("", text) for text in price_notices(book, today or datetime.now(UTC).date())),
        ),
        flips=tuple(flipped),
        holds=tuple(held),
        alternatives=tuple(
            Alternative(arm, usd, WAIT.format(arm=arm, usd=units.money(usd)))
            for arm, usd in hourly_batch(model, {each.arm for each in against}, items)
            if ranked and usd < ranked[0].usd
        ),
        measurements=tuple(measurements(model, table, ranked, sure, flipped)),
    )  # fmt: skip


def as_json(advice: Advice) -> dict[str, Any]:
    """Plain values, with best and second by name; what is unknown is null."""
    told = asdict(advice)
    told["best"] = advice.best.arm if advice.best else None
    told["second"] = advice.second.arm if advice.second else None
    plain: dict[str, Any] = json.loads(json.dumps(told), parse_constant=lambda _: None)
    return plain


def _unusable(run: Run) -> tuple[str, ...]:
    """Why there is nothing to advise on; empty where some cell is valid."""
    checked = validity(run)
    if checked["valid"].any():
        return ()
    if checked.empty:
        return ("it has no attempt outside warm-up",)
    counts = checked.groupby("reason").size().sort_values(ascending=False)
    return tuple(f"{reason} ({count} of {len(checked)} cells)" for reason, count in counts.items())
