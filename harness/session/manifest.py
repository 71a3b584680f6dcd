"""The manifest of a run: all that a reader needs to judge it, and to run it again."""

from __future__ import annotations

import importlib.metadata
import subprocess
from dataclasses import asdict
from typing import Any

from harness import __version__, plan
from harness.clock import RunClock
from harness.engines.image import Image
from harness.measure.machine import fingerprint
from harness.placements import registry
from harness.runs import utc_text
from harness.scenario import ROOT, Scenario
from harness.session.corpus import Corpus

SCHEMA = 3
PACKAGES = ("aiohttp", "docker", "pandas", "pillow", "psutil", "pyarrow", "awslambdaric", "uvicorn")


def manifest(
    scenario: Scenario, command: tuple[str, ...], corpus: Corpus, image: Image | None, clock: RunClock
) -> dict[str, Any]:
    """Everything that is known before the first block."""
    return {
        "schema": SCHEMA,
        "started_utc": utc_text(),
        "clock_offset_ns": clock.offset_ns,
        "command": list(command),
        "seed": scenario.seed,
        "scenario": scenario.model_dump(mode="json"),
        "arms": {
            arm.name: {
                "placement": arm.settings.kind,
                "duplicate_of": arm.duplicate_of,
                "parallel": arm.settings.parallel,
                "limits": asdict(registry.limits(arm.settings)),
                "limits_in_force": None,
            }
            for arm in plan.arms(scenario)
        },
        "differences": differences(scenario),
        "corpus": {
            "items": len(corpus.keys),
            "digest": corpus.digest,
            "description": corpus.description,
            "bytes": sum((corpus.root / key).stat().st_size for key in corpus.keys),
        },
        "image": asdict(image) if image else None,
        "git_commit": _git_commit(),
        "machine": fingerprint(),
        "versions": {"harness": __version__} | {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def differences(scenario: Scenario) -> list[str]:
    """What is not equal between the placements, in words; image, code, inputs and store are."""
    told = []
    for name, settings in scenario.placements.items():
        asked = registry.limits(settings)
        limit = "hard limit" if asked.cpu == "hard" else "share"
        size = f"{asked.vcpu:.3f} vCPU ({limit}, {asked.cpu_period_us / 1000:g} ms windows)"
        told.append(
            f"{name}: up to {settings.parallel} containers of {size} and {asked.memory_bytes / 2**20:.0f} MiB; "
            f"{registry.DIFFERENCES[settings.kind]}"
        )
    return told


def _git_commit() -> str | None:
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
