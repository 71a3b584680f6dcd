"""The Invoke API against boto3, and against plain HTTP where boto3 would not send what is refused."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from harness.placements.function.invocation import (
    EVENT_BYTES,
    REQUEST_BYTES,
    Invoked,
    Request,
    Sink,
    throttled,
)
from harness.serve.function_requests import CLIENT_CONTEXT_BYTES
from harness.serve.functions import INVOKE_ASYNC_BYTES
from tests.serve import INVOCATIONS, Api, Behaviour, Fake, answered, complete_log, failed, serving

ARN = "arn:aws:lambda:us-east-1:000000000000:function:thumbnail"
RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def api(fake: Fake) -> Iterator[Api]:
    with serving(fake) as served:
        yield served


def invoke(api: Api, **arguments: Any) -> Any:
    return api.client().invoke(**{"FunctionName": "thumbnail", **arguments})


def refusal(api: Api, **arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        invoke(api, **arguments)
    error = caught.value.response["Error"]
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def json_of(length_bytes: int) -> bytes:
    return b'"' + b"x" * (length_bytes - 2) + b'"'


def encoded(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


# ---- answers


def test_the_payload_passes_unchanged_both_ways(api: Api, fake: Fake) -> None:
    payload = ' {"item" :  "Grüße", "n": 1e400, "half": "\\ud83d"}\n'.encode()
    answer = invoke(api, Payload=payload)
    (request,) = fake.invoked
    assert answer["Payload"].read() == request.payload == payload
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    metadata = answer["ResponseMetadata"]
    assert metadata["RequestId"] == request.request_id
    assert metadata["HTTPHeaders"]["content-type"] == "application/json"


def test_every_request_has_an_id_of_its_own(api: Api, fake: Fake) -> None:
    for _ in range(3):
        invoke(api)
    assert len({request.request_id for request in fake.invoked}) == 3


def test_no_payload_is_an_empty_object(api: Api, fake: Fake) -> None:
    invoke(api)
    invoke(api, Payload=b"")
    assert [request.payload for request in fake.invoked] == [b"{}", b"{}"]


@pytest.mark.parametrize("kind", ["Unhandled", "Handled"])
def test_a_function_error_is_an_answer(kind: str) -> None:
    document = b'{"errorMessage": "no good", "errorType": "ValueError"}'

    async def fail(request: Request, sink: Sink | None) -> Invoked:
        return failed(request, document, function_error=kind)

    with serving(Fake(fail)) as api:
        answer = invoke(api)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, kind)
    assert answer["Payload"].read() == document


def test_the_log_comes_only_if_asked_for() -> None:
    text = b"START\n" + bytes(range(256)) * 15 + b"\nREPORT"

    async def with_log(request: Request, sink: Sink | None) -> Invoked:
        return answered(request, b"1", log=complete_log(request, text))

    with serving(Fake(with_log)) as api:
        assert base64.b64decode(invoke(api, LogType="Tail")["LogResult"]) == text
        assert "LogResult" not in invoke(api, LogType="None")


def test_a_log_that_is_not_kept_is_left_out(api: Api) -> None:
    assert "LogResult" not in invoke(api, LogType="Tail")


def test_the_answer_has_the_content_type_that_the_function_gave() -> None:
    async def html(request: Request, sink: Sink | None) -> Invoked:
        return answered(request, b"<p>", content_type="text/html; charset=utf-8")

    with serving(Fake(html)) as api:
        answer = invoke(api)
    assert answer["Payload"].read() == b"<p>"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/html; charset=utf-8"


def test_a_trace_goes_on_or_is_begun(api: Api, fake: Fake) -> None:
    mine = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    for given in ({"X_Amzn_Trace_Id": mine}, {}):
        response, _ = api.ask("POST", INVOCATIONS, b"{}", **given)
        assert response.headers["X-Amzn-Trace-Id"] == fake.invoked[-1].trace_id
    first, second = (request.trace_id for request in fake.invoked)
    assert first == mine
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}.*;Sampled=0", second or "")


def test_an_event_is_submitted_and_not_awaited(api: Api, fake: Fake) -> None:
    answer = invoke(api, InvocationType="Event", Payload=b"[1]", ClientContext=encoded({}))
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    (request,) = fake.submitted
    assert (request.payload, request.client_context) == (b"[1]", None)
    assert request.request_id == answer["ResponseMetadata"]["RequestId"]
    assert fake.invoked == []


def test_a_dry_run_checks_and_invokes_nothing(api: Api, fake: Fake) -> None:
    assert invoke(api, InvocationType="DryRun")["StatusCode"] == 204
    assert refusal(api, InvocationType="DryRun", FunctionName="nope")[0] == 404
    assert refusal(api, InvocationType="DryRun", Payload=b"no json")[0] == 400
    assert fake.invoked == fake.submitted == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_deprecated_way_to_submit(api: Api, fake: Fake) -> None:
    client = api.client()
    for length in (2, INVOKE_ASYNC_BYTES):
        answer = client.invoke_async(FunctionName="thumbnail", InvokeArgs=json_of(length))
        assert answer["Status"] == 202
    with pytest.raises(ClientError, match="RequestTooLargeException"):
        client.invoke_async(FunctionName="thumbnail", InvokeArgs=json_of(INVOKE_ASYNC_BYTES + 1))
    assert [len(request.payload) for request in fake.submitted] == [2, INVOKE_ASYNC_BYTES]


# ---- names


@pytest.mark.parametrize(
    "name",
    [
        "thumbnail",
        "thumbnail:$LATEST",
        "000000000000:thumbnail",
        "000000000000:function:thumbnail",
        "000000000000:function:thumbnail:$LATEST",
        "function:thumbnail",
        ARN,
        f"{ARN}:$LATEST",
        "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:thumbnail",
    ],
)
def test_a_function_is_found_by_any_of_its_names(api: Api, fake: Fake, name: str) -> None:
    invoke(api, FunctionName=name)
    invoke(api, FunctionName=name, Qualifier="$LATEST")
    assert len(fake.invoked) == 2


@pytest.mark.parametrize(
    ("name", "qualifier", "missing"),
    [
        ("nope", None, "nope"),
        ("thumbnai", None, "thumbnai"),
        ("nope", "$LATEST", "nope:$LATEST"),
        ("thumbnail", "prod", "thumbnail:prod"),
        ("thumbnail", "1", "thumbnail:1"),
        ("thumbnail:1", None, "thumbnail:1"),
        (f"{ARN}:prod", "prod", "thumbnail:prod"),
    ],
)
def test_other_functions_and_versions_are_not_found(
    api: Api, name: str, qualifier: str | None, missing: str
) -> None:
    client = api.client()
    arguments = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.invoke(**arguments)
    expected = f"Function not found: {ARN.removesuffix('thumbnail')}{missing}"
    assert caught.value.response["Message"] == expected
    assert caught.value.response["Type"] == "User"


def test_two_qualifiers_must_agree(api: Api) -> None:
    client = api.client()
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="derived qualifier"):
        client.invoke(FunctionName="thumbnail:$LATEST", Qualifier="1")


@pytest.mark.parametrize("name", ["thumb%20nail", "thumbnail:", "a:b:c:d", "arn:aws:s3:::thumbnail", "%2Fx"])
def test_what_cannot_be_a_name_is_told_so(api: Api, name: str) -> None:
    response, body = api.ask("POST", f"/2015-03-31/functions/{name}/invocations", b"{}")
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (400, "ValidationException")
    assert "at 'functionName' failed to satisfy constraint" in body["message"]


def test_functions_that_are_added_later_are_served(api: Api, fake: Fake) -> None:
    api.functions["later"] = later = Fake(name="later")
    invoke(api, FunctionName="later")
    assert (len(later.invoked), len(fake.invoked)) == (1, 0)


# ---- refusals


@pytest.mark.parametrize(
    "body",
    [
        b"nope",
        b"{} {}",
        b" ",
        b"{'item': 1}",
        b"NaN",
        b'{"x": -Infinity}',
        b'"\x97"',
        b"[" * 100_000,
        b"\xff\xfe{\x00}\x00",
    ],
)
def test_an_event_has_to_be_json(api: Api, fake: Fake, body: bytes) -> None:
    client = api.client()
    with pytest.raises(client.exceptions.InvalidRequestContentException) as caught:
        client.invoke(FunctionName="thumbnail", Payload=body)
    assert caught.value.response["Error"]["Message"].startswith("Could not parse request body into json: ")
    assert caught.value.response["Type"] == "User"
    assert fake.invoked == []


@pytest.mark.parametrize("text", [b"null", b"0", b'"word"', b"[]", b"\n{}\t"])
def test_any_json_is_an_event(api: Api, fake: Fake, text: bytes) -> None:
    assert invoke(api, Payload=text)["Payload"].read() == text


def test_six_megabytes_are_taken_and_one_byte_more_is_not(api: Api, fake: Fake) -> None:
    assert REQUEST_BYTES == 6_291_456
    assert len(invoke(api, Payload=json_of(REQUEST_BYTES))["Payload"].read()) == REQUEST_BYTES
    client = api.client()
    with pytest.raises(
        client.exceptions.RequestTooLargeException, match="smaller than 6291456 bytes"
    ) as caught:
        client.invoke(FunctionName="thumbnail", Payload=json_of(REQUEST_BYTES + 1))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert len(fake.invoked) == 1


def test_an_event_that_the_function_does_not_take_is_refused(api: Api, fake: Fake) -> None:
    assert invoke(api, InvocationType="Event", Payload=json_of(EVENT_BYTES))["StatusCode"] == 202
    refused = refusal(api, InvocationType="Event", Payload=json_of(EVENT_BYTES + 1))
    assert refused[:2] == (413, "RequestTooLargeException")
    assert len(fake.submitted) == 1


HEAD = f"POST {INVOCATIONS} HTTP/1.1\r\nHost: here\r\n"


@pytest.mark.parametrize(
    "head",
    ["Content-Length: 1000000000\r\n\r\n", "Content-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"],
)
def test_a_gigabyte_is_refused_before_it_is_sent(api: Api, head: str) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall((HEAD + head).encode())
        received = b""
        while b"RequestTooLarge" not in received:
            piece = connection.recv(65536)
            assert piece
            received += piece
    assert b"HTTP/1.1 413" in received


def test_what_does_not_tell_its_length_is_refused_while_it_comes(api: Api) -> None:
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall((HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode())
        for _ in range(7):
            connection.sendall(chunk)
        assert b"HTTP/1.1 413" in connection.recv(65536)


def test_what_unpacks_to_too_much_is_refused(api: Api) -> None:
    bomb = gzip.compress(json_of(200_000_000), 1)
    response, body = api.ask("POST", INVOCATIONS, bomb, Content_Encoding="gzip")
    assert (response.status, body["Type"]) == (413, "User")


def test_a_client_that_leaves_while_it_sends_is_taken_calmly(
    api: Api, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall((HEAD + "Content-Length: 1000\r\n\r\n{").encode())
    assert invoke(api)["StatusCode"] == 200
    assert len(fake.invoked) == 1
    assert caplog.text == ""


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/octet-stream",
        "binary/octet-stream",
        "application/x-www-form-urlencoded",
        "application/x-amz-json-1.1",
    ],
)
def test_media_types_that_clients_send_json_as(api: Api, media_type: str) -> None:
    assert api.ask("POST", INVOCATIONS, b"[1]", Content_Type=media_type)[1] == [1]


@pytest.mark.parametrize("media_type", ["text/xml", "multipart/form-data; boundary=x", "image/jpeg"])
def test_other_media_types_are_not_supported(api: Api, media_type: str) -> None:
    response, body = api.ask("POST", INVOCATIONS, b"[1]", Content_Type=media_type)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (415, "UnsupportedMediaTypeException")
    assert body["message"] == f"Unsupported content type: {media_type.partition(';')[0]}"


@pytest.mark.parametrize(
    ("argument", "value", "told"),
    [
        ("InvocationType", "dry_run", "'invocationType' .* set: [RequestResponse, Event, DryRun]"),
        ("LogType", "tail", "'logType' .* set: [None, Tail]"),
    ],
)
def test_other_kinds_are_not_valid(api: Api, argument: str, value: str, told: str) -> None:
    status, code, message = refusal(api, **{argument: value})
    assert (status, code) == (400, "ValidationException")
    parameter, values = told.split(" .* ")
    found = f"1 validation error detected: Value '{value}' at {parameter} failed to satisfy constraint: "
    assert message == f"{found}Member must satisfy enum value {values}"


# ---- client context


def test_the_client_context_reaches_the_function_as_json(api: Api, fake: Fake) -> None:
    invoke(api, ClientContext=encoded({"custom": {"who": "Zoë"}}))
    invoke(api)
    first, second = (request.client_context for request in fake.invoked)
    assert json.loads(first or "") == {"custom": {"who": "Zoë"}}
    assert second is None


def test_a_client_context_of_the_greatest_length(api: Api, fake: Fake) -> None:
    longest = json.dumps({"x": "y" * 2676})
    assert len(encoded({"x": "y" * 2676})) == CLIENT_CONTEXT_BYTES // 4 * 4 == 3580
    invoke(api, ClientContext=encoded({"x": "y" * 2676}))
    assert fake.invoked[0].client_context == longest
    status, code, message = refusal(api, ClientContext=encoded({"x": "y" * 2677}))
    assert (status, code) == (400, "InvalidRequestContentException")
    assert "(limit 3583 bytes)" in message


@pytest.mark.parametrize(
    "context", ["{}", "e30", "e!30=", encoded([1]), "bm8ganNvbg==", "/w==", "W1tbW1tbW1s="]
)
def test_a_client_context_has_to_be_an_object_in_base64(api: Api, fake: Fake, context: str) -> None:
    told = "Client context must be a valid Base64-encoded JSON object."
    assert refusal(api, ClientContext=context) == (400, "InvalidRequestContentException", told)
    assert fake.invoked == []


# ---- throttling


def throttling(times: int) -> Behaviour:
    refusals = iter(range(times))

    async def behave(request: Request, sink: Sink | None) -> Invoked:
        if next(refusals, None) is not None:
            raise throttled(RESERVED)
        return answered(request, b"1")

    return behave


def test_a_throttle_tells_its_reason() -> None:
    with serving(Fake(throttling(1))) as api:
        client = api.client()
        with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
            client.invoke(FunctionName="thumbnail")
    response = caught.value.response
    assert response["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert (response["Reason"], response["Type"]) == (RESERVED, "User")
    assert int(response["retryAfterSeconds"]) >= 1
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_botocore_retries_until_it_is_let_in(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    patient = {"retries": {"total_max_attempts": 3, "mode": mode}}
    fake = Fake(throttling(2))
    with serving(fake) as api:
        answer = api.client(**patient).invoke(FunctionName="thumbnail")
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert len(fake.invoked) == 3
    with serving(Fake(throttling(3))) as api, pytest.raises(ClientError, match="TooManyRequestsException"):
        api.client(**patient).invoke(FunctionName="thumbnail")


# ---- clients that leave


@pytest.mark.parametrize("cancelling", [False, True])
def test_an_invocation_goes_on_when_its_client_has_left(cancelling: bool) -> None:
    go_on, finished = threading.Event(), threading.Event()

    async def slow(request: Request, sink: Sink | None) -> Invoked:
        await asyncio.to_thread(go_on.wait, 10)
        finished.set()
        return answered(request, b"1")

    fake = Fake(slow)
    with serving(fake, handler_cancellation=cancelling) as api:
        with pytest.raises(ReadTimeoutError):
            api.client(read_timeout=0.2).invoke(FunctionName="thumbnail")
        go_on.set()
        assert finished.wait(10)
        assert len(fake.invoked) == 1


# ---- concurrency


def test_two_hundred_at_once_each_get_their_own_answer() -> None:
    number = 200
    everyone: asyncio.Event | None = None
    inside = 0

    async def together(request: Request, sink: Sink | None) -> Invoked:
        nonlocal everyone, inside
        everyone = everyone or asyncio.Event()
        inside += 1
        if inside == number:
            everyone.set()
        await asyncio.wait_for(everyone.wait(), 60)
        return answered(request, request.payload)

    with serving(Fake(together)) as api, ThreadPoolExecutor(number) as pool:
        client = api.client(max_pool_connections=number)

        def ask(key: int) -> int:
            payload = json.dumps({"key": key})
            return int(json.load(client.invoke(FunctionName="thumbnail", Payload=payload)["Payload"])["key"])

        assert list(pool.map(ask, range(number))) == list(range(number))


# ---- the rest


def test_an_unforeseen_failure_is_the_services_own(caplog: pytest.LogCaptureFixture) -> None:
    async def break_down(request: Request, sink: Sink | None) -> Invoked:
        raise RuntimeError("the engine went away")

    with serving(Fake(break_down)) as api, caplog.at_level(logging.ERROR):
        client = api.client()
        with pytest.raises(client.exceptions.ServiceException) as caught:
            client.invoke(FunctionName="thumbnail")
    assert caught.value.response["Type"] == "Service"
    assert caught.value.response["Message"] == "RuntimeError: the engine went away"
    assert "the engine went away" in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", INVOCATIONS),
        ("DELETE", "/2015-03-31/functions/thumbnail"),
        ("POST", "/2015-03-31/functions"),
        ("PUT", "/nowhere/at/all"),
    ],
)
def test_any_other_path_is_told_what_is_served(api: Api, method: str, path: str) -> None:
    response, body = api.ask(method, path)
    assert (response.status, response.headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException")
    assert body["message"].startswith(f"{method} {path} is not served here; these are: POST /2015-03-31/")


def test_functions_are_listed_and_described(api: Api, fake: Fake) -> None:
    client = api.client()
    described = fake.configuration() | {"LastUpdateStatus": "Successful"}
    assert client.list_functions()["Functions"] == [described]
    assert client.get_function(FunctionName=ARN)["Configuration"] == described
    assert described.items() <= client.get_function_configuration(FunctionName="thumbnail").items()
    assert api.ask("GET", "/2015-03-31/functions/")[1] == {"Functions": [described]}
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="nope")


def test_what_waits_for_a_function_to_be_ready_goes_on(api: Api) -> None:
    for waiter in ("function_active", "function_active_v2", "function_updated", "function_exists"):
        api.client().get_waiter(waiter).wait(FunctionName="thumbnail")
