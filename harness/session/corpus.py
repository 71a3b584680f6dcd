"""The items that a run works on."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from harness.scenario import ROOT, Scenario

CACHE = ROOT / ".cache"


class Corpus(Protocol):
    """What a workload's `corpus` module gives: where the items are, and what they are."""

    @property
    def root(self) -> Path:
        """Folder that the keys are relative to."""
        ...

    @property
    def keys(self) -> tuple[str, ...]:
        """One key an item."""
        ...

    @property
    def digest(self) -> str:
        """Digest of the items."""
        ...

    @property
    def description(self) -> str:
        """One sentence on what they are and where from."""
        ...


def load_corpus(scenario: Scenario, own_folder: Path | None, say: Callable[[str], None]) -> Corpus:
    """The scenario's corpus, built at first use and then reused; or the user's own folder."""
    module: Any = importlib.import_module(f"workloads.{scenario.workload}.corpus")
    if own_folder is not None:
        own: Corpus = module.from_folder(own_folder)
        return own
    settings = scenario.corpus
    target = CACHE / "corpus" / f"{scenario.workload}-{settings.items}-{settings.seed}"
    if not target.exists():
        say(f"Making the corpus of {settings.items} items (once).")
    made: Corpus = module.build(target, settings.items, settings.seed)
    return made
