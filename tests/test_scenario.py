from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harness import scenario
from harness.scenario import ScenarioError
from harness.session.prepare import beyond_machine
from harness.sizes import Size, nearest_fargate

GOOD = """
name = "mine"
title = "Mine"
workload = "thumbnail"
seed = 1
blocks = 2
aa = "function"

[size]
vcpu = 0.5
memory_mb = 885

[[phases]]
name = "steady"
arrivals = { kind = "steady", rate_per_s = 8, duration_s = 1.5 }

[placements.function]

[placements.batch]
vcpu_budget = 1.0
array_size = 2

[placements.big_service]
kind = "service"
vcpu = 2
task_memory_mb = 4096
tasks = 1
"""


def load(tmp_path: Path, text: str) -> scenario.Scenario:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return scenario.load(path)


def test_common_size_reaches_each_placement_and_its_own_wins(tmp_path: Path) -> None:
    placements = load(tmp_path, GOOD).placements
    assert placements["function"].memory_mb == 885
    assert placements["function"].vcpu == pytest.approx(885 / 1769)
    assert placements["batch"].vcpu == 0.5
    assert placements["big_service"].vcpu == 2


@pytest.mark.parametrize("path", sorted(scenario.WORKLOADS.glob("*/scenarios/*.toml")), ids=lambda p: p.stem)
def test_shipped_scenarios_are_good_and_named_as_their_file(path: Path) -> None:
    assert scenario.load(path).name == path.stem


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rate_per_s = 8", "rate_per_s = -8", ["phases.0.arrivals.rate_per_s", "greater than 0", "-8"]),
        ("rate_per_s = 8, ", "", ["phases.0.arrivals.rate_per_s", "required"]),
        ('kind = "steady"', 'kind = "wavy"', ["phases.0.arrivals", "steady", "poisson", "drop", "wavy"]),
        ("blocks = 2", "blocks = 0", ["blocks", "greater than or equal to 1", "0"]),
        ("blocks = 2", "bloks = 2", ["bloks: unknown key", "blocks", "required"]),
        ("memory_mb = 885", "memory_mb = 64", ["placements.function.memory_mb", "128", "64"]),
        ("memory_mb = 885", "memory_mb = 20000", ["placements.function.memory_mb", "10240"]),
        ("[placements.function]", "[placements.function]\ntimeout_s = 901", ["timeout_s", "900", "901"]),
        ('aa = "function"', 'aa = "lambda"', ["aa", "'lambda'", "function", "batch"]),
        ("vcpu_budget = 1.0", "vcpu_budget = 0.25", ["vcpu 0.5 exceeds vcpu_budget 0.25"]),
        (
            'workload = "thumbnail"',
            'workload = "nothing"',
            ["workload", "'nothing'", "['archive', 'thumbnail', 'unpack']"],
        ),
        ('workload = "thumbnail"', 'workload = "noop"', ["workload", "'noop'", "<name>.py and corpus.py"]),
        ('kind = "service"', 'kind = "pod"', ["placements.big_service", "function", "service", "pod"]),
        ('name = "mine"', 'name = "Not A Name"', ["name", "Not A Name"]),
        ("[size]", "[settings]\nsizes = [0]\n[size]", ["settings", "sizes", "1 to 4096", "0"]),
        ("[size]", "[settings]\ncolour = 1\n[size]", ["settings", "colour", "format, max_megapixels"]),
        ("seed = 1", "seed = ", ["not TOML", "line"]),
        (
            "task_memory_mb = 4096",
            "",
            [
                "placements.big_service",
                "Fargate has no 2 vCPU with 885 MB",
                "2 vCPU with 4096 MB, and 2 vCPU with 5120",
            ],
        ),
        (
            "tasks = 1",
            "memory_mb = 5000",
            ["2 vCPU with 5000 MB", "no more than the task's 2 vCPU with 4096 MB"],
        ),
        ("tasks = 1", 'compute = "EC2"', ["instances: got 0", "at least one"]),
        ("tasks = 1", 'bundle = "nano"', ["bundle: got 'nano'", "none"]),
        ("tasks = 1", 'compute = "LIGHTSAIL_CONTAINERS"', ["bundle: got None", "nano", "xlarge"]),
        (
            "task_memory_mb = 4096\ntasks = 1",
            'compute = "LIGHTSAIL_CONTAINERS"\nbundle = "large"\n'
            'scaling = { metric = "cpu", target = 0.5, max_tasks = 4 }',
            ["scaling", "LIGHTSAIL_CONTAINERS does not scale by itself"],
        ),
        (
            "tasks = 1",
            'tasks = 9\nscaling = {metric = "cpu", target = 0.5, max_tasks = 4}',
            ["tasks: got 9", "1 to 4"],
        ),
        (
            "tasks = 1",
            'scaling = {metric = "cpu", target = 70, max_tasks = 4}',
            ["target: got 70", "0.7 is 70 %"],
        ),
        (
            "tasks = 1",
            "tasks = 1\nburst = { start_vcpu_s = 5 }",
            ["burst: does nothing without compute = 'LIGHTSAIL_INSTANCES'"],
        ),
        ("tasks = 1", "tasks = 1\ntime_scale = 0.5", ["time_scale: does nothing without scaling"]),
        (
            "tasks = 1",
            'tasks = 2\nmax_percent = 100\ndeployments = [{ phase = "steady" }]',
            ["min_healthy_percent, max_percent: got 100 and 100", "no deployment could ever begin"],
        ),
        (
            "tasks = 1",
            'tasks = 4\nmax_percent = 150\ndeployments = [{ phase = "steady" }]\n'
            'scaling = { metric = "cpu", target = 0.5, max_tasks = 4 }',
            [
                "got 100 and 150, which with tasks = 1 are at least 1 and at most 1",
                "no deployment could ever",
            ],
        ),
        (
            "tasks = 1",
            'deployments = [{ phase = "steady", after_s = 86400 }]',
            ["deployments: after_s: got 86400, allowed in phase 'steady': less than "],
        ),
        (
            "tasks = 1",
            'deployments = [{ phase = "later" }]',
            ["deployments: phase: got 'later'", "['steady']"],
        ),
    ],
)
def test_a_wrong_value_is_named_with_file_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, told: list[str]
) -> None:
    assert old in GOOD
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    for words in ["mine.toml", *told]:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        (Size(16, 121 * 1024), [Size(32, 244 * 1024), Size(16, 120 * 1024)]),  # one pair alone holds it
        (Size(33, 244 * 1024), [Size(32, 244 * 1024), Size(32, 120 * 1024)]),  # none does
        (Size(0.5, 885), [Size(0.5, 1024), Size(0.5, 2048)]),
    ],
)
def test_the_nearest_of_fargates_sizes_are_those_that_hold_it_first(
    wanted: Size, nearest: list[Size]
) -> None:
    assert list(nearest_fargate(wanted)) == nearest


