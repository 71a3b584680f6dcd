from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from harness.judgement import judge
from harness.objectives import Objective
from harness.report.junit import junit
from tests.synthetic import make_run

OBJECTIVES = ["latency_p50_s < 10", "latency_p50_s < 0.001", "latency_p99.9_s < 1", "error_rate < 0.001"]


def test_each_verdict_is_what_ci_systems_know(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", blocks=4)
    asked = [Objective(expect=each, placement="service", phase="drop") for each in OBJECTIVES]
    root = ElementTree.fromstring(junit(run, judge(run, asked)))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {f"drop: {each}" for each in OBJECTIVES}
    assert {case.get("classname") for case in cases.values()} == {"made_up.service"}
    assert len(cases["drop: latency_p50_s < 10"]) == 0
    missed = cases["drop: latency_p50_s < 0.001"].find("failure")
    assert missed is not None
    assert "latency_p50_s < 0.001: found 0." in str(missed.get("message"))
    absent = cases["drop: latency_p99.9_s < 1"].find("failure")
    assert absent is not None
    assert "takes 3688 items" in str(absent.get("message"))
    undecided = cases["drop: error_rate < 0.001"].find("skipped")
    assert undecided is not None
    assert "undecided" in str(undecided.get("message"))
    suite = next(root.iter("testsuite"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "2", "1")
    properties = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert properties["engine"] == "docker"
    assert properties["run"] == "r"
