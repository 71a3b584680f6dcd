"""What a report says, as tables of text: Markdown and HTML print the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from harness import analysis
from harness.analysis import units
from harness.analysis.records import records
from harness.cost.book import load_book
from harness.cost.per_million import cost_per_million
from harness.judgement import judge
from harness.runs import Run


@dataclass(frozen=True, slots=True)
class Table:
    """A table for people: `numeric` counts the columns from the right that hold figures."""

    caption: str
    headings: list[str]
    rows: list[list[str]]
    note: str = ""
    numeric: int = 0


@dataclass
class Contents:
    """Everything computed once from a run, for whichever reports are made of it."""

    run: Run
    summary: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        self.summary = analysis.summarise(self.run)

    @cached_property
    def sentences(self) -> list[str]:
        """The result in words, the verdict first."""
        return analysis.sentences(self.run)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """Arms against the reference."""
        return analysis.compare(self.run)

    @cached_property
    def cost(self) -> pd.DataFrame:
        """Cost per million items."""
        return cost_per_million(self.run, load_book())

    @cached_property
    def objectives(self) -> pd.DataFrame:
        """The scenario's objectives, judged."""
        return judge(self.run)

    @cached_property
    def cold_and_warm(self) -> pd.DataFrame:
        """Latency of the two populations."""
        return analysis.cold_and_warm(self.run)

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
        told += [f"This machine is noisy. {noise}" for noise in self.run.manifest.get("noise") or []]
        return told + list(self.run.manifest.get("warnings") or [])

    def result_tables(self) -> list[Table]:
        """The figures."""
        return [
            self._objectives(), self._summary(), self._comparison(), self._cold(), self._cost(), self._parts(),
        ]  # fmt: skip

    def method_tables(self) -> list[Table]:
        """On what, with which limits, and how far to trust it."""
        return [
            self._limits(), self._outcomes(), self._validity(), self._steadiness(), self._spread(),
            self._overhead(), self._own_cost(), self._machine(),
        ]  # fmt: skip

    def _objectives(self) -> Table:
        rows = [
            [row.verdict, row.objective, row.arm, row.phase, figure(row), row.reason]
            for row in records(self.objectives)
        ]
        headings = ["verdict", "objective", "arm", "phase", "found (95 %)", "why"]
        note = "Met or missed only where the whole interval agrees; an objective without data is missed."
        return Table("Objectives", headings, rows, note)

    def _summary(self) -> Table:
        rows = [
            [
                row.arm, row.phase, f"{row.ok} of {row.planned}", str(row.cold),
                _interval(row, "latency_p50_s", units.duration), _or_few(row.latency_p90_s), _or_few(row.latency_p95_s),
                units.rate(row.throughput_items_per_s), units.duration(row.cpu_s_per_item),
                units.size(row.memory_peak_bytes),
            ]
            for row in records(self.summary)
        ]  # fmt: skip
        headings = [
            "arm", "phase", "items ok", "cold", "latency p50 (95 %)", "p90", "p95", "throughput",
            "CPU an item", "memory peak",
        ]  # fmt: skip
        note = "CPU counts everything that the containers used, start-up and idling too, over all phases of an arm."
        return Table("Summary (measured)", headings, rows, note, 8)

    def _comparison(self) -> Table:
        rows = [
            [
                row.phase, METRICS[row.metric], f"{row.arm} / {row.reference}",
                f"{units.ratio(row.ratio)} ({units.ratio(row.ratio_low)} to {units.ratio(row.ratio_high)})",
                f"{row.blocks}", units.percent(row.aa_floor), _p_value(row.mann_whitney_p), row.verdict, row.reason,
            ]
            for row in records(self.comparison)
        ]  # fmt: skip
        headings = [
            "phase",
            "metric",
            "arms",
            "ratio (95 %)",
            "blocks",
            "noise floor",
            "Mann-Whitney p",
            "verdict",
            "why not more",
        ]
        note = (
            "Median of the ratios in each block, with a bootstrap interval. "
            "The noise floor is what two identical arms differed by. Mann-Whitney is a cross-check on the same block "
            "figures; no verdict rests on it."
        )
        return Table("Arms against each other (measured)", headings, rows, note)

    def _cold(self) -> Table:
        parts = ["queue", "create", "start", "init", "fetch", "work", "store", "answer", "other"]
        rows = [
            [
                row.arm, row.phase, "cold" if row.cold else "warm", str(row.items),
                _interval(row, "latency_p50_s", units.duration),
                *(units.duration(getattr(row, f"{part}_mean_s")) for part in parts),
            ]
            for row in records(self.cold_and_warm)
        ]  # fmt: skip
        headings = ["arm", "phase", "start", "items", "latency p50 (95 %)", *parts]
        note = "Parts are means and add up to the mean latency. Queue is waiting, other is transport and lateness."
        return Table("Cold against warm, and where the time goes (measured)", headings, rows, note, 11)

    def _cost(self) -> Table:
        rows = [
            [
                row.arm,
                row.phase,
                row.basis,
                units.money(row.usd_per_million),
                row.formula,
                row.label,
                row.price_date,
            ]
            for row in records(self.cost)
        ]
        headings = ["placement", "phase", "basis", "per million items", "formula", "label", "prices of"]
        note = "Free tiers are left out. Local seconds are priced as if AWS were as fast as this machine."
        return Table("Cost per million items", headings, rows, note)

    def _parts(self) -> Table:
        rows = [
            [
                row.arm,
                row.phase,
                units.duration(row.work_cpu_s_per_item),
                units.size(row.bytes_in),
                units.size(row.bytes_out),
            ]
            for row in records(self.summary)
        ]
        return Table(
            "The work itself (measured)", ["arm", "phase", "CPU of the work", "read", "written"], rows, "", 3
        )

    def _limits(self) -> Table:
        rows = []
        for name, about in (self.run.manifest.get("arms") or {}).items():
            asked, found = about.get("limits") or {}, about.get("limits_in_force") or {}
            rows.append([
                name, str(about.get("parallel", "")),
                f"{asked.get('vcpu', 0):.3f} vCPU ({asked.get('cpu')}), {units.size(asked.get('memory_bytes'))}",
                f"{found['vcpu']:.3f} vCPU, {units.size(found.get('memory_bytes'))}, swap {found.get('swap_bytes')} B"
                if found.get("vcpu") else "none set by the kernel" if not found else "share, not a limit",
            ])  # fmt: skip
        return Table("Limits of each container", ["arm", "containers", "asked for", "read back"], rows)

    def _outcomes(self) -> Table:
        rows = [[str(cell) for cell in row] for row in records(analysis.outcomes(self.run))]
        return Table(
            "Every attempt by how it ended",
            ["arm", "phase", "population", "outcome", "attempts"],
            rows,
            "",
            1,
        )

    def _validity(self) -> Table:
        checked = analysis.validity(self.run)
        bad = checked[~checked["valid"]]
        rows = [[str(row.block), row.arm, row.phase, row.reason] for row in records(bad)]
        note = f"{len(checked) - len(bad)} of {len(checked)} cells (a phase of an arm in a block) are valid."
        return Table("Cells left out", ["block", "arm", "phase", "why"], rows, note)

    def _steadiness(self) -> Table:
        rows = [
            [row.phase, row.arm, row.along, row.verdict, str(row.points), str(row.steady_from + 1)]
            for row in records(analysis.steadiness(self.run))
        ]
        note = (
            "Found by changepoint: along items, how quickly the workload worked on the first, second, ... warm item "
            "of a block; along blocks, the medians in the order in which they ran. Nothing is left out for it."
        )
        return Table(
            "Steadiness", ["phase", "arm", "along", "verdict", "points", "steady from"], rows, note, 2
        )

    def _spread(self) -> Table:
        rows = [
            [
                row.phase, row.arm, units.percent(row.within_cv), units.percent(row.between_cv),
                f"{row.items_per_block:.0f}", f"{row.best_items_per_block:,}", str(row.blocks),
                "-" if pd.isna(row.blocks_for_5_percent) else f"{row.blocks_for_5_percent:,.0f}",
            ]
            for row in records(analysis.spread(self.run))
        ]  # fmt: skip
        headings = [
            "phase", "arm", "spread within a block", "between blocks", "items a block", "best items a block",
            "blocks", "blocks for 5 %",
        ]  # fmt: skip
        note = (
            "Standard deviations of log latency. More items a block help up to the best number, more blocks always: "
            "the last column narrows the ratio to the reference to 5 % either way (--precision plans for it)."
        )
        return Table("Where the spread comes from, and what would narrow it", headings, rows, note, 6)

    def _overhead(self) -> Table:
        rows = [
            [
                row.arm,
                row.start,
                str(row.items),
                units.duration(row.overhead_p50_s),
                units.duration(row.overhead_p99_s),
            ]
            for row in records(analysis.overhead(self.run))
        ]
        offset = analysis.clock_offset(self.run)
        note = "All of an attempt in which the workload did not run, with a workload that does nothing."
        if offset is not None:
            low, high = units.duration(offset.low_ns / 1e9), units.duration(offset.high_ns / 1e9)
            known = (
                "share our clock" if offset.shared else "have a clock of their own, which was corrected for"
            )
            note += f" Containers {known}: {offset.exchanges:,} exchanges bound its offset to between {low} and {high}."
        return Table(
            "What each placement adds to an attempt", ["arm", "start", "items", "p50", "p99"], rows, note, 3
        )

    def _own_cost(self) -> Table:
        own = self.run.manifest.get("own_cost") or {}
        late = (self.run.attempts["sent_ns"] - self.run.attempts["due_ns"]) / 1e9
        own = own | _for_each_attempt(own, len(late))
        rows = [
            [
                name.removesuffix("_s").replace("_", " "),
                str(value) if isinstance(value, bool) else units.digits(value),
            ]
            for name, value in own.items()
        ]
        if len(late):
            rows += [[f"lateness p{q}", units.duration(float(late.quantile(q / 100)))] for q in (50, 99)]
        return Table("What the harness itself cost (CPU in seconds)", ["what", "figure"], rows, "", 1)

    def _machine(self) -> Table:
        manifest = self.run.manifest
        known: dict[str, Any] = {
            **(manifest.get("machine") or {}),
            "containers' clock": _clock(manifest.get("clock") or {}),
            **{f"engine {k}": v for k, v in (manifest.get("engine") or {}).items()},
            **{f"version of {k}": v for k, v in (manifest.get("versions") or {}).items()},
            "image": (manifest.get("image") or {}).get("reference"),
            "image size": units.size((manifest.get("image") or {}).get("size_bytes")),
            "corpus": (manifest.get("corpus") or {}).get("description"),
            "corpus digest": (manifest.get("corpus") or {}).get("digest"),
            "seed": manifest.get("seed"),
            "git commit": manifest.get("git_commit"),
            "started": manifest.get("started_utc"),
            "ended": manifest.get("ended_utc"),
        }
        rows = [[name.replace("_", " "), str(value)] for name, value in known.items() if value is not None]
        return Table("Machine, versions and inputs", ["what", "value"], rows)


