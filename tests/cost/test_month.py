"""A month: what it grows with, its interval, its shapes, and what one task carries."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness import scenario
from harness.cost import batch, function, service
from harness.cost.breakeven import FEWEST, LOAD, MOST, break_even, memory_curve, plot_data
from harness.cost.curve import MOST_STEPS, crossings
from harness.cost.demand import words
from harness.cost.model import cost_model
from harness.cost.month import load_of, month, month_bill
from harness.cost.quantity import Stepped, Summed
from harness.cost.service import Carrying
from harness.cost.terms import MONTH_S, Shape, Terms
from harness.scenario import ScenarioError
from tests.cost.made import ALWAYS, BOOK, TERMS, an_arm, calculated, curve, figures, usd
from tests.synthetic import empty_run, make_run

EVEN = Shape()
INSTANCES = [{"name": "m5.large", "vcpu": 2, "memory_mb": 8192}]
ARMS = {
    "function": an_arm("function", tmp_mb=1024),
    "provisioned": an_arm("function", provisioned_concurrency=2),
    "batch": an_arm("batch", window_s=1.0, array_size=4),
    "batch, alone": an_arm("batch", window_s=0.0),
    "batch on EC2": an_arm("batch", compute="EC2", instances=INSTANCES, idle_s=30.0),
    "batch on Spot, kept": an_arm("batch", compute="SPOT", instances=INSTANCES, min_vcpu=2),
    "service": an_arm("service", tasks=2),
    "scaled service": an_arm("service", scaling={"min_tasks": 1, "max_tasks": 9}),
    "service on EC2": an_arm("service", compute="EC2", instances=INSTANCES, tasks=3),
    "Lightsail": an_arm("service", compute="LIGHTSAIL_CONTAINERS", bundle="micro"),
    "Lightsail instance": an_arm("service", compute="LIGHTSAIL_INSTANCES", bundle="small"),
}
items = st.floats(1, 1e10)


def demands(name: str, slower: float = 1.0, shape: Shape = EVEN) -> list[Any]:
    arm, own = ARMS[name], figures().slower(slower)
    if arm.kind == "function":
        return function.demands(arm, own)
    if arm.kind == "batch":
        return batch.demands(arm, own, shape)
    return service.demands(arm, own, Carrying(own.rate_per_s, 0.6, "made up"), shape)


@pytest.mark.parametrize("name", ARMS)
@given(one=items, two=items, free=st.booleans(), diurnal=st.booleans())
def test_more_items_cost_no_less(name: str, one: float, two: float, free: bool, diurnal: bool) -> None:
    shape = Shape("diurnal", 10) if diurnal else EVEN
    low, high = curve(demands(name, shape=shape), terms=Terms(BOOK, free_tier=free))(sorted([one, two]))
    assert 0 <= low <= high + 1e-6


@pytest.mark.parametrize("name", ARMS)
@given(one=st.floats(0.01, 100), two=st.floats(0.01, 100), many=st.floats(1, 1e8))
def test_longer_items_cost_no_less(name: str, one: float, two: float, many: float) -> None:
    low, high = sorted([one, two])
    assert usd(demands(name, low), many) <= usd(demands(name, high), many) * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("name", ARMS)
@given(many=items)
def test_the_free_tier_never_costs(name: str, many: float) -> None:
    with_free = usd(demands(name), many, terms=Terms(BOOK, free_tier=True))
    assert 0 <= with_free <= usd(demands(name), many)


@pytest.mark.parametrize("name", [each for each in ARMS if each != "Lightsail instance"])
@given(factor=st.floats(0.01, 50), many=st.floats(1, 1e8))
def test_the_curve_over_duration_is_the_cost_of_items_that_take_so_long(
    name: str, factor: float, many: float
) -> None:
    over = sum(float(each.over_duration(TERMS, many)(factor)) for each in demands(name))
    # The share of a job's start does not grow with duration twice, and an instance waits as long as ever.
    loose = 0.02 if ARMS[name].kind == "batch" else 1e-9
    assert over == pytest.approx(usd(demands(name, factor), many), rel=loose, abs=loose)


@pytest.mark.parametrize("name", ARMS)
@given(many=items, diurnal=st.booleans())
def test_the_words_of_a_quantity_give_its_units(name: str, many: float, diurnal: bool) -> None:
    for each in demands(name, shape=Shape("diurnal", 10) if diurnal else EVEN):
        steps = each.quantity.parts if isinstance(each.quantity, Summed) else [each.quantity]
        # A task that is full to the last digit shown may be told as one more; beyond so many steps there are none.
        edges = [many / step.capacity for step in steps if isinstance(step, Stepped)]
        assume(all(abs(edge - round(edge)) > 1e-4 * edge and edge < MOST_STEPS for edge in edges))
        assert calculated(words(each.quantity, many)) == pytest.approx(each.units(many), rel=1e-5)


def test_the_words_of_steps_and_of_a_least_charge() -> None:
    (vcpu, *_) = demands("service")
    hour = 8 * 0.6 * MONTH_S
    assert words(vcpu.quantity, hour * 2.5).startswith("3 (")
    assert "rounded up to 3, at least 2) x 365" in words(vcpu.quantity, hour * 2.5)
    (least, *_) = demands("batch, alone")
    assert words(least.quantity, 1000.0) == "the greater of 1,000 x 0.00001391204 and 1,000 x 0.008333333"


def test_tasks_are_for_the_busiest_hour_unless_they_are_scaled() -> None:
    load = 4.8 * MONTH_S * 3  # three tasks' worth, if it came evenly
    night_and_day = Shape("even", 6)
    for name, shape, tasks in (
        ("service", EVEN, 3), ("service", night_and_day, 12), ("scaled service", night_and_day, (12 * 6 + 1 * 18) / 24),
    ):  # fmt: skip
        vcpu = next(each for each in demands(name, shape=shape) if each.part == "vCPU")
        assert vcpu.units(load * (1 - 1e-9)) / 0.5 / 730 == pytest.approx(tasks), (name, str(shape))


def test_hours_of_the_same_share_are_one_step() -> None:
    """Ten active hours of a sine are five shares, each in two hours, and fourteen hours without an item."""
    vcpu = next(each for each in demands("scaled service", shape=Shape("diurnal", 10)) if each.part == "vCPU")
    assert isinstance(vcpu.quantity, Summed)
    assert len(vcpu.quantity.parts) == 1 + 5
    shares = Shape("diurnal", 10).shares()
    tasks = sum(max(1, math.ceil(5e7 * each / (4.8 * 3600 * MONTH_S / 86_400))) for each in shares)
    assert vcpu.units(5e7) == pytest.approx(0.5 * tasks * MONTH_S / 86_400)


@given(st.sampled_from(["even", "diurnal"]), st.integers(1, 24))
def test_the_shares_of_a_day_add_up(name: str, hours: int) -> None:
    shares = Shape(name, hours).shares()
    assert len(shares) == 24
    assert sum(shares) == pytest.approx(1)
    assert min(shares) >= 0


def test_bad_terms_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape: got 'weekly'.*even.*diurnal"):
        Shape("weekly")
    with pytest.raises(ValueError, match=r"speed_factor: got 0, allowed: 0.001 to 1000"):
        Terms(BOOK, speed_factor=0)


def scenario_with(path: Path, line: str) -> Path:
    path.write_text(line + "\n" + scenario.find("quick").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_a_scenario_may_say_how_fast_aws_is(tmp_path: Path) -> None:
    chosen = scenario.load(scenario_with(tmp_path / "s.toml", "speed_factor = 1.5"))
    assert chosen.speed_factor == 1.5
    run = make_run(tmp_path / "r")
    manifest = run.manifest | {"scenario": run.manifest["scenario"] | {"speed_factor": 1.5}}
    slow, usual = cost_model(replace(run, manifest=manifest)), cost_model(run)
    figures_ = [model.option("function").figures.billed_s for model in (slow, usual)]
    assert figures_[0] / figures_[1] == pytest.approx(1.5, rel=0.01)
    with pytest.raises(ScenarioError, match=r"speed_factor: .*greater than or equal to 0.001"):
        scenario.load(scenario_with(tmp_path / "t.toml", "speed_factor = 0"))


def test_a_lightsail_instance_is_held_to_its_baseline() -> None:
    """A small one has 2 vCPU of which 20 % may be used for ever: 0.4 CPU seconds a second, of 0.08 s an item."""
    (bundles,) = demands("Lightsail instance")
    assert bundles.units(4.8 * MONTH_S) == pytest.approx(2), (
        "the tasks of the scenario, of which each could do 4.8"
    )
    (slow,) = demands("Lightsail instance", 4.0)
    assert slow.units(1.19 * MONTH_S * 3) == pytest.approx(3)
    assert "CPU baseline" in service.demands(
        ARMS["Lightsail instance"], figures(cpu_s=1.0), ALWAYS, EVEN
    )[0].why  # fmt: skip


def test_the_interval_holds_the_value_and_narrows_with_agreement(tmp_path: Path) -> None:
    table: Any = month(cost_model(make_run(tmp_path / "r")), [1e6, 1e8])
    assert set(table["arm"]) == {"function", "batch", "service"}
    assert (table["low"] <= table["usd"] + 1e-9).all()
    assert (table["usd"] <= table["high"] + 1e-9).all()
    functions = table[table["arm"] == "function"]
    assert (functions["low"] < functions["usd"]).all()
    assert month(cost_model(make_run(tmp_path / "one", blocks=1, warmup_blocks=0)), [1e6])["low"].isna().all()


def test_a_month_part_by_part_adds_up(tmp_path: Path) -> None:
    model = cost_model(make_run(tmp_path / "r"))
    whole: Any = month(model, [5e6]).set_index("arm")["usd"]
    parts: Any = month_bill(model, 5e6).groupby("arm")["usd"].sum()
    for arm in whole.index:
        assert parts[arm] == pytest.approx(whole[arm])


def test_an_empty_run_has_no_month(tmp_path: Path) -> None:
    model = cost_model(empty_run(tmp_path / "r"))
    assert month(model).empty
    assert break_even(model, 1e6).empty
    assert plot_data(model, LOAD, 1e6).empty


def test_the_load_of_a_run_is_its_fastest_rate_all_month(tmp_path: Path) -> None:
    assert load_of(make_run(tmp_path / "r"))[0] == 10 * MONTH_S
    assert load_of(empty_run(tmp_path / "e"))[0] == 1e6


def test_break_even_points_cost_the_same_to_the_cent(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    # A function that costs as much as tasks do somewhere in the middle.
    run.manifest["scenario"]["placements"] = {"function": {"tmp_mb": 10_240}, "service": {"tasks": 2}}
    model = cost_model(run)
    function_, service_ = model.option("function"), model.option("service")
    (first, *_) = crossings(model.curve(function_), model.curve(service_), FEWEST, MOST)
    a, b = (float(model.curve(each)(first.at)) for each in (function_, service_))
    assert first.equal
    assert round(a, 2) == round(b, 2) == round(first.usd, 2)
    table: Any = break_even(model, 1e6)
    row = table[
        (table["first"] == "function") & (table["second"] == "service") & (table["axis"] == "items a month")
    ].iloc[0]
    assert row["at"] == first.at
    assert row["low"] <= row["at"] <= row["high"]
    assert (row["below"], row["share"]) == ("function", 1.0)
    assert "duration" in set(table["axis"])
    full_per_s = 2 * service_.figures.rate_per_s
    assert row["utilisation"] == pytest.approx(first.at / (full_per_s * MONTH_S)), (
        "two tasks are there, busy or not"
    )


def test_memory_prices_a_function_in_proportion_and_tasks_by_their_sizes(tmp_path: Path) -> None:
    model = cost_model(make_run(tmp_path / "r"))
    one, two = (memory_curve(model, model.option(name), 1e7) for name in ("function", "service"))
    assert float(one(885.0)) == pytest.approx(float(model.curve(model.option("function"))(1e7)))
    compute = float(one(1770.0) - one(885.0))
    assert float(one(2655.0) - one(1770.0)) == pytest.approx(compute)
    assert float(two(885.0)) == float(two(1024.0)) < float(two(1025.0)) == float(two(2048.0))
