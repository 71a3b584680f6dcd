"""Everything that reports are made of, computed once, and what a reader must know before any figure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property

import pandas as pd

from harness import analysis
from harness.advice import Advice, advise
from harness.analysis.instances import assumed
from harness.analysis.pulls import pulls
from harness.cost.bill import bill
from harness.cost.book import PriceBook
from harness.cost.breakeven import break_even
from harness.cost.model import CostModel, cost_model
from harness.cost.month import load_of, month
from harness.cost.notices import price_notices
from harness.cost.per_million import cost_per_million
from harness.judgement import judge
from harness.runs import Run
from harness.tuning.picture import Picture, picture_of
from harness.tuning.sentences import sentences as tuning_sentences


@dataclass
class Contents:
    """Everything computed once from a run, for whichever reports are made of it."""

    run: Run
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    summary: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        self.summary = analysis.summarise(self.run)

    @cached_property
    def sentences(self) -> list[str]:
        """The result in words, the verdict first; of a sweep, which size to choose."""
        return tuning_sentences(self.picture) if self.picture else analysis.sentences(self.run)

    @cached_property
    def advice(self) -> Advice:
        """Which placement, why, how sure, and where the answer flips."""
        return advise(self.run, today=self.today)

    @cached_property
    def ruled_out(self) -> dict[str, str]:
        """Arms that cannot be advised, and the first reason."""
        return {each.arm: each.reason for each in reversed(self.advice.exclusions)}

    @cached_property
    def picture(self) -> Picture | None:
        """Cost and time over size, where the run is a sweep of sizes."""
        return picture_of(self.run)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Arms against the reference."""
        return analysis.compare(self.run)

    @cached_property
    def book(self) -> PriceBook:
        """The prices of the run's region, with those that its scenario sets."""
        return self.model.terms.book

    @cached_property
    def model(self) -> CostModel:
        """What the placements of the run cost, on the scenario's terms."""
        return cost_model(self.run)

    @cached_property
    def cost(self) -> pd.DataFrame:
        """Cost per million items."""
        return cost_per_million(self.model)

    @cached_property
    def bill(self) -> pd.DataFrame:
        """What AWS would bill for the run."""
        return bill(self.run, self.model.terms)

    @cached_property
    def month(self) -> pd.DataFrame:
        """A month at stated loads, first without and then with the free tier."""
        return pd.concat([month(self.model), month(self.model.on(free_tier=True))], ignore_index=True)

    @cached_property
    def break_even(self) -> pd.DataFrame:
        """Where the cheaper of two placements changes."""
        return break_even(self.model, load_of(self.run)[0])

    @cached_property
    def objectives(self) -> pd.DataFrame:
        """The scenario's objectives, judged."""
        return judge(self.run)

    @cached_property
    def cold_and_warm(self) -> pd.DataFrame:
        """Latency of the two populations."""
        return analysis.cold_and_warm(self.run)

    @cached_property
    def assumed(self) -> pd.DataFrame:
        """What assumed launch delays are of each arm's latency."""
        return assumed(self.run)

    @cached_property
    def pulls(self) -> pd.DataFrame:
        """Pulls of the image, by arm."""
        return pulls(self.run)

    def banners(self) -> list[str]:
        """What a reader must know before any figure."""
        told = []
        state = self.run.manifest.get("state")
        if state != "complete":
            told.append(
                f"This run is {state}: it holds {len(self.run.attempts):,} attempts, fewer than were planned."
            )
        engine = self.run.manifest.get("engine") or {}
        if engine.get("name") == "process":
            told.append(
                "Containers were not used: plain processes of this machine stood in for them, without CPU limits. "
                "To get real containers run scripts/docker.sh as root on Debian or Ubuntu, or install Docker."
            )
        kinds = {about["placement"] for about in (self.run.manifest.get("arms") or {}).values()}
        if "service" in kinds and "load_balancer" in engine and engine["load_balancer"] is None:
            told.append(
                "No load balancer stood before services: the harness spread their requests itself, over tasks in turn. "
                "To get one, install haproxy (`sudo apt-get install haproxy`)."
            )
        told += [f"This machine is noisy. {noise}" for noise in self.run.manifest.get("noise") or []]
        told += self.run.manifest.get("beyond_machine") or []
        if names := sorted(set(self.assumed["arm"])):
            told.append(
                f"{', '.join(names)}: latencies include launch delays of instances that are assumed, not measured; the "
                "table of launch delays has them apart."
            )
        if cached := int(self.pulls["pulls_cached"].sum()):
            told.append(
                f"{cached} of {self.pulls['pulls'].sum()} image pulls found layers here already, and so moved less "
                "than a cold start does: more containers lived at once than the registry has twins of the image "
                "(`twins` in [registry])."
            )
        told += price_notices(self.book, self.today)
        return told + list(self.run.manifest.get("warnings") or [])
