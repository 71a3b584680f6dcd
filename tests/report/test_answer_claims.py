"""The first screen of a report claims no more than the advice does."""

from __future__ import annotations

import pytest

from harness import load
from harness.report.answer import Answer, answer, told
from harness.report.contents import Contents
from tests.advice.changes import having
from tests.recorded import RECORDED

P95 = {"expect": "latency_p95_s < 0.2", "phase": "steady"}


def answered(**scenario: object) -> Answer:
    found = answer(Contents(having(load(RECORDED), **scenario)))
    assert found is not None
    return found


def test_what_is_shown_is_advised_and_what_may_do_as_well_is_named() -> None:
    found = answered(objectives=[P95])
    lines = "\n".join(told(found))
    assert found.advised == "service"
    assert found.because.startswith(
        "Of what was measured and is shown to meet latency_p95_s < 0.2 it costs the least"
    )
    assert "function, a Lambda function of 885 MB, costs $191.44" in lines
    assert "not shown to meet" in lines
    assert "12 valid blocks of measurements." in lines


@pytest.mark.parametrize("scenario", [{"objectives": [P95], "speed_factor": 4.0}])
def test_an_objective_is_about_aws_here_too(scenario: dict[str, object]) -> None:
    found = answered(**scenario)
    assert found.advised == ""
    assert any("at speed factor 4" in each for each in found.ruled_out)
    assert next(told(found)) == "**None of the placements of this run can be advised: each is ruled out.**"


def test_a_load_from_which_steps_cross_back_is_told_with_where_it_stays() -> None:
    """Function and service are close where a service's answers arrive as soon as its handlers end."""
    rows = load(RECORDED).attempts.copy()
    mine = rows["arm"].eq("service") & rows["handler_s"].notna()
    rows.loc[mine, "done_ns"] = (rows["started_ns"] + rows["handler_s"].astype("float64") * 1e9)[mine].round()
    flip = next(fact for fact in answered(attempts=rows).facts if fact.question == "Where does it flip?")
    assert flip.figure == "service above 1.91 billion items, off and on above 1.01 billion, a month"
