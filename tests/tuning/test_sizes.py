"""Which sizes each kind may have, and what is said of others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.scenario import ScenarioError
from harness.sizes import FARGATE
from harness.tuning.sizes import (
    USUAL_MEMORY,
    USUAL_VCPU,
    ContainerSize,
    Wanted,
    parse_memory,
    parse_vcpu,
    sizes_of,
)
from tests.tuning.made import scenario

PLACEMENTS = scenario().placements


def resized(kind: str, **changes: Any) -> Any:
    settings = PLACEMENTS[kind]
    return type(settings).model_validate(settings.model_dump() | changes)


def test_memory_is_read_ascending_and_once() -> None:
    assert parse_memory("1769, 128,512,128") == (128, 512, 1769)
    assert len(parse_memory(USUAL_MEMORY)) == 6


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("127", r"--memory: got '127', allowed: 128 to 10240 MB in steps of 1 MB; the nearest is 128"),
        ("512,20000", r"got '20000'.*the nearest is 10240"),
        ("512.4", r"got '512.4'.*the nearest is 512"),
        ("much", r"got 'much', allowed: 128 to 10240 MB in steps of 1 MB$"),
        ("nan", r"got 'nan'"),
        ("inf", r"got 'inf'.*nearest is 10240"),
        (" , ", r"--memory: got ' , ', allowed: sizes separated by commas"),
    ],
)
def test_memory_that_lambda_has_not_is_refused_with_the_nearest(text: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        parse_memory(text)


@given(st.integers(128, 10_240))
def test_every_whole_number_of_megabytes_is_a_size_of_lambda(memory_mb: int) -> None:
    assert parse_memory(str(memory_mb)) == (memory_mb,)


def test_a_functions_vcpu_follows_from_its_memory() -> None:
    assert sizes_of(PLACEMENTS["function"], [1769], [Wanted(0.25)]) == (ContainerSize(1.0, 1769),)


@pytest.mark.parametrize("kind", ["batch", "service"])
def test_memory_goes_with_vcpu_and_is_no_less_than_the_scenarios(kind: str) -> None:
    found = sizes_of(PLACEMENTS[kind], [128], parse_vcpu(USUAL_VCPU))
    # 885 MB in the scenario; Fargate has 0.5, 1 and 2 GB with a quarter of a vCPU, and 4 GB at the least with two.
    assert [(size.vcpu, size.memory_mb) for size in found] == [
        (0.25, 1024),
        (0.5, 1024),
        (1, 2048),
        (2, 4096),
    ]
    named = sizes_of(PLACEMENTS[kind], [128], parse_vcpu("0.5:3072,0.25:512"))
    assert [(size.vcpu, size.memory_mb) for size in named] == [(0.25, 512), (0.5, 3072)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0.3", r"--vcpu: got 0.3, allowed on Fargate: 0.25, 0.5, 1, .*; the nearest is 0.25"),
        ("64", r"got 64.*the nearest is 32"),
        ("0.25:4096", r"got 0.25:4096, allowed with 0.25 vCPU on Fargate: 512, 1024, 2048 MB; .* 0.25:2048"),
        ("0", r"--vcpu: got '0', allowed: a number of vCPU"),
        ("1:x", r"got '1:x'"),
        ("1:0", r"got '1:0'"),
        ("1:", r"got '1:'"),
        ("inf", r"got 'inf'"),
    ],
)
def test_sizes_that_fargate_has_not_are_refused_with_the_nearest(text: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        sizes_of(PLACEMENTS["service"], [128], parse_vcpu(text))


def test_a_vcpu_that_cannot_have_the_scenarios_memory_says_which_it_can() -> None:
    with pytest.raises(ScenarioError, match=r"0\.25.*at most 2048 MB.*service has 3000 MB.*0\.25:2048"):
        sizes_of(resized("service", memory_mb=3000, task_memory_mb=4096), [128], parse_vcpu("0.25"))


def test_on_ec2_a_job_has_what_it_asks_for() -> None:
    instances = [{"name": "c7i.large", "vcpu": 2, "memory_mb": 4096}]
    on_ec2 = resized("batch", compute="EC2", instances=instances, vcpu_budget=2.0)
    assert sizes_of(on_ec2, [128], parse_vcpu("0.3,1:700")) == (
        ContainerSize(0.3, 885),
        ContainerSize(1.0, 700),
    )


@given(st.sampled_from(FARGATE))
def test_every_pair_of_fargate_is_a_size_of_a_service(size: Any) -> None:
    found = sizes_of(PLACEMENTS["service"], [128], [Wanted(size.vcpu, size.memory_mb)])
    assert found == (ContainerSize(size.vcpu, size.memory_mb),)


def test_lightsail_comes_in_bundles_and_is_not_swept() -> None:
    changes = {"compute": "LIGHTSAIL_CONTAINERS", "bundle": "small", "task_memory_mb": None}
    with pytest.raises(ScenarioError, match="comes in bundles"):
        sizes_of(resized("service", **changes), [128], parse_vcpu("0.5"))