# How the figure of an objective is written, by how its name ends.
UNITS: dict[str, Callable[[float], str]] = {
    "items_per_s": units.rate,
    "_s": units.duration,
    "_s_per_item": units.duration,
    "_bytes": units.size,
    "_rate": units.percent,
    "_fraction": units.percent,
    "usd_per_million": units.money,
}
METRICS = {
    "latency_p50_s": "median latency",
    "throughput_items_per_s": "throughput",
    "cpu_s_per_item": "CPU an item",
}


def _for_each_attempt(own: dict[str, Any], attempts: int) -> dict[str, Any]:
    known = own.get("harness_cpu_s")
    return {"harness_cpu_s_per_attempt": known / attempts} if known is not None and attempts else {}


def _clock(clock: dict[str, Any]) -> str | None:
    """What was found of the containers' clock before the first block."""
    if clock.get("shared") is None:
        return None
    if clock["shared"]:
        return "the same as the harness's, as the exchanges before the first block show"
    off, error = (units.duration(clock[f"remote_offset_{name}ns"] / 1e9) for name in ("", "error_"))
    return f"off by {off}, known to within {error}"


def _p_value(value: float) -> str:
    return "-" if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def figure(row: Any) -> str:
    """What was found for an objective, in the unit of its figure."""
    name = row.objective.split()[0]
    unit = next((text for ending, text in UNITS.items() if name.endswith(ending)), units.digits)
    if pd.isna(row.value):
        return units.NONE
    return unit(row.value) if pd.isna(row.low) else f"{unit(row.value)} ({unit(row.low)} to {unit(row.high)})"


def _or_few(value: float) -> str:
    return "too few" if pd.isna(value) else units.duration(value)


def _interval(row: Any, name: str, text: Callable[[float], str]) -> str:
    value, low, high = (getattr(row, f"{name}{suffix}") for suffix in ("", "_low", "_high"))
    return text(value) if pd.isna(low) else f"{text(value)} ({text(low)} to {text(high)})"
