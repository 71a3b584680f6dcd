"""How a run was measured and how far to trust it, as tables of text."""

from __future__ import annotations

from typing import Any

import pandas as pd

from harness import analysis
from harness.analysis import units
from harness.analysis.containers import most_at_once
from harness.analysis.records import records
from harness.report.contents import Contents
from harness.report.named import flat, text, title
from harness.report.table import Table
from harness.statistics.components import MAX_ITEMS_PER_BLOCK

# AWS's own words stand beside ours, which tell powers of two from powers of ten.
AWS_UNITS = (
    "AWS's MB and GB of memory are powers of two, as MiB and GiB are elsewhere here: 1,024 MB of a function, 1,024 MiB "
    "of its container and 1 GB on its bill are one size. The MB of a corpus are a million bytes each."
)


def method_tables(contents: Contents) -> list[Table]:
    """On what, with which limits, and how far to trust it."""
    return [
        _limits(contents), _outcomes(contents), _validity(contents), _steadiness(contents), _spread(contents),
        _overhead(contents), _own_cost(contents), _machine(contents), *_launches(contents),
    ]  # fmt: skip


def _launches(contents: Contents) -> list[Table]:
    """What was assumed, apart from what was measured; nothing where nothing was assumed."""
    rows = [
        [
            row.arm, row.phase, str(row.items), units.duration(row.assumed_mean_s), units.duration(row.latency_p50_s),
            units.duration(row.without_p50_s),
        ]
        for row in records(contents.assumed)
    ]  # fmt: skip
    note = "Launch delays of instances are drawn from the scenario's distribution; each is in instances.csv."
    headings = ["arm", "phase", "items", "assumed wait (mean)", "latency p50", "latency p50 without it"]
    return [Table("Launch delays (modelled)", headings, rows, note, 4, contents.assumed)] if rows else []


def _limits(contents: Contents) -> Table:
    rows, at_once = [], most_at_once(contents.run.events)
    for name, about in (contents.run.manifest.get("arms") or {}).items():
        asked, found = about.get("limits") or {}, about.get("limits_in_force") or {}
        rows.append([
            name, str(about.get("parallel", "")), str(at_once.get(name, "-")),
            f"{asked.get('vcpu', 0):.3f} vCPU ({asked.get('cpu')}), {units.size(asked.get('memory_bytes'))}",
            _in_force(found),
        ])  # fmt: skip
    return Table(
        "Limits of each container",
        ["arm", "containers, at most", "at once, really", "asked for", "read back"],
        rows,
        AWS_UNITS,
    )


def _in_force(found: dict[str, Any]) -> str:
    """What was read back from the kernel."""
    if not found.get("vcpu"):
        return "none set by the kernel" if not found else "share, not a limit"
    told = f"{found['vcpu']:.3f} vCPU, {units.size(found.get('memory_bytes'))}"
    return told if found.get("swap_bytes") is None else f"{told}, swap {units.size(found['swap_bytes'])}"


def _outcomes(contents: Contents) -> Table:
    rows = [[str(cell) for cell in row] for row in records(analysis.outcomes(contents.run))]
    return Table(
        "Every attempt by how it ended",
        ["arm", "phase", "population", "outcome", "attempts"],
        rows,
        "",
        1,
    )


def _validity(contents: Contents) -> Table:
    checked = analysis.validity(contents.run)
    bad = checked[~checked["valid"]]
    rows = [[str(row.block), row.arm, row.phase, row.reason] for row in records(bad)]
    note = f"{len(checked) - len(bad)} of {len(checked)} cells (a phase of an arm in a block) are valid."
    return Table("Cells left out", ["block", "arm", "phase", "why"], rows, note, raw=bad)


def _steadiness(contents: Contents) -> Table:
    found = analysis.steadiness(contents.run)
    rows = [
        [row.phase, row.arm, row.along, row.verdict, str(row.points), str(row.steady_from + 1)]
        for row in records(found)
    ]
    note = (
        "Found by changepoint: along items, how quickly the workload worked on the first, second, ... warm item "
        "of a block; along blocks, the medians in the order in which they ran. Nothing is left out for it."
    )
    return Table(
        "Steadiness", ["phase", "arm", "along", "verdict", "points", "steady from"], rows, note, 2, found
    )


