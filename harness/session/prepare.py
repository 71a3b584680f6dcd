"""Everything that is made before the first block, and unmade if the rest of it cannot be."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import docker

from harness import plan
from harness.clock import RunClock
from harness.doctor import machine
from harness.driver import Driver
from harness.engines import load_balancer
from harness.engines.base import Engine, EngineError, LoadBalancer
from harness.engines.docker import DockerEngine, connect, find_image
from harness.engines.image import Image, architecture, ensure_image
from harness.engines.process import ProcessEngine
from harness.engines.registry.hosting import Hosting, hosted
from harness.measure.sampler import Sampler
from harness.pacer import ThreadPacer
from harness.runs import RunWriter, folder_name
from harness.scenario import ROOT, Scenario
from harness.session.arm import Stage
from harness.session.corpus import Corpus, load_corpus
from harness.session.manifest import manifest
from harness.session.sizing import Sizing
from harness.session.watching import Begun, Progress, Tap

EngineChoice = Literal["auto", "docker", "process"]
NO_DOCKER = (
    "Containers are NOT used: {reason}. Processes stand in for them, without CPU limits. "
    "To get real containers, run `scripts/docker.sh` as root on Debian or Ubuntu, or install Docker and start it."
)


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, where, and on what.

    With `precision` (0.05 is 5 %) the number of blocks is planned from a pilot; `budget_s` ends the run after the
    block in which so many seconds have passed. `sizing` stands in for the usual one, and `about` is added to the
    manifest.
    """

    scenario: Scenario
    engine: EngineChoice
    out: Path
    corpus: Path | None = None
    command: tuple[str, ...] = ()
    precision: float | None = None
    budget_s: float | None = None
    sizing: Sizing | None = None
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run works with."""

    request: Request
    corpus: Corpus
    engine: Engine
    writer: RunWriter
    driver: Driver
    sampler: Sampler
    stage: Stage
    lasting: contextlib.ExitStack

    def close(self) -> None:
        """Let go of what outlives the engine: pulled images, the registry, the daemon's client."""
        self.lasting.close()


def prepare(request: Request, progress: Progress) -> Prepared:
    """Engine, corpus, image and run folder. EngineError, RunError or the corpus's own error if one cannot be."""
    scenario = request.scenario
    # The load is that of before the run, and building an image adds to it.
    noise = machine.noise(request.out)
    with contextlib.ExitStack() as undo:
        lasting = undo.enter_context(contextlib.ExitStack())
        client = _client(request, progress)
        if client is not None:
            lasting.callback(client.close)
        _find_images(client, scenario)
        corpus = load_corpus(scenario, request.corpus, progress.say)
        image = ensure_image(client, scenario.workload, ROOT, progress.say) if client is not None else None
        balancer = _load_balancer(client, scenario, progress)
        hosting = _host(client, image, scenario, progress, lasting)
        clock = RunClock()
        about = manifest(scenario, request.command, corpus, image, clock) | request.about
        writer = RunWriter(request.out / folder_name(scenario.name), about)
        undo.callback(writer.close, "failed")
        engine = _engine(client, image, writer.run, balancer)
        writer.update(engine=engine.describe(), noise=noise, beyond_machine=beyond_machine(scenario))
        if hosting is not None:
            writer.update(image=writer.manifest["image"] | hosting.describe())
        undo.pop_all()
    driver = Driver(clock, ThreadPacer(clock), scenario.max_in_flight)
    names = tuple(arm.name for arm in plan.arms(scenario))
    see = progress.begin(Begun(writer.folder, scenario.title, names, request.budget_s, driver.in_flight))
    rows = writer if see is None else Tap(writer, see)
    sampler = Sampler(writer.run, clock, rows.sample)
    stage = Stage(writer.run, engine, clock, driver, rows, sampler, corpus.root)
    if hosting is not None:
        stage = replace(stage, puller=hosting.puller)
    return Prepared(request, corpus, engine, writer, driver, sampler, stage, lasting)


def beyond_machine(scenario: Scenario, cores: int | None = None) -> list[str]:
    """Placements that may ask for more vCPUs at once than there are cores, which they then share."""
    cores = cores or os.cpu_count() or 1
    told = []
    for name, settings in scenario.placements.items():
        wanted = settings.parallel * settings.vcpu
        if wanted > cores * 1.01:  # half a vCPU of Lambda is 885 MB, and so a little more
            told.append(
                f"{name}: {settings.parallel} containers of {settings.vcpu:.3g} vCPU are {wanted:.3g} vCPU at once; "
                f"this machine has {cores}: they share these, and take longer than they would apart"
            )
    return told


def _client(request: Request, progress: Progress) -> docker.DockerClient | None:
    """The daemon's client, or None when the process engine is to be used; says so when nobody asked for that."""
    reason = "the process engine was asked for"
    if request.engine != "process":
        try:
            return connect()
        except EngineError as error:
            if request.engine == "docker":
                raise
            reason = str(error)
    progress.say(NO_DOCKER.format(reason=reason))
    return None


def _find_images(client: docker.DockerClient | None, scenario: Scenario) -> None:
    """The users' own images have to be there. EngineError that names the placement otherwise."""
    for name, settings in scenario.placements.items():
        for image in settings.own_images:
            if client is None:
                raise EngineError(
                    f"placements.{name}.image: the process engine runs no images; use --engine docker"
                )
            try:
                find_image(client, image)
            except EngineError as error:
                raise EngineError(f"placements.{name}.image: {error}") from error


def _load_balancer(
    client: docker.DockerClient | None, scenario: Scenario, progress: Progress
) -> LoadBalancer | None:
    """The image of what stands before services, where there are any and containers are used."""
    if client is None or not any(each.needs_load_balancer for each in scenario.placements.values()):
        return None
    return load_balancer.ensure_image(client, architecture(client), progress.say)


def _host(
    client: docker.DockerClient | None,
    image: Image | None,
    scenario: Scenario,
    progress: Progress,
    lasting: contextlib.ExitStack,
) -> Hosting | None:
    """The image in the scenario's registry, until `lasting` is closed; None where it names none."""
    if scenario.registry is None:
        return None
    if client is None or image is None:
        raise EngineError(
            "registry: the process engine pulls no images; use --engine docker, or a scenario without [registry]"
        )
    at_once = max(settings.parallel for settings in scenario.placements.values())
    return lasting.enter_context(
        hosted(client, image.id, scenario.workload, scenario.registry, at_once, progress.say)
    )


def _engine(
    client: docker.DockerClient | None, image: Image | None, run: str, balancer: LoadBalancer | None
) -> Engine:
    if client is None or image is None:
        return ProcessEngine()
    return DockerEngine(client, image, run.replace(".", "").lower(), balancer)
