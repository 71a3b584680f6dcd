"""Scenario files: workload, corpus, arrivals and placements in one TOML file, checked before anything starts."""

from __future__ import annotations

import importlib
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from harness.arrivals import Arrivals
from harness.cost.book import DEFAULT_REGION, PriceError, load_book, regions
from harness.objectives import Objective
from harness.scenario.batch import BatchSettings
from harness.scenario.function import FunctionSettings
from harness.scenario.placements import Strict
from harness.scenario.registry import RegistrySettings
from harness.scenario.service import ServiceSettings
from workloads.kit.errors import BadSettings
from workloads.kit.step import Settings

__all__ = [
    "ROOT", "WORKLOADS", "BatchSettings", "CorpusSettings", "FunctionSettings", "Phase", "PlacementSettings",
    "RegistrySettings", "Scenario", "ScenarioError", "ServiceSettings", "find", "load", "workloads",
]  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent.parent
WORKLOADS = ROOT / "workloads"

# Arms become parts of container names and file names; `-aa` marks the duplicate.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class ScenarioError(ValueError):
    """A scenario cannot be used; one line for each thing wrong, naming file, key, value and what is allowed."""


class CorpusSettings(Strict):
    """Which inputs are worked on, made by the seeded recipe of the workload."""

    items: Annotated[int, Field(ge=1, le=100_000)] = 24
    """How many there are; each is drawn about equally often."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of the recipe."""


class Phase(Strict):
    """One stretch of arrivals; the next begins when all its items are done."""

    name: Name
    """What rows and reports call it."""
    arrivals: Arrivals
    """When its items are due."""


PlacementSettings = Annotated[FunctionSettings | BatchSettings | ServiceSettings, Field(discriminator="kind")]


Usd = Annotated[Decimal, Field(ge=0)]


