"""Event streams against botocore's decoder, and streamed answers against boto3 and plain HTTP."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import logging
import threading
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from harness.placements.function.invocation import Invoked, Request, Sink, throttled
from harness.serve.eventstream import encode_headers, frame
from tests.serve import STREAMING, Api, Fake, answered, complete_log, failed, serving

NAMES = st.text(min_size=1, max_size=60).filter(lambda text: len(text.encode()) <= 255)
HEADERS = st.dictionaries(NAMES, st.text(max_size=60), max_size=6)


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=300)), min_size=1, max_size=4), st.integers(1, 64))
def test_frames_decode_to_what_was_encoded_however_they_are_cut(
    messages: list[tuple[dict[str, str], bytes]], step: int
) -> None:
    stream = b"".join(frame(encode_headers(headers), payload) for headers, payload in messages)
    buffer = EventStreamBuffer()
    decoded: list[Any] = []
    for start in range(0, len(stream), step):
        buffer.add_data(stream[start : start + step])
        decoded += list(buffer)
    assert [(message.headers, message.payload) for message in decoded] == messages


def test_a_large_payload_is_one_frame() -> None:
    payload = bytes(range(256)) * (6 * 4096)
    buffer = EventStreamBuffer()
    buffer.add_data(frame(encode_headers({}), payload))
    assert next(buffer).payload == payload


def stream(api: Api, **arguments: Any) -> Any:
    return api.client().invoke_with_response_stream(FunctionName="thumbnail", **arguments)


async def three_pieces(request: Request, sink: Sink | None) -> Invoked:
    assert sink is not None
    for piece in (b"one ", b"", b"two ", b"three"):
        await sink(piece)
    return answered(request, b"", log=complete_log(request, b"START ... REPORT"))


def test_an_answer_comes_in_the_pieces_that_the_function_sent() -> None:
    fake = Fake(three_pieces)
    with serving(fake) as api:
        answer = stream(api, Payload=b'{"item": 1}')
        events = list(answer["EventStream"])
    assert events == [
        {"PayloadChunk": {"Payload": b"one "}},
        {"PayloadChunk": {"Payload": b"two "}},
        {"PayloadChunk": {"Payload": b"three"}},
        {"InvokeComplete": {}},
    ]
    (request,) = fake.invoked
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    assert answer["ResponseMetadata"]["RequestId"] == request.request_id
    assert headers["x-amzn-trace-id"] == request.trace_id
    assert request.payload == b'{"item": 1}'


def test_the_first_piece_arrives_before_the_function_has_finished() -> None:
    go_on = threading.Event()

    async def in_two_parts(request: Request, sink: Sink | None) -> Invoked:
        assert sink is not None
        await sink(b"first")
        if not await asyncio.to_thread(go_on.wait, 10):
            raise TimeoutError
        await sink(b"second")
        return answered(request, b"")

    with serving(Fake(in_two_parts)) as api:
        events = iter(stream(api)["EventStream"])
        assert next(events) == {"PayloadChunk": {"Payload": b"first"}}
        go_on.set()
        assert list(events) == [{"PayloadChunk": {"Payload": b"second"}}, {"InvokeComplete": {}}]


def test_a_function_that_does_not_stream_answers_in_one_piece() -> None:
    with serving(Fake()) as api:
        events = list(stream(api, Payload=b"[1]")["EventStream"])
    assert events == [{"PayloadChunk": {"Payload": b"[1]"}}, {"InvokeComplete": {}}]


def test_an_answer_of_nothing_is_complete_all_the_same() -> None:
    async def nothing(request: Request, sink: Sink | None) -> Invoked:
        return answered(request, b"")

    with serving(Fake(nothing)) as api:
        assert list(stream(api)["EventStream"]) == [{"InvokeComplete": {}}]


def test_the_log_comes_with_the_end_if_asked_for() -> None:
    with serving(Fake(three_pieces)) as api:
        end = list(stream(api, LogType="Tail")["EventStream"])[-1]["InvokeComplete"]
    assert base64.b64decode(end["LogResult"]) == b"START ... REPORT"


def test_a_function_error_comes_with_the_end() -> None:
    document = b'{"errorMessage": "no good", "errorType": "ValueError"}'

    async def midway(request: Request, sink: Sink | None) -> Invoked:
        assert sink is not None
        await sink(b"so far")
        return failed(request, document)

    with serving(Fake(midway)) as api:
        piece, end = stream(api)["EventStream"]
    assert piece == {"PayloadChunk": {"Payload": b"so far"}}
    assert end == {"InvokeComplete": {"ErrorCode": "Unhandled", "ErrorDetails": document.decode()}}


def test_a_refusal_is_one_of_http_while_nothing_was_sent() -> None:
    async def refuse(request: Request, sink: Sink | None) -> Invoked:
        raise throttled("ConcurrentInvocationLimitExceeded")

    with serving(Fake(refuse)) as api:
        client = api.client()
        with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
            client.invoke_with_response_stream(FunctionName="thumbnail")
    assert caught.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"


def test_a_failure_after_the_first_piece_ends_the_stream_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async def break_down(request: Request, sink: Sink | None) -> Invoked:
        assert sink is not None
        await sink(b"so far")
        raise RuntimeError("the engine went away")

    with serving(Fake(break_down)) as api, caplog.at_level(logging.ERROR):
        *_, end = stream(api)["EventStream"]
    details = "RuntimeError: the engine went away"
    assert end == {"InvokeComplete": {"ErrorCode": "ServiceException", "ErrorDetails": details}}
    assert "the engine went away" in caplog.text


def test_a_dry_run_invokes_nothing() -> None:
    fake = Fake()
    with serving(fake) as api:
        answer = stream(api, InvocationType="DryRun")
        assert answer["StatusCode"] == 204
    assert fake.invoked == []


def test_there_are_no_streamed_events() -> None:
    with serving(Fake()) as api, pytest.raises(ClientError, match=r"\[RequestResponse, DryRun\]"):
        stream(api, InvocationType="Event")


@pytest.mark.parametrize("cancelling", [False, True])
def test_a_function_streams_on_when_its_client_has_left(cancelling: bool) -> None:
    left, finished = threading.Event(), threading.Event()

    async def long(request: Request, sink: Sink | None) -> Invoked:
        assert sink is not None
        await sink(b"first")
        await asyncio.to_thread(left.wait, 10)
        for _ in range(50):
            await sink(bytes(100_000))
            await asyncio.sleep(0.002)
        finished.set()
        return answered(request, b"")

    with serving(Fake(long), handler_cancellation=cancelling) as api:
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
        connection.request("POST", STREAMING, b"{}")
        response = connection.getresponse()
        assert b"first" in response.read1()
        response.close()
        connection.close()
        left.set()
        assert finished.wait(10)


def test_what_is_refused_before_is_refused_here_too() -> None:
    with serving(Fake()) as api:
        response, body = api.ask("POST", STREAMING, b"no json")
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "InvalidRequestContentException")
    assert json.dumps(body).count("Could not parse request body into json") == 1
