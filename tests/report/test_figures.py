"""What the charts over time, the headroom and the switches are computed from, against rows that are known."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.advice import advise
from harness.advice.question import Question
from harness.analysis import units
from harness.analysis.headroom import headroom
from harness.analysis.rates import rates
from harness.analysis.records import records
from harness.analysis.timeline import timeline
from harness.report import named, time_charts
from harness.report.answer import answer, told
from harness.report.assumptions import assumptions, costs
from harness.report.contents import Contents
from harness.report.failed import failure_tables
from harness.report.html import csv_of
from harness.report.method import method_tables
from harness.report.results import first_tables, result_tables
from harness.runs import Run
from tests.rows import an_event
from tests.synthetic import EPOCH_NS, MIB, empty_run, make_run

ARMS = ["function", "batch", "service"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r")


def with_events(run: Run, rows: list[Any]) -> Run:
    names = list(run.events.columns)
    return replace(
        run, events=pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)
    )


@given(st.floats(1e-6, 1e5))
def test_a_text_of_seconds_sorts_as_its_seconds(seconds: float) -> None:
    found = units.value(units.duration(seconds))
    assert found == pytest.approx(seconds, rel=0.01)


@given(st.floats(1, 1e13))
def test_a_text_of_bytes_sorts_as_its_bytes(size: float) -> None:
    assert units.value(units.size(size)) == pytest.approx(size, rel=0.5 if size < 10 else 0.06)


@given(st.floats(0.01, 1e9))
def test_a_text_of_dollars_sorts_as_its_dollars(usd: float) -> None:
    assert units.value(units.money(usd)) == pytest.approx(usd, rel=0.01)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("28.4 ms (22.5 ms to 33.5 ms)", 0.0284), ("502 (470 to 540) ms", 0.502), ("144 of 144", 144), ("14 %", 0.14),
        ("< 0.001", 0.001), ("-3.5 s", -3.5), ("3 min 20 s", 200), ("10.3/s", 10.3), ("$1,234.50", 1234.5),
        ("-", None), ("too few", None), ("function", None), ("", None), ("2026-11-24", None),
    ],
)  # fmt: skip
def test_the_figure_that_a_cell_begins_with(text: str, value: float | None) -> None:
    assert units.value(text) == (pytest.approx(value) if value is not None else None)


def test_items_a_second_over_time_add_up_to_the_items(run: Run) -> None:
    found = rates(run, ["service"])
    steady = found[(found["phase"] == "steady")]
    width_s = steady["at_s"].diff().median()
    # 24 items in each block; the median block of each step is close to the mean of them.
    assert (steady["items_per_s"] * width_s).sum() == pytest.approx(24, rel=0.25)
    assert (steady["low"] <= steady["items_per_s"]).all() and (steady["items_per_s"] <= steady["high"]).all()
    assert rates(empty_like(run), ["service"]).empty


def test_a_step_of_the_rate_has_items_enough_to_be_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", blocks=3, items=12, aa=None)
    found = rates(run, ["service"])
    for _, own in found.groupby("phase"):
        assert len(own) - 1 == 12 / 3, "of three items each"


def test_the_picture_of_the_rate_tells_the_rates_of_the_summary(run: Run) -> None:
    contents = Contents(run)
    drawn = time_charts.throughput(contents)
    assert drawn is not None
    for row in records(contents.summary):
        if row.arm != "function-aa":
            assert f"{units.rate(row.throughput_items_per_s)} by {row.arm}" in drawn.shows


def empty_like(run: Run) -> Run:
    return replace(run, attempts=run.attempts.iloc[:0])


def test_lanes_frozen_times_and_marks_of_a_block(run: Run) -> None:
    second = 10**9

    def at(seconds: float, kind: str, container: str = "", **more: Any) -> Any:
        return an_event(block=3, arm="function", kind=kind, container=container,
                        at_ns=EPOCH_NS + round(seconds * second), **more)  # fmt: skip

    events = [
        at(0, "arm_started"), at(1, "container_started", "a"), at(2, "container_started", "b"),
        at(3, "container_frozen", "a"), at(6, "container_thawed", "a"), at(7, "container_frozen", "b"),
        at(8, "container_ended", "a"), at(9, "container_started", "c"), at(9.5, "container_evicted", "b"),
        at(10, "container_ended", "b"), at(12, "container_ended", "c"),
    ]  # fmt: skip
    found = timeline(with_events(run, events), ["function"])
    assert found is not None and found.block == 3
    spans = {(row.container, row.state): row for row in records(found.spans)}
    assert (spans["a", "frozen"].start_s, spans["a", "frozen"].end_s) == (3, 6)
    assert (spans["b", "frozen"].start_s, spans["b", "frozen"].end_s) == (7, 10), "until it ends"
    assert spans["c", "running"].lane == spans["a", "running"].lane, "a's lane is free again"
    assert spans["b", "running"].lane == 2
    assert found.marks[["what", "at_s", "lane"]].to_numpy().tolist() == [["evicted", 9.5, 2]]
    use = found.use.set_index("at_s")["containers"]
    assert use.tolist()[0] == 0 and max(use.tolist()) == 2


def test_every_kill_for_memory_has_its_mark_and_the_time_until_the_restart_is_a_gap(run: Run) -> None:
    def at(seconds: float, kind: str, container: str = "a", *, killed: bool = False, **more: Any) -> Any:
        detail = {"exit_code": 137, "out_of_memory": killed} if kind == "container_ended" else more
        return an_event(block=2, arm="function", kind=kind, container=container, detail=json.dumps(detail),
                        at_ns=EPOCH_NS + round(seconds * 10**9))  # fmt: skip

    events = [
        at(0, "arm_started", ""), at(1, "container_started"), at(1.5, "container_started", "b"),
        at(2, "container_frozen"), at(2.5, "container_thawed"), at(3, "container_ended", killed=True),
        at(5, "container_started", again=True), at(6, "container_frozen"), at(8, "container_thawed"),
        at(9, "container_ended", killed=True), at(10, "container_ended", "b"),
    ]  # fmt: skip
    found = timeline(with_events(run, events), ["function"])
    assert found is not None
    own = found.spans[found.spans["container"] == "a"]
    assert own[["lane", "state", "start_s", "end_s"]].to_numpy().tolist() == [
        [1, "running", 1, 2], [1, "frozen", 2, 2.5], [1, "running", 2.5, 3],
        [1, "running", 5, 6], [1, "frozen", 6, 8], [1, "running", 8, 9],
    ]  # fmt: skip
    assert found.marks[["what", "at_s", "lane"]].to_numpy().tolist() == [
        ["killed for its memory", 3, 1], ["killed for its memory", 9, 1],
    ]  # fmt: skip
    up = found.use.set_index("at_s")["containers"]
    assert (up.loc[2.6:2.8].max(), up.loc[3.1:4.7].max(), up.loc[5.1:8.7].max()) == (2, 1, 2)


@pytest.mark.parametrize("most", [1, 2, 5, 37])
def test_the_axis_of_containers_has_whole_numbers_only(run: Run, most: int) -> None:
    def at(seconds: float, kind: str, container: str = "") -> Any:
        return an_event(
            block=2, arm="function", kind=kind, container=container, at_ns=EPOCH_NS + round(seconds * 1e9)
        )

    names = [f"c{number}" for number in range(most)]
    events = [at(0, "arm_started"), *(at(1, "container_started", name) for name in names),
              *(at(2, "container_ended", name) for name in names)]  # fmt: skip
    drawn = time_charts.timeline(Contents(with_events(run, events)))
    assert drawn is not None
    axis = drawn.chart.to_dict()["vconcat"][1]["encoding"]["y"]["axis"]
    assert axis["values"][0] == 0 and 2 <= len(axis["values"]) <= 6 and axis["format"] == "d"
    assert all(isinstance(value, int) for value in axis["values"])


def test_the_block_in_which_most_happened_is_shown(run: Run) -> None:
    plain = timeline(run, ARMS)
    assert plain is not None and plain.block == 1, "the first that is no warm-up"
    events = run.events
    extra = an_event(block=5, arm="function", kind="throttled", at_ns=int(events["at_ns"].max()))
    row = pd.DataFrame([[getattr(extra, name) for name in events.columns]], columns=events.columns)
    frame = pd.concat([events.astype(row.dtypes.to_dict()), row], ignore_index=True)
    busy = timeline(replace(run, events=frame), ARMS)
    assert busy is not None and busy.block == 5


def test_cpu_and_memory_over_time_are_those_of_the_samples(run: Run) -> None:
    found = timeline(run, ["service"])
    assert found is not None
    step_s = found.use["at_s"].diff().median()
    own = run.samples[(run.samples["block"] == found.block) & (run.samples["arm"] == "service")]
    total_s = own.groupby("container", observed=True)["cpu_s"].max().sum()
    assert (found.use["cpu_cores"] * step_s).sum() == pytest.approx(total_s, rel=0.25)
    assert found.use["memory_bytes"].max() <= own["memory_bytes"].max() * 2


def test_headroom_tells_the_size_that_would_do(run: Run) -> None:
    table = headroom(run).set_index("arm")
    assert table.loc["function", "memory_peak_bytes"] == 60 * MIB
    assert table.loc["function", "would_do_mb"] == 128, "no function is smaller"
    assert table.loc["batch", "would_do_mb"] == 1024, "Fargate's least with half a vCPU"


def test_a_peak_at_the_limit_says_nothing_of_what_would_do(run: Run) -> None:
    arms = {name: about | {"limits": about["limits"] | {"memory_bytes": 60 * MIB}} for name, about in run.manifest["arms"].items()}  # noqa: E501  # fmt: skip
    table = headroom(replace(run, manifest=run.manifest | {"arms": arms}))
    assert table["would_do_mb"].isna().all()
    assert table["would_do"].str.contains("not known").all()


def test_a_peak_beyond_a_limit_that_was_only_watched_does_say_it(run: Run) -> None:
    arms = {name: about | {"limits": about["limits"] | {"memory_bytes": 20 * MIB}} for name, about in run.manifest["arms"].items()}  # noqa: E501  # fmt: skip
    table = headroom(replace(run, manifest=run.manifest | {"arms": arms}))
    assert table["would_do_mb"].notna().all()


def test_the_answer_is_that_of_the_advice(run: Run) -> None:
    found, advice = answer(Contents(run)), advise(run)
    assert found is not None and advice.best is not None and advice.second is not None
    assert found.advised == advice.best.arm
    better, sure, flip, speed = found.facts
    assert units.money(advice.premium_usd) in better.figure
    assert advice.second.arm in better.lines[0]
    assert str(advice.confidence.draws) in sure.figure
    assert flip.label == "modelled" and better.label == sure.label == "priced" and speed.label == "measured"
    own, least = advice.second.own_usd, advice.best.own_usd
    assert advice.best.common_usd > 0
    apart = (
        f"{units.digits(own / least)} times as much"
        if own >= 2 * least
        else f"{units.percent(own / least - 1)} more"
    )
    assert better.lines[0].endswith(f"(its own part {apart})")
    assert len(list(told(found))) == 5


def test_too_few_items_for_a_median_are_told_in_its_place(tmp_path: Path) -> None:
    found = answer(Contents(make_run(tmp_path / "r", blocks=1, items=4, aa=None)))
    assert found is not None
    fact = found.facts[-1]
    assert fact.figure == "too few items for a median"
    assert fact.lines == (f"A median takes 6 items; {found.advised} did 4 items in steady, 4 items in drop.",)


def test_there_is_no_answer_without_a_price(tmp_path: Path) -> None:
    assert answer(Contents(empty_run(tmp_path / "r"))) is None


def test_every_way_in_which_switches_stand_has_its_case_and_agrees_with_the_advice(run: Run) -> None:
    (found,) = assumptions(Contents(run))
    ways = np.prod([len(switch.choices) for switch in found.switches])
    assert len({case.keys for case in found.cases}) == len(found.cases) == ways
    assert found.cases[0].keys == " ".join(switch.chosen for switch in found.switches)
    for case in found.cases:
        items, speed, free = (float(key) for key in case.keys.split())
        if speed == 1:
            best = advise(run, Question(items_per_month=items, free_tier=bool(free))).best
            assert best is not None
            assert case.verdict.startswith(f"{best.arm} is the cheapest, at {units.money(best.usd)}")


def test_a_slower_aws_costs_a_function_more_and_the_free_tier_less(run: Run) -> None:
    table = costs(Contents(run).model, [1e6])
    own = table[table["arm"] == "function"].set_index(["speed", "free"])["usd"]
    assert own[0.5, False] < own[1.0, False] < own[2.0, False]
    assert own[1.0, True] < own[1.0, False]


def test_a_csv_link_holds_the_rows() -> None:
    link = csv_of(pd.DataFrame({"a": [1.5, 2.0], "b": ["x", "y,z"]}))
    head, _, rows = link.partition(",")
    assert head == "data:text/csv;charset=utf-8;base64"
    assert base64.b64decode(rows).decode() == 'a,b\n1.5,x\n2,"y,z"\n'


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("memory_bytes", 25276510208, ("memory", "23.5 GiB")), ("swap_bytes", 0, ("swap", "0 B")),
        ("load_1m", 0.521484375, ("load, mean of 1 min", "0.521")), ("cores", 2, ("cores", "2")),
        ("driver_preferred", True, ("driver had priority", "yes")), ("harness_cpu_s", 6.52, ("harness CPU", "6.52 s")),
        ("harness_cpu_s_per_attempt", 0.004, ("harness CPU per attempt", "4.00 ms")),
        ("samples_per_s", 20.0, ("samples", "20.0/s")), ("seed", 20261123, ("seed", "20261123")),
        ("engine os", "Debian", ("system", "Debian")), ("cpu_model", "EPYC", ("CPU model", "EPYC")),
    ],
)  # fmt: skip
def test_a_figure_is_told_by_how_its_name_ends(name: str, value: Any, told: tuple[str, str]) -> None:
    assert (named.title(name), named.text(name, value)) == told


def test_method_tables_have_units_and_no_structures_of_python(run: Run) -> None:
    tables = method_tables(Contents(run))
    cells = [cell for table in tables for row in table.rows for cell in row]
    for cell in cells:
        assert not re.search(r"[{}\[\]]|True|False|None|\d{7,}\.|\.\d{6,}", cell), cell
    machine = dict(next(table for table in tables if table.caption.startswith("Machine")).rows)
    assert machine["memory"] == "8.00 GiB"
    assert machine["limit of CPU"] == "enforced" and machine["limit of memory"] == "enforced"


def test_the_csv_of_a_table_of_measurements_has_figures_with_units_in_their_names(run: Run) -> None:
    contents = Contents(run)
    tables = [*first_tables(contents), *result_tables(contents), *method_tables(contents)]
    known = {table.caption: table for table in tables if table.raw is not None}
    assert known.keys() >= {
        "Summary (measured)", "Arms against each other (measured)", "The work itself (measured)", "Steadiness",
        "Cold against warm, and where the time goes (measured)", "What each placement adds to an attempt",
    }  # fmt: skip
    for caption, table in known.items():
        rows = base64.b64decode(csv_of(table).partition(",")[2]).decode()
        assert not re.search(r"\d (ms|s|MiB|GiB)\b|\d to \d", rows), caption
        assert len(pd.read_csv(io.StringIO(rows))) == len(table.rows)


def test_one_size_has_one_line_on_its_units(run: Run) -> None:
    notes = " ".join(table.note for table in method_tables(Contents(run)))
    assert "1,024 MB of a function, 1,024 MiB of its container and 1 GB on its bill are one size" in notes


def test_failures_are_counted_by_kind_and_text(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", blocks=3, failed_share=0.2)
    (table,) = failure_tables(Contents(run))
    failed = (run.attempts["outcome"] != "ok").sum()
    assert sum(int(row[4]) for row in table.rows) == failed > 0
    assert {tuple(row[2:4]) for row in table.rows} == {("error", "made to fail")}
    assert failure_tables(Contents(make_run(tmp_path / "s", blocks=1))) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (135_578, "135,578"), (25_220_626, "25.22 million"), (4_046_149_965, "4.046 billion"),
        (1e10, "10.00 billion"), (1, "1"), (None, units.NONE), (float("nan"), units.NONE),
    ],
)  # fmt: skip
def test_counts_have_as_many_digits_as_are_known(number: float | None, text: str) -> None:
    assert units.count(number) == text