def test_phases_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = GOOD + '\n[[phases]]\nname = "steady"\narrivals = { kind = "drop", items = 1 }\n'
    with pytest.raises(ScenarioError, match="names must differ"):
        load(tmp_path, twice)


def test_an_unknown_name_lists_what_ships() -> None:
    with pytest.raises(ScenarioError, match=r"'nope'.*cold.*default.*quick"):
        scenario.find("nope")


def test_only_keeps_an_aa_arm_where_there_is_something_to_compare(tmp_path: Path) -> None:
    whole = load(tmp_path, GOOD)
    assert whole.only(["function"]).aa == "function"
    assert whole.only(["batch"]).aa is None
    assert whole.only(["batch", "big_service"]).aa == "batch"
    assert whole.twice("batch").aa == "batch"
    with pytest.raises(ScenarioError, match="'pod'"):
        whole.only(["pod"])


def test_every_comparison_has_an_aa_arm_unless_it_is_refused(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD.replace('aa = "function"', "")).aa == "function"
    assert load(tmp_path, GOOD.replace('aa = "function"', 'aa = ""')).aa is None


def test_more_than_the_machine_has_is_told_by_name() -> None:
    nightly = scenario.load(scenario.find("nightly"))
    assert beyond_machine(nightly, cores=2) == []
    told = beyond_machine(nightly, cores=1)
    assert [line.partition(":")[0] for line in told] == ["function", "batch", "service"]
    assert "4 containers of 0.5 vCPU are 2 vCPU at once; this machine has 1" in told[1]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"compute": "EC2"}, "instances: got 0, allowed: at least one with compute = 'EC2'"),
        ({"instances": [{"name": "a", "vcpu": 1, "memory_mb": 4}]}, "allowed: none with compute = 'FARGATE'"),
        (
            {"compute": "EC2", "instances": [{"name": "a", "vcpu": 1, "memory_mb": 4}]},
            "none within vcpu_budget holds a job of 0.5 vCPU and 512 MB",
        ),
        ({"interruption_mean_s": 5}, "goes with compute = 'SPOT', got 'FARGATE'"),
        ({"min_vcpu": 3}, "min_vcpu: got 3, allowed: 0 to 2"),
        ({"attempts": 11}, "attempts"),
        ({"timeout_s": 59}, "timeout_s"),
        ({"evaluate_on_exit": [{"action": "EXIT", "on_reason": "a*b"}]}, "on_reason"),
        ({"command": ["true"]}, "command: goes with an image, and there is none"),
        ({"image": "mine", "steps": [{"name": "index_page"}]}, "steps: these are modules of the workload"),
        ({"steps": [{"name": "nothing"}]}, "steps: got 'nothing'; allowed are modules of the workload"),
    ],
)
def test_what_a_batch_placement_cannot_be_is_refused(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    placement = {"kind": "batch", "vcpu": 0.5, "memory_mb": 512, "vcpu_budget": 2, "array_size": 1} | changes
    document = tomllib.loads(scenario.find("chain").read_text()) | {"placements": {"batch": placement}}
    path = tmp_path / "s.toml"
    path.write_text("\n".join(_toml(document)))
    with pytest.raises(ScenarioError) as refused:
        scenario.load(path)
    assert told in str(refused.value)


def _toml(document: dict[str, Any]) -> list[str]:
    """JSON values are TOML values but for objects, and tables may be given inline."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{key} = {text(inner)}" for key, inner in value.items()) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(text(inner) for inner in value) + "]"
        return json.dumps(value)

    return [f"{key} = {text(value)}" for key, value in document.items()]
