"""The parts of a stated month: they add up, and a pocket calculator gets the same from their formulas."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from click.testing import CliRunner

from harness.advice import Question, advise
from harness.advice.parts import paragraphs, parts
from harness.cli import main
from harness.cost.terms import Shape
from harness.runs import Run
from harness.scenario import ROOT
from tests.synthetic import make_run

EXAMPLE = ROOT / "results" / "example"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made") / "r")


QUESTIONS = [
    Question(1),
    Question(5e6),
    Question(5e6, free_tier=True),
    Question(7e9, free_tier=True),
    Question(3e8, speed_factor=2.0, shape=Shape("diurnal", 10)),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_parts_add_up_to_the_month_that_is_advised(run: Run, question: Question) -> None:
    found, advice = parts(run, question), advise(run, question)
    for ranked in advice.ranked:
        own = [each for each in found if each.arm == ranked.arm]
        assert sum(each.usd for each in own) == pytest.approx(ranked.usd)
        assert sum(each.usd for each in own if each.common) == pytest.approx(ranked.common_usd)


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_the_formula_of_a_part_gives_its_dollars(run: Run, question: Question) -> None:
    for each in parts(run, question):
        sums = each.formula.rpartition("; ")[2]
        assert calculated(sums) == pytest.approx(each.usd, rel=1e-5, abs=1e-9), each.formula
        quantity = each.formula.partition(" = ")[0].partition(" (")[0] if " = " in each.formula else ""
        if (
            quantity
            and "greater" not in quantity
            and not re.search(r"rounded|\d \(", each.formula.split(" = ")[0])
        ):
            assert calculated(quantity) == pytest.approx(each.quantity, rel=1e-5), each.formula


def calculated(text: str) -> float:
    return float(eval(text.replace(",", "").replace("x", "*")))


def test_what_is_its_own_sum_is_told_once(run: Run) -> None:
    for each in parts(run, Question(1e6)):
        sides = each.formula.partition("; ")[0].split(" = ")
        assert len(sides) == 1 or sides[0].split()[0] != sides[1].split()[0] or " x " in sides[0], (
            each.formula
        )
        assert " x 1 =" not in each.formula


def test_every_placement_that_has_a_price_is_told_and_what_they_share_once(run: Run) -> None:
    told = paragraphs(parts(run, Question(1)), 1)
    assert [heading for heading, _ in told] == [
        f"A month of 1 item: {what}"
        for what in ("function itself", "batch itself", "service itself", "the rest, in any placement")
    ]
    assert all(lines[-1].startswith("in all $") for _, lines in told)
    assert paragraphs([], 1) == []


def test_the_command_prints_them_where_they_are_asked_for_and_json_has_them_always() -> None:
    asked = ["advise", str(EXAMPLE), "--items-per-month", "5e6"]
    plain, whole = (CliRunner().invoke(main, [*asked, *more]).output for more in ([], ["--parts"]))
    assert whole.startswith(plain)
    assert "A month of 5,000,000 items: function itself" in whole
    assert "A month of" not in plain
    assert re.search(r"duration: 5,000,000 x [\d.]+ = [\d,.]+ GB-seconds", whole)
    told = json.loads(CliRunner().invoke(main, [*asked, "--json"]).output)
    one = CliRunner().invoke(main, ["advise", str(EXAMPLE), "--items-per-month", "1"]).output
    assert "  1 item a month (as you asked) costs $" in one
    own: list[Any] = [each for each in told["parts"] if each["arm"] == told["best"]]
    assert math.fsum(each["usd"] for each in own) == pytest.approx(told["ranked"][0]["usd"])
    assert {"part", "quantity", "unit", "usd", "formula", "label", "common"} <= own[0].keys()
