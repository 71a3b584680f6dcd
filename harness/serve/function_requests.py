"""What clients of AWS Lambda ask for, read from their requests and checked as Lambda does. Raises Refused."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence

from aiohttp import web

from harness.placements.function.invocation import too_large
from harness.serve import errors

CLIENT_CONTEXT_BYTES = 3583  # in base64
# What SDKs and `curl --data` call a JSON event, which Lambda takes as such.
MEDIA_TYPES = frozenset(
    {
        "application/json",
        "application/octet-stream",
        "application/x-amz-json-1.0",
        "application/x-amz-json-1.1",
        "application/x-www-form-urlencoded",
        "binary/octet-stream",
    }
)
NAME = re.compile(
    r"(arn:aws[a-z-]*:lambda:)?([a-z]+(-[a-z]+)+-\d:)?(\d{12}:)?(function:)?"
    r"(?P<name>[a-zA-Z0-9._-]+)(:(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?"
)


def named(http: web.Request) -> tuple[str, str | None]:
    """The function that a request names, by name or ARN, and its version or alias."""
    text = http.match_info["name"]
    found = NAME.fullmatch(text)
    if found is None:
        raise errors.bad_value(text, "functionName", f"regular expression pattern: {NAME.pattern}")
    asked = http.query.get("Qualifier")
    if asked and found["qualifier"] and asked != found["qualifier"]:
        raise errors.contradictory_qualifiers()
    return found["name"], asked or found["qualifier"]


async def event(http: web.Request, limit_bytes: int) -> bytes:
    """The body, which has to be JSON and small enough; nothing is an empty object to Lambda."""
    media_type = http.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise errors.unsupported_media_type(media_type)
    body = await _body(http, limit_bytes)
    if not body:
        return b"{}"
    try:
        JSON.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise errors.not_json(error) from None
    return body


async def _body(http: web.Request, limit_bytes: int) -> bytes:
    """All that was sent, refused as soon as it is known to be too large."""
    if (http.content_length or 0) > limit_bytes:
        raise too_large(limit_bytes)
    body = bytearray()
    while piece := await http.content.readany():
        body += piece
        if len(body) > limit_bytes:
            raise too_large(limit_bytes)
    return bytes(body)


def client_context(encoded: str | None) -> str | None:
    """The JSON text of a client context."""
    if not encoded:
        return None
    if len(encoded) > CLIENT_CONTEXT_BYTES:
        raise errors.long_client_context(len(encoded), CLIENT_CONTEXT_BYTES)
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        if isinstance(JSON.decode(text), dict):
            return text
    except (ValueError, RecursionError):
        pass
    raise errors.bad_client_context()


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


JSON = json.JSONDecoder(parse_constant=_no_number)


def choice(http: web.Request, parameter: str, header: str, values: Sequence[str]) -> str:
    """The value of a header with a fixed set of them, the first of which is the default."""
    value = http.headers.get(header, values[0])
    if value not in values:
        raise errors.bad_value(value, parameter, f"enum value set: [{', '.join(values)}]")
    return value
