"""What an answer says: outcome, the workload's account, and error text."""

from __future__ import annotations

import json

import pytest

from harness.placements.service.client import judge
from harness.rows import Outcome

ACCOUNT = {"started_ns": 1, "done_ns": 2}
UNAVAILABLE = "<html><body><h1>503 Service Unavailable</h1>\n No server is available</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "outcome", "error"),
    [
        (200, ACCOUNT, None, Outcome.OK, ""),
        (200, "hello", None, Outcome.ERROR, "the answer is not an account of the item: hello"),
        (200, {"started_ns": 1}, None, Outcome.ERROR, "the answer lacks done_ns: {'started_ns': 1}"),
        (500, ACCOUNT | {"error": "ValueError: no"}, None, Outcome.ERROR, "ValueError: no"),
        (500, "", None, Outcome.ERROR, "HTTP 500"),
        (503, {"error": "the queue is full"}, "1", Outcome.THROTTLED, "the queue is full (503, Retry-After: 1)"),
        (503, {"error": "it is to stop"}, None, Outcome.ERROR, "it is to stop"),
        (504, {"error": "it took too long"}, None, Outcome.TIMEOUT, "it took too long"),
        (404, ["nothing"], None, Outcome.ERROR, "['nothing']"),
    ],
)  # fmt: skip
def test_an_answer_is_judged_by_its_status_and_its_account(
    status: int, body: object, retry_after: str | None, outcome: Outcome, error: str
) -> None:
    found, result, told = judge(status, json.dumps(body), retry_after)
    assert (found, told) == (outcome, error)
    assert (result is not None) == (isinstance(body, dict) and body.keys() >= ACCOUNT.keys())


def test_what_is_no_json_is_told_on_one_line() -> None:
    assert judge(503, UNAVAILABLE, None) == (
        Outcome.ERROR, None, "<html><body><h1>503 Service Unavailable</h1> No server is available</body></html>"
    )  # fmt: skip
    assert judge(504, "", None)[0] is Outcome.TIMEOUT
    assert len(judge(500, "x" * 9000, None)[2]) == 500