class Scenario(Strict):
    """A scenario as run: what is worked on, when it arrives, and where."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    """As the file is called; results/ has it in the name of the run folder."""
    title: str
    """The heading of the report."""
    workload: Name
    """A folder under workloads/."""
    seed: Annotated[int, Field(ge=0)]
    """Of every random choice: arrivals, order of the placements, which items."""
    blocks: Annotated[int, Field(ge=1, le=1000)]
    """How many fresh sets of containers; a claim takes 10 valid ones."""
    warmup_blocks: Annotated[int, Field(ge=0, le=100)] = 0
    """Blocks at the beginning that are run, kept, marked, and left out of every figure."""
    aa: str | None = None
    """The placement that is run twice, for the noise floor. If not given, the first of several placements; ""
    stands for none.
    """
    objectives: tuple[Objective, ...] = ()
    """What is demanded; see [objectives](#objectives)."""
    max_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Items that may be out at once; further ones are recorded as dropped."""
    corpus: CorpusSettings = CorpusSettings()
    """See [corpus](#corpus)."""
    registry: RegistrySettings | None = None
    """See [registry](#registry); without it, containers start from the image that is here."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the workload may be told; see [settings](#settings)."""
    region: str = DEFAULT_REGION
    """AWS region whose price book prices the run."""
    prices: dict[str, Usd] = Field(default_factory=dict)
    """Keys of the [price book](prices.md), and US dollars a unit in place of the book's."""
    speed_factor: Annotated[float, Field(ge=0.001, le=1000)] = 1.0
    """Seconds on AWS for a second of this machine, for prices alone; 1 unless it was calibrated."""
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    """One or more stretches of [arrivals](#arrivals)."""
    placements: Annotated[dict[Name, PlacementSettings], Field(min_length=1)]
    """Arms by name. Where the name is that of a kind, `kind` need not be given."""

    @model_validator(mode="after")
    def _names_agree(self) -> Scenario:
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"phases: names must differ, got {names}")
        if self.aa is not None and self.aa not in self.placements:
            raise ValueError(f"aa: got {self.aa!r}, allowed are the placements: {sorted(self.placements)}")
        self._check_deployments()
        for objective in self.objectives:
            for key, known in (("placement", list(self.placements)), ("phase", names)):
                named = getattr(objective, key)
                if named is not None and named not in known:
                    raise ValueError(f"objectives: {key}: got {named!r}, allowed: {known}")
        return self

    def _check_deployments(self) -> None:
        lengths_s = {phase.name: phase.arrivals.lasts_s for phase in self.phases}
        for name, placement in self.placements.items():
            for deployment in placement.deployments if isinstance(placement, ServiceSettings) else ():
                key, after_s = f"placements.{name}.deployments", deployment.after_s
                if deployment.phase not in lengths_s:
                    raise ValueError(f"{key}: phase: got {deployment.phase!r}, allowed: {list(lengths_s)}")
                length_s = lengths_s[deployment.phase]
                if length_s is not None and after_s >= length_s:
                    raise ValueError(
                        f"{key}: after_s: got {after_s:g}, allowed in phase {deployment.phase!r}: less than "
                        f"{length_s:g}, for so many seconds its items arrive"
                    )

    def only(self, placements: list[str]) -> Scenario:
        """The same scenario with some placements; the A/A arm becomes that of another where its original goes."""
        unknown = [name for name in placements if name not in self.placements]
        if unknown:
            raise ScenarioError(
                f"placements: {unknown[0]!r} is not in scenario {self.name}: {list(self.placements)}"
            )
        kept = {name: p for name, p in self.placements.items() if name in placements}
        objectives = tuple(
            each for each in self.objectives if each.placement is None or each.placement in kept
        )
        aa = self.aa if self.aa in kept or self.aa is None else _usual_aa(kept)
        return self.model_copy(update={"placements": kept, "aa": aa, "objectives": objectives})

    def twice(self, placement: str) -> Scenario:
        """The same scenario with one placement and its duplicate, which is all that a noise floor takes."""
        return self.only([placement]).model_copy(update={"aa": placement})


def find(name_or_path: str) -> Path:
    """The file of a scenario: a path, or the name of one that a workload ships.

    ScenarioError lists the shipped names when there is no such file.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if path.is_file():
            return path
        raise ScenarioError(f"{path}: no such file")
    shipped = {file.stem: file for file in sorted(WORKLOADS.glob("*/scenarios/*.toml"))}
    if name_or_path not in shipped:
        raise ScenarioError(f"no scenario {name_or_path!r}: give a .toml file, or one of {sorted(shipped)}")
    return shipped[name_or_path]


def workloads() -> list[str]:
    """The names of the workloads that a scenario may run. The no-op has no corpus: it calibrates every run instead."""
    found = (file.parent for file in WORKLOADS.glob("*/corpus.py"))
    return sorted(folder.name for folder in found if (folder / f"{folder.name}.py").is_file())


def load(path: Path) -> Scenario:
    """Read and check a scenario file; ScenarioError if anything in it is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: not TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from None
    try:
        scenario = Scenario.model_validate(_with_defaults(data))
    except ValidationError as error:
        raise ScenarioError("\n".join(f"{path}: {_line(e)}" for e in error.errors())) from None
    if scenario.workload not in (known := workloads()):
        raise ScenarioError(
            f"{path}: workload: got {scenario.workload!r}; allowed: {known}. "
            f"One is a folder {WORKLOADS}/<name> with <name>.py and corpus.py"
        )
    folder = WORKLOADS / scenario.workload
    for name, placement in scenario.placements.items():
        for step in placement.steps if isinstance(placement, BatchSettings) else ():
            if not (folder / f"{step.name}.py").is_file():
                found = sorted(file.stem for file in folder.glob("*.py"))
                raise ScenarioError(
                    f"{path}: placements.{name}.steps: got {step.name!r}; allowed are modules of the workload: {found}"
                )
    _check_prices(path, scenario)
    try:
        _settings_of(scenario.workload).parse(scenario.settings)
    except BadSettings as error:
        raise ScenarioError(f"{path}: settings: {error}") from None
    return scenario


def _settings_of(workload: str) -> type[Settings]:
    """The `Settings` of the workload's module `settings`; without one it has none to set."""
    if not (WORKLOADS / workload / "settings.py").is_file():
        return Settings
    found: type[Settings] = importlib.import_module(f"workloads.{workload}.settings").Settings
    return found


def _check_prices(path: Path, scenario: Scenario) -> None:
    if scenario.region not in regions():
        raise ScenarioError(f"{path}: region: got {scenario.region!r}; allowed: {regions()}")
    try:
        load_book(scenario.region).with_overrides(scenario.prices)
    except PriceError as error:
        raise ScenarioError(f"{path}: {error}") from None


def _with_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """Let `[size]` stand for every placement's size, and a placement's name for its kind."""
    data = dict(data)
    size = data.pop("size", {})
    placements = data.get("placements")
    if not isinstance(placements, dict) or not isinstance(size, dict):
        return data
    filled = {}
    for name, own in placements.items():
        if not isinstance(own, dict):
            return data
        kind = own.get("kind", name)
        # A function's CPU share follows from its memory, so the common vCPU is not one of its keys.
        common = {k: v for k, v in size.items() if not (kind == "function" and k == "vcpu")}
        filled[name] = {"kind": kind} | common | own
    # A comparison without an A/A arm can claim nothing, so it takes an empty text to do without.
    return data | {"placements": filled, "aa": data.get("aa", _usual_aa(filled)) or None}


def _usual_aa(placements: dict[str, Any]) -> str | None:
    """The first placement is run twice, where there is something to compare it with."""
    return next(iter(placements)) if len(placements) > 1 else None


def _line(error: Any) -> str:
    """One pydantic error as `key: what is wrong (got value)`; unions' own tags are left out of the key."""
    tags = {"steady", "poisson", "burst", "drop"} if "arrivals" in error["loc"] else set()
    parts = list(error["loc"])
    if parts[:1] == ["placements"] and len(parts) > 2:  # placements.<name>.<kind>.<key>
        del parts[2]
    key = ".".join(str(part) for part in parts if part not in tags)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "unknown key"
    if error["type"] in {"missing", "value_error"}:
        return f"{key}: {message}" if key else message
    return f"{key}: {message} (got {error['input']!r})"
