"""Under which conditions runs were made, and in which of these they differ: what to read before any ratio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.analysis.cells import arms, validity
from harness.comparing.cost import prices_of
from harness.comparing.ratios import compared_arms
from harness.runs import Run

# What of a machine is a reading at one moment, and no property of it.
MOMENTARY = {"load_1m", "steal_s"}
MISSING = "-"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing in which runs differ; `values` are one a run, as recorded, "-" where a run has none."""

    about: str
    what: str
    values: tuple[str, ...]


def differing(runs: Sequence[Run]) -> list[Condition]:
    """Every condition in which not all runs are equal, the scenario's first; limits of arms that all of them have."""
    shared = [arm for arm in compared_arms(runs[0]) if all(arm in arms(run) for run in runs)]
    known = [dict(_conditions(run, shared)) for run in runs]
    keys = dict.fromkeys(key for each in known for key in each)
    found = []
    for about, what in keys:
        values = tuple(each.get((about, what), MISSING) for each in known)
        if len(set(values)) > 1:
            found.append(Condition(about, what, values))
    order = list(dict.fromkeys(about for about, _ in keys))
    return sorted(found, key=lambda condition: order.index(condition.about))


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each leaf of JSON values with its path, such as `phases.0.arrivals.rate_per_s`; an empty list is a leaf."""
    entries: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        entries = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        entries = [(_name(inner, number), inner) for number, inner in enumerate(value)]
    if not entries:
        yield path, MISSING if value is None else str(value)
    for name, inner in entries:
        yield from flatten(inner, f"{path}.{name}" if path else name)


def _name(entry: Any, number: int) -> str:
    """A list of named entries, such as phases, is compared by name, so that one more of them shifts no other."""
    return str(entry["name"]) if isinstance(entry, Mapping) and "name" in entry else str(number)


def _conditions(run: Run, shared: list[str]) -> Iterator[tuple[tuple[str, str], str]]:
    manifest = run.manifest
    for about, value in _parts(run, shared):
        for what, text in flatten(value):
            yield (about, what), text
    image = manifest.get("image") or {}
    for what in ("reference", "id", "inputs_digest", "base"):
        yield ("image", what), str(image.get(what) or MISSING)
    checked = validity(run)
    blocks = checked["block"].nunique()
    yield ("run", "state"), str(manifest.get("state") or MISSING)
    seed = manifest.get("seed")
    yield ("run", "seed"), MISSING if seed is None else str(seed)
    yield ("run", "blocks"), str(blocks)
    invalid = int((~checked["valid"]).sum())
    yield ("run", "invalid cells"), f"{invalid} of {len(checked)}" if invalid else "none"


def _parts(run: Run, shared: list[str]) -> Iterator[tuple[str, Any]]:
    manifest = run.manifest
    yield "scenario", manifest.get("scenario") or {}
    for arm in shared:
        about = (manifest.get("arms") or {}).get(arm) or {}
        for key, title in (("limits", "limits asked for"), ("limits_in_force", "limits in force")):
            yield f"{title}: {arm}", about.get(key)
    yield "engine", manifest.get("engine") or {}
    machine = manifest.get("machine") or {}
    yield "machine", {key: value for key, value in machine.items() if key not in MOMENTARY}
    yield "versions", manifest.get("versions") or {}
    corpus = manifest.get("corpus") or {}
    yield "corpus", {key: corpus.get(key) for key in ("digest", "items", "bytes", "description")}
    yield "code", {"git commit": manifest.get("git_commit")}
    yield "prices", {"date": prices_of(run)}
