"""From a scenario to one whose arms are sizes."""

from __future__ import annotations

import re

import pytest

from harness import plan
from harness.scenario import ScenarioError, find, load
from harness.tuning.question import deciding_phase
from harness.tuning.sizes import USUAL_MEMORY, USUAL_VCPU, parse_memory, parse_vcpu
from harness.tuning.sweep import sweep
from tests.tuning.made import scenario


def test_there_is_an_arm_for_each_size_of_each_placement() -> None:
    made = sweep(scenario(), parse_memory("128,1769"), parse_vcpu("0.25:512,1"))
    assert [arm.name for arm in made.arms] == [
        "function_128mb", "function_1769mb", "batch_0_25vcpu_512mb", "batch_1vcpu_2048mb", "service_0_25vcpu_512mb",
        "service_1vcpu_2048mb",
    ]  # fmt: skip
    settings = made.scenario.placements["service_0_25vcpu_512mb"]
    assert (settings.kind, settings.vcpu, settings.memory_mb) == ("service", 0.25, 512)
    assert made.scenario.placements["function_1769mb"].vcpu == 1
    names = [arm.name for arm in plan.arms(made.scenario)]
    assert names[:-1] == [arm.name for arm in made.arms]
    assert names[-1] == "function_1769mb-aa"
    assert all(re.match(r"^[a-z][a-z0-9_]{0,31}$", name) for name in names[:-1])


def test_only_the_size_changes_and_there_are_as_many_containers_as_before() -> None:
    before = scenario()
    made = sweep(before, parse_memory(USUAL_MEMORY), parse_vcpu(USUAL_VCPU))
    for arm in made.arms:
        old, new = before.placements[arm.placement], made.scenario.placements[arm.name]
        assert new.parallel == old.parallel
        changed = {key for key, value in new.model_dump().items() if value != old.model_dump()[key]}
        assert changed <= {"memory_mb", "vcpu", "vcpu_budget", "task_memory_mb"}
    same = ("workload", "seed", "blocks", "phases", "settings", "corpus", "max_in_flight", "warmup_blocks")
    assert all(getattr(made.scenario, key) == getattr(before, key) for key in same)


@pytest.mark.parametrize("name", ["default", "quick", "cold", "nightly", "chain", "spot", "long-job"])
def test_the_scenarios_that_ship_can_be_swept(name: str) -> None:
    made = sweep(load(find(name)), parse_memory(USUAL_MEMORY), parse_vcpu("0.5,1"))
    assert len(made.arms) >= 2


def test_an_objective_of_a_placement_is_one_of_each_of_its_sizes() -> None:
    demanding = scenario(
        objectives=["error_rate < 0.1", {"expect": "latency_p95_s < 1", "placement": "service"}]
    )
    made = sweep(demanding, parse_memory("512"), parse_vcpu("0.5,1"))
    assert [each.placement for each in made.scenario.objectives] == [
        None,
        "service_0_5vcpu_1024mb",
        "service_1vcpu_2048mb",
    ]


def test_a_name_too_long_for_its_size_is_refused() -> None:
    name = "a_function_with_a_long_name"
    long = scenario(aa=None, placements={name: {"kind": "function", "memory_mb": 885}})
    with pytest.raises(ScenarioError, match=rf"placements\.{name}.*at most 32 letters; rename it to 25"):
        sweep(long, parse_memory("1024"), parse_vcpu("1"))


def test_a_size_that_no_instance_holds_is_refused() -> None:
    batch = {
        "kind": "batch", "memory_mb": 885, "vcpu": 0.5, "vcpu_budget": 2.0, "array_size": 2, "compute": "EC2",
        "instances": [{"name": "c7i.large", "vcpu": 2, "memory_mb": 4096}],
    }  # fmt: skip
    on_ec2 = scenario(aa=None, placements={"batch": batch})
    with pytest.raises(ScenarioError, match=r"placements\.batch at 2 vCPU and 8192 MB: .*none within"):
        sweep(on_ec2, parse_memory("128"), parse_vcpu("1,2:8192"))


def test_the_first_phase_that_is_no_drop_decides_unless_told_otherwise() -> None:
    drop = {"name": "drop", "arrivals": {"kind": "drop", "items": 3}}
    steady = {"name": "even", "arrivals": {"kind": "steady", "rate_per_s": 1, "duration_s": 1}}
    both = scenario(phases=[drop, steady])
    assert deciding_phase(both, None) == "even"
    assert deciding_phase(both, "drop") == "drop"
    assert deciding_phase(scenario(phases=[drop]), None) == "drop"
    with pytest.raises(ScenarioError, match=r"--phase: got 'x', allowed: \['drop', 'even'\]"):
        deciding_phase(both, "x")


def test_a_block_with_chosen_arms_has_them_in_the_order_of_the_whole_block() -> None:
    made = sweep(scenario(), parse_memory("128,512,1769"), parse_vcpu("0.5,1")).scenario
    for index in range(5):
        whole = plan.block(made, index, ["a", "b"], warmup=False)
        some = {"function_512mb", "service_0_5vcpu_1024mb", "batch_1vcpu_2048mb"}
        part = plan.block(made, index, ["a", "b"], warmup=False, chosen=some)
        assert [arm.name for arm in part.arms] == [arm.name for arm in whole.arms if arm.name in some]
        assert [phase.items for phase in part.phases] == [phase.items for phase in whole.phases]
