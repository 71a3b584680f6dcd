"""The published comparisons come out of the model within one per cent.

They are those of FACTS: of AWS's pricing pages and blogs, the SeBS paper, and calculators of third parties.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.cost import batch, function, service
from harness.cost.curve import crossings
from harness.cost.figures import block_sums
from harness.cost.measured import SUMS
from harness.cost.service import Carrying
from harness.cost.terms import MONTH_H, MONTH_S, Shape, Terms
from harness.cost.tiers import tiered_usd
from tests.cost.made import ALWAYS, BOOK, an_arm, curve, figures, usd

EVEN = Shape()


def within_a_per_cent(value: float) -> object:
    return pytest.approx(value, rel=0.01)


def test_227_million_requests_of_200_ms_at_256_mb() -> None:
    demands = function.demands(an_arm("function", memory_mb=256), figures(billed_s=0.2))
    assert usd(demands, 227e6, "requests") == within_a_per_cent(45.40)
    assert usd(demands, 227e6, "duration") == within_a_per_cent(189.16)


def test_two_fargate_tasks_of_1_vcpu_and_2_gb_round_the_clock() -> None:
    arm = an_arm("service", vcpu=1, memory_mb=2048, tasks=2)
    demands = service.demands(arm, figures(), ALWAYS, EVEN)
    assert usd(demands, 1, "vCPU") == within_a_per_cent(59.10)
    assert usd(demands, 1, "memory") == within_a_per_cent(12.98)


def test_a_fargate_task_of_half_a_vcpu_and_1_gb() -> None:
    demands = service.demands(an_arm("service", tasks=1), figures(), ALWAYS, EVEN)
    month_usd = usd(demands, 1, "vCPU", "memory")
    assert month_usd / 730 == within_a_per_cent(0.024685)
    assert month_usd == within_a_per_cent(18.02)


def test_a_request_of_200_ms_at_1024_mb() -> None:
    demands = function.demands(an_arm("function", memory_mb=1024), figures(billed_s=0.2))
    assert usd(demands, 1, "requests") == within_a_per_cent(0.0000002)
    assert usd(demands, 1, "duration") == within_a_per_cent(0.0000033333)


@pytest.mark.parametrize(
    ("memory_mb", "seconds", "published_usd"), [(512, 0.2, 1.87), (1024, 0.2, 3.53), (1024, 1.0, 16.87)]
)
def test_lambda_per_million(memory_mb: int, seconds: float, published_usd: float) -> None:
    demands = function.demands(an_arm("function", memory_mb=memory_mb), figures(billed_s=seconds))
    assert usd(demands, 1e6, "requests", "duration") == within_a_per_cent(published_usd)


def test_the_tiers_of_61_44_billion_gb_seconds() -> None:
    price = BOOK.entry("lambda_gb_second_x86")
    edges = np.array([0.0, 6e9, 15e9, 61.44e9])
    parts = np.diff(tiered_usd(edges, price, free=False))
    assert list(parts) == [within_a_per_cent(each) for each in (100_000.20, 135_000.00, 619_203.10)]
    # The same through a function of 1 GB whose items take a second.
    demands = function.demands(an_arm("function", memory_mb=1024), figures(billed_s=1.0))
    assert usd(demands, 61.44e9, "duration") == within_a_per_cent(854_203.30)


@pytest.mark.parametrize(("usd_per_million", "per_hour"), [(2.29, 5062), (3.34, 3480), (15.8, 733)])
def test_sebs_table_6_a_t2_micro_against_a_function(usd_per_million: float, per_hour: float) -> None:
    """Through the bills of both: a function of 1 GB that costs so much, and one instance all month at that price."""
    gb_second_usd, request_usd = (
        float(BOOK.price(key)) for key in ("lambda_gb_second_x86", "lambda_request")
    )
    billed_s = (usd_per_million / 1e6 - request_usd) / gb_second_usd
    demands = function.demands(an_arm("function", memory_mb=1024), figures(billed_s=billed_s))
    assert usd(demands, 1e6, "requests", "duration") == pytest.approx(usd_per_million, rel=1e-6)
    # The book has no t2.micro, so another type stands in for it, at its price.
    micro = {"name": "t3.medium", "vcpu": 1, "memory_mb": 1024}
    arm = an_arm("service", vcpu=1, memory_mb=1024, tasks=1, compute="EC2", instances=[micro])
    kept = service.demands(arm, figures(), Carrying(1e6, 1.0, "made up: never full"), EVEN)
    terms = Terms(BOOK.with_overrides({"ec2_t3_medium": "0.0116"}))
    (found,) = crossings(curve(demands, {"requests", "duration"}), curve(kept, {"instances"}, terms), 1, 1e9)
    assert found.at / MONTH_H == within_a_per_cent(per_hour)
    assert found.equal
    assert not found.first_is_lower_after


def _break_even_share(kind: str, parts: set[str], vcpu: float) -> float:
    """The share of one task's (or instance's) vCPUs above which it is cheaper than a function of 1,769 MB each."""
    demands = function.demands(an_arm("function", memory_mb=1769), figures(billed_s=1.0))
    if kind == "FARGATE":
        arm = an_arm("service", vcpu=1, memory_mb=2048, tasks=1)
    else:
        each = {"name": kind, "vcpu": 2, "memory_mb": 4096}
        arm = an_arm("service", vcpu=2, memory_mb=2048, tasks=1, compute="EC2", instances=[each])
    kept = service.demands(arm, figures(), Carrying(vcpu, 1.0, "made up"), EVEN)
    (found,) = crossings(
        curve(demands, {"duration"}),
        curve([each for each in kept if each.key != "load_balancer_lcu_hour"], parts),
        1,
        vcpu * MONTH_S,
    )
    return found.at / (vcpu * MONTH_S)


@pytest.mark.parametrize(
    ("kind", "parts", "vcpu", "share"),
    [
        ("FARGATE", {"vCPU", "memory"}, 1.0, 0.476),
        ("FARGATE", {"vCPU", "memory", "load balancer"}, 1.0, 0.69),
        ("c6i.large", {"instances"}, 2.0, 0.410),
        ("m6i.large", {"instances"}, 2.0, 0.463),
    ],
)
def test_the_utilisation_above_which_always_on_beats_lambda(
    kind: str, parts: set[str], vcpu: float, share: float
) -> None:
    assert _break_even_share(kind, parts, vcpu) == within_a_per_cent(share)


def test_one_fargate_task_for_one_item_never_pays() -> None:
    arm = an_arm("batch", vcpu=0.25, memory_mb=512)
    task_usd = usd(batch.demands(arm, figures(), EVEN), 1, "vCPU", "memory")
    assert task_usd == within_a_per_cent(0.000206)
    second = function.demands(an_arm("function", memory_mb=512), figures(billed_s=1.0))
    assert task_usd / usd(second, 1, "duration") == within_a_per_cent(24.7)


def cell(**sums: float) -> pd.DataFrame:
    """One cell of a service's drop, of which these sums are known."""
    return pd.DataFrame([{"block": 0, "arm": "service", "phase": "drop"} | dict.fromkeys(SUMS, 0.0) | sums])


