"""The items that a run works on."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from harness.scenario import ROOT, Scenario
from workloads.kit.corpus import Corpus, Recipe

__all__ = ["Corpus", "load_corpus"]

CACHE = ROOT / ".cache"


def load_corpus(scenario: Scenario, own_folder: Path | None, say: Callable[[str], None]) -> Corpus:
    """The scenario's corpus, built at first use and then reused; or the user's own folder."""
    recipe: Recipe = importlib.import_module(f"workloads.{scenario.workload}.corpus").RECIPE
    if own_folder is not None:
        return recipe.from_folder(own_folder)
    settings = scenario.corpus
    target = CACHE / "corpus" / f"{scenario.workload}-{settings.items}-{settings.seed}"
    if not target.exists():
        say(f"Making the corpus of {settings.items} items (once).")
    return recipe.build(target, settings.items, settings.seed)
