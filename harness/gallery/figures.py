"""The figures of one run that a page's sentences are filled with.

A page shows what happens and compares nothing to a percent, so a cell that other programs disturbed counts here, and
the page says so. A cell in which the harness itself was late does not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jinja2
import pandas as pd

from harness.advice import advise
from harness.analysis import units
from harness.analysis.cells import items, valid_items, validity
from harness.analysis.containers import lives
from harness.analysis.instances import instances
from harness.cost.bill import bill
from harness.cost.curve import Curve, total
from harness.cost.measured import task_lives
from harness.cost.model import cost_model
from harness.rows import NO_BLOCK, Outcome
from harness.runs import Run

TEXTS: dict[str, Callable[[Any], str]] = {
    "duration": units.duration,
    "size": units.size,
    "money": units.money,
    "ratio": units.ratio,
    "percent": units.percent,
    "count": "{:,.0f}".format,
}


class GalleryError(ValueError):
    """A page cannot be made of a run; the text says which and why."""


def as_it_came(run: Run) -> Run:
    """The run without what it noted of other programs, which leaves cells out of ordinary reports."""
    noted = (run.events["kind"] == "phase_ended").to_numpy()
    detail = run.events["detail"].astype(str).mask(noted, "")
    return replace(run, events=run.events.assign(detail=detail))


def disturbed(run: Run) -> tuple[int, int]:
    """How many cells other programs spoilt or the harness was late in, of how many."""
    checked = validity(run)
    return int((~checked["valid"]).sum()), len(checked)


@dataclass(frozen=True, eq=False)
class Figures:
    """Of a run as it came. Arms are named; a figure that is not there is NaN, and is printed as a dash."""

    run: Run

    @cached_property
    def _tries(self) -> pd.DataFrame:
        rows = self.run.attempts[self.run.attempts["block"] > NO_BLOCK]
        return rows.astype({"arm": str, "outcome": str})

    @cached_property
    def _items(self) -> pd.DataFrame:
        return items(self.run).astype({"arm": str})

    @cached_property
    def _good(self) -> pd.DataFrame:
        found = valid_items(self.run).astype({"arm": str})
        return found[found["ok"]]

    def planned(self, arm: str) -> int:
        """Items that it was given."""
        return int((self._items["arm"] == arm).sum())

    def ok(self, arm: str) -> int:
        """Items of these that were done in the end."""
        return int(self._items.loc[self._items["arm"] == arm, "ok"].sum())

    def tries(self, arm: str, outcome: str = "") -> int:
        """Attempts, or those that ended in this way."""
        own = self._tries[self._tries["arm"] == arm]
        return int((own["outcome"] == Outcome(outcome)).sum()) if outcome else len(own)

    def longest(self, arm: str) -> float:
        """Seconds that the workload had with an item, at the most."""
        return float(self._tries.loc[self._tries["arm"] == arm, "handler_s"].max())

    def peak(self, arm: str) -> float:
        """The highest memory of a container, in bytes."""
        return float(self._tries.loc[self._tries["arm"] == arm, "memory_peak_bytes"].max())

    def p50(self, arm: str) -> float:
        """Median latency of the items that were done, in seconds."""
        return float(self._good.loc[self._good["arm"] == arm, "latency_s"].median())

    def last(self, arm: str) -> float:
        """Seconds from the first item due until the last was done, at the median of the blocks."""
        own = self._good[self._good["arm"] == arm]
        spans = own.groupby("block").agg(due=("due_ns", "min"), done=("done_ns", "max"))
        return float(((spans["done"] - spans["due"]) / 1e9).median())

    def cold(self, arm: str) -> int:
        """Items that met a cold start."""
        return int(self._good.loc[self._good["arm"] == arm, "cold"].sum())

    def cold_start(self, arm: str) -> float:
        """Seconds of making, starting and initialising a container, at the mean of cold items."""
        own = self._good[(self._good["arm"] == arm) & self._good["cold"]]
        return float(own[["create_s", "start_s", "init_s"]].sum(axis=1).mean())

    def waited(self, arm: str) -> float:
        """Seconds that items queued, a launch included, at the mean."""
        return float(self._good.loc[self._good["arm"] == arm, "queue_s"].mean())

    def work(self, arm: str) -> float:
        """Seconds of the work itself, at the mean."""
        return float(self._good.loc[self._good["arm"] == arm, "work_s"].mean())

    def containers(self, arm: str) -> int:
        """Containers that ran in it, all blocks together."""
        return int((task_lives(self.run)["arm"] == arm).sum())

    def instances(self, arm: str) -> int:
        """Instances that were launched for it."""
        return int((instances(self.run)["arm"] == arm).sum())

    def events(self, arm: str, kind: str) -> int:
        """Events of a kind."""
        found = self.run.events[self.run.events["block"] > NO_BLOCK]
        return int(((found["arm"] == arm) & (found["kind"] == kind)).sum())

    def month(self, arm: str, items_per_month: float) -> float:
        """US dollars of the placement itself for a month of so many items."""
        found = own_curves(self.run).get(arm)
        return float(found(items_per_month)) if found else float("nan")

    def billed(self, arm: str) -> float:
        """US dollars that AWS would bill for one block of the run itself, the store included."""
        found = bill(self.run, cost_model(self.run).terms)
        blocks = max(1, self._tries["block"].nunique())
        return float(found.loc[found["arm"] == arm, "usd"].sum(min_count=1)) / blocks

    def ruled_out(self, arm: str) -> bool:
        """Whether `harness advise` would rule it out, as the report of the run says in its first lines."""
        return any(found.arm == arm for found in advise(self.run).exclusions)

    def text(self, template: str) -> str:
        """A template filled with these figures; GalleryError where it asks for something else."""
        try:
            return _environment().from_string(template).render(self._names())
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
            raise GalleryError(f"{template!r}: {error}") from error

    def holds(self, expression: str) -> bool:
        """Whether a condition on these figures is true; GalleryError as above."""
        try:
            return bool(_environment().compile_expression(expression)(**self._names()))
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
            raise GalleryError(f"{expression!r}: {error}") from error

    def _names(self) -> dict[str, Any]:
        names = (
            "planned", "ok", "tries", "longest", "peak", "p50", "last", "cold", "cold_start", "waited", "work",
            "containers", "instances", "events", "month", "billed", "ruled_out",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def own_curves(run: Run) -> dict[str, Curve]:
    """US dollars a month over items a month of each arm that has a price, without what costs the same in all of them:
    the store, the rows, the image.
    """
    model = cost_model(run)
    return {
        option.name: total(
            [each.over_items(model.terms) for each in model.demands(option) if not each.common]
        )
        for option in model.options
    }


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701  (made into Markdown)
    made.filters |= TEXTS
    return made


def steps(run: Run) -> pd.DataFrame:
    """`lives` of the first block's jobs with `step`, the name that each was submitted under."""
    found = lives(run.events[run.events["block"] == 0])
    placed = run.events[run.events["kind"] == "job_placed"]
    names = {
        str(container): json.loads(detail).get("name", "job")
        for container, detail in zip(placed["container"], placed["detail"].astype(str), strict=True)
    }
    return found.assign(step=found["container"].map(names)).dropna(subset=["step"])