@pytest.mark.parametrize(
    ("bursts", "seen"),
    [
        ({"drop"}, {"span_s": 10.0, "task_s": 20.0, "busy_s": 20.0}),  # all at once: busy all the time
        (set(), {"span_s": 50.0, "task_s": 100.0, "busy_s": 20.0}),  # a fifth of the time: CPU bounds it
    ],
)
def test_two_tasks_do_not_carry_100_cpu_bound_requests_at_once(
    bursts: set[str], seen: dict[str, float]
) -> None:
    """Requests of 200 ms of CPU, 100 at once, are 500 a second; two tasks of 1 vCPU did 100 of them in 10 s of work."""
    arm = an_arm("service", vcpu=1, memory_mb=2048, tasks=2)
    measured = cell(tries=100, ok=100, handler_s=20.0, cpu_s=20.0, bytes_out=1e6, **seen)
    sums = block_sums(arm, measured, bursts)
    assert sums is not None
    found = sums.figures()
    demands = service.demands(arm, found, Carrying(found.rate_per_s, 1.0, "measured"), EVEN)
    vcpu = next(each for each in demands if each.part == "vCPU")
    assert vcpu.units(500 * MONTH_S) / MONTH_H == pytest.approx(100, rel=0.001), "not 2"
    assert usd(demands, 500 * MONTH_S, "vCPU") == within_a_per_cent(50 * 59.10)