def _spread(contents: Contents) -> Table:
    found = analysis.spread(contents.run)
    rows = [
        [
            row.phase, row.arm, units.percent(row.within_cv), units.percent(row.between_cv),
            f"{row.items_per_block:.0f}", _best(row.best_items_per_block), str(row.blocks),
            "-" if pd.isna(row.blocks_for_5_percent) else f"{row.blocks_for_5_percent:,.0f}",
        ]
        for row in records(found)
    ]  # fmt: skip
    headings = [
        "phase", "arm", "spread within a block", "between blocks", "items a block", "best items a block",
        "blocks", "blocks for 5 %",
    ]  # fmt: skip
    note = (
        "Standard deviations of log latency. More items a block help up to the best number, more blocks always: "
        "the last column narrows the ratio to the reference to 5 % either way (--precision plans for it)."
    )
    return Table("Where the spread comes from, and what would narrow it", headings, rows, note, 6, found)


def _overhead(contents: Contents) -> Table:
    found = analysis.overhead(contents.run)
    rows = [
        [
            row.arm,
            row.start,
            str(row.items),
            units.duration(row.overhead_p50_s),
            units.duration(row.overhead_p99_s),
        ]
        for row in records(found)
    ]
    offset = analysis.clock_offset(contents.run)
    note = "All of an attempt in which the workload did not run, with a workload that does nothing."
    if offset is not None:
        low, high = units.duration(offset.low_ns / 1e9), units.duration(offset.high_ns / 1e9)
        known = "share our clock" if offset.shared else "have a clock of their own, which was corrected for"
        note += f" Containers {known}: {offset.exchanges:,} exchanges bound its offset to between {low} and {high}."
    return Table(
        "What each placement adds to an attempt",
        ["arm", "start", "items", "p50", "p99"],
        rows,
        note,
        3,
        found,
    )


def _own_cost(contents: Contents) -> Table:
    own = contents.run.manifest.get("own_cost") or {}
    late = (contents.run.attempts["sent_ns"] - contents.run.attempts["due_ns"]) / 1e9
    own = own | _for_each_attempt(own, len(late))
    rows = [
        [title(name), f"{value:,}" if type(value) is int else text(name, value)] for name, value in flat(own)
    ]
    if len(late):
        rows += [[f"lateness p{q}", units.duration(float(late.quantile(q / 100)))] for q in (50, 99)]
    return Table("What the harness itself cost (measured)", ["what", "figure"], rows, "", 1)


def _machine(contents: Contents) -> Table:
    manifest = contents.run.manifest
    engine = manifest.get("engine") or {}
    known: dict[str, Any] = {
        **(manifest.get("machine") or {}),
        "containers' clock": _clock(manifest.get("clock") or {}),
        "engine": {**engine, "enforced": None},
        "limit of": engine.get("enforced"),
        "version of": manifest.get("versions"),
        "image": (manifest.get("image") or {}).get("reference"),
        "image size": units.size((manifest.get("image") or {}).get("size_bytes")),
        **_registry(manifest.get("image") or {}),
        "corpus": (manifest.get("corpus") or {}).get("description"),
        "corpus digest": (manifest.get("corpus") or {}).get("digest"),
        "seed": manifest.get("seed"),
        "git commit": manifest.get("git_commit"),
        "CPU stolen during the run, all cores": _seconds(manifest.get("steal_during_s")),
        "started": manifest.get("started_utc"),
        "ended": manifest.get("ended_utc"),
    }
    rows = [[title(name), text(name, value)] for name, value in flat(known)]
    return Table("Machine, versions and inputs", ["what", "value"], rows)


def _registry(image: dict[str, Any]) -> dict[str, Any]:
    """Where the image came from, if from a registry."""
    if "registry" not in image:
        return {}
    return {
        "image in the registry": f"{image['registry']}, {image['digest']}",
        "image size, compressed": f"{units.size(image['compressed_bytes'])} in {image['layers']} layers",
        "image pulled": f"{image['pull']}, {image['twins']} twins",
    }


def _best(items: int) -> str:
    """Where blocks do not differ there is no best number: each further item helps."""
    return "the more the better" if items >= MAX_ITEMS_PER_BLOCK else f"{items:,}"


def _for_each_attempt(own: dict[str, Any], attempts: int) -> dict[str, Any]:
    known = own.get("harness_cpu_s")
    return {"harness_cpu_s_per_attempt": known / attempts} if known is not None and attempts else {}


def _seconds(value_s: float | None) -> str | None:
    return None if value_s is None else units.duration(value_s)


def _clock(clock: dict[str, Any]) -> str | None:
    """What was found of the containers' clock before the first block."""
    if clock.get("shared") is None:
        return None
    if clock["shared"]:
        return "the same as the harness's, as the exchanges before the first block show"
    off, error = (units.duration(clock[f"remote_offset_{name}ns"] / 1e9) for name in ("", "error_"))
    return f"off by {off}, known to within {error}"
