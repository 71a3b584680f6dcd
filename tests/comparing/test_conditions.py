from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.comparing.conditions import differing, flatten
from harness.runs import Run
from tests.synthetic import make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    folder = tmp_path_factory.mktemp("runs")
    return make_run(folder / "a", blocks=2), make_run(folder / "b", blocks=2)


def changed(run: Run, **entries: Any) -> Run:
    return Run(run.folder, run.manifest | entries, run.attempts, run.samples, run.events)


def test_equal_conditions_give_none(runs: tuple[Run, Run]) -> None:
    assert differing(runs) == []


@pytest.mark.parametrize(
    ("about", "what", "entries"),
    [
        (
            "scenario",
            "phases.drop.arrivals.items",
            {"scenario": {"phases": [{"name": "drop", "arrivals": {"items": 9}}]}},
        ),
        ("engine", "version", {"engine": {"name": "docker", "version": "2.0"}}),
        ("machine", "cores", {"machine": {"cores": 96}}),
        ("versions", "pillow", {"versions": {"pillow": "14"}}),
        ("image", "id", {"image": {"id": "sha256:other"}}),
        ("corpus", "digest", {"corpus": {"digest": "other"}}),
        ("code", "git commit", {"git_commit": "def456-dirty"}),
        ("run", "state", {"state": "interrupted"}),
        ("run", "seed", {"seed": 2}),
    ],
)
def test_each_kind_of_condition_is_seen(
    runs: tuple[Run, Run], about: str, what: str, entries: dict[str, Any]
) -> None:
    found = differing([runs[0], changed(runs[1], **entries)])
    assert (about, what) in {(each.about, each.what) for each in found}


def test_limits_asked_for_and_in_force_are_told_apart(runs: tuple[Run, Run]) -> None:
    arms = {name: dict(about) for name, about in runs[1].manifest["arms"].items()}
    arms["function"]["limits"] = arms["function"]["limits"] | {"memory_bytes": 1}
    arms["service"]["limits_in_force"] = arms["service"]["limits_in_force"] | {"vcpu": 1.0}
    found = differing([runs[0], changed(runs[1], arms=arms)])
    assert [(each.about, each.what) for each in found] == [
        ("limits asked for: function", "memory_bytes"),
        ("limits in force: service", "vcpu"),
    ]
    assert found[1].values == ("0.5", "1.0")


def test_momentary_readings_of_the_machine_are_no_condition(runs: tuple[Run, Run]) -> None:
    machine = runs[1].manifest["machine"] | {"load_1m": 3.5, "steal_s": 9.0}
    assert differing([runs[0], changed(runs[1], machine=machine)]) == []


def test_the_scenario_comes_first_and_what_one_lacks_is_a_dash(runs: tuple[Run, Run]) -> None:
    scenario = runs[1].manifest["scenario"] | {"settings": {"sizes": [256]}}
    found = differing([runs[0], changed(runs[1], scenario=scenario, git_commit=None, state="failed")])
    assert [(each.about, each.what, each.values) for each in found] == [
        ("scenario", "settings.sizes.0", ("-", "256")),
        ("code", "git commit", ("abc123", "-")),
        ("run", "state", ("complete", "failed")),
    ]


def test_invalid_cells_are_a_condition(tmp_path: Path, runs: tuple[Run, Run]) -> None:
    late = make_run(tmp_path / "late", blocks=2, late_blocks=(1,))
    values = {each.what: each.values for each in differing([runs[0], late])}
    assert values["invalid cells"] == ("none", "8 of 16")


def test_flatten_names_entries_by_name_and_keeps_empty_ones() -> None:
    value = {"phases": [{"name": "b", "x": 1}], "sizes": [2, 3], "none": None, "empty": []}
    assert dict(flatten(value)) == {
        "phases.b.name": "b", "phases.b.x": "1", "sizes.0": "2", "sizes.1": "3", "none": "-", "empty": "[]",
    }  # fmt: skip
