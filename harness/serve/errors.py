"""Refusals in the words and the shape that AWS gives them, so that SDKs raise their own exceptions."""

from __future__ import annotations

import json
import logging

from aiohttp import web

from harness.placements.function.invocation import Refused
from harness.placements.function.runtime_api import arn

# botocore's model of Lambda, 2015-03-31: these have `Message`, all others that are sent here `message`.
CAPITALISED = frozenset({"ResourceNotFoundException", "ServiceException"})
THROTTLED = 429
RETRY_AFTER_S = 1


def answer(refused: Refused, request_id: str) -> web.Response:
    """The HTTP answer that tells of a refusal."""
    document = {
        "Type": "User" if refused.status < 500 else "Service",
        "Message" if refused.code in CAPITALISED else "message": str(refused),
    }
    if refused.reason is not None:
        document["Reason"] = refused.reason
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": refused.code}
    if refused.status == THROTTLED:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    body = json.dumps(document).encode()
    return web.Response(status=refused.status, body=body, content_type="application/json", headers=headers)


def as_refused(error: Exception) -> Refused:
    """Any failure as a refusal; one that nobody foresaw is the service's own, and is logged."""
    if isinstance(error, Refused):
        return error
    logging.getLogger(__name__).error("an invocation failed here", exc_info=error)
    return Refused(500, "ServiceException", f"{type(error).__name__}: {error}")


def not_found(name: str, qualifier: str | None) -> Refused:
    """There is no such function, or no such version or alias of it."""
    full = arn(name) + (f":{qualifier}" if qualifier else "")
    return Refused(404, "ResourceNotFoundException", f"Function not found: {full}")


def not_json(error: Exception) -> Refused:
    """The event is not JSON."""
    # Lambda names both of its parsers.
    message = f"Could not parse request body into json: Could not parse payload into json: {error}"
    return Refused(400, "InvalidRequestContentException", message)


def bad_value(value: str, parameter: str, constraint: str) -> Refused:
    """A parameter is outside what the API's model allows."""
    message = f"1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: "
    return Refused(400, "ValidationException", f"{message}Member must satisfy {constraint}")


def contradictory_qualifiers() -> Refused:
    """The function's name has one qualifier and the query another."""
    message = "The derived qualifier from the function name does not match the specified qualifier."
    return Refused(400, "InvalidParameterValueException", message)


def bad_client_context() -> Refused:
    """The client context is not an object of JSON in base64."""
    message = "Client context must be a valid Base64-encoded JSON object."
    return Refused(400, "InvalidRequestContentException", message)


def long_client_context(length_bytes: int, limit_bytes: int) -> Refused:
    """The client context does not fit."""
    message = f"{length_bytes} byte client context is too large (limit {limit_bytes} bytes)"
    return Refused(400, "InvalidRequestContentException", message)


def unsupported_media_type(media_type: str) -> Refused:
    """The event is said to be something other than JSON."""
    return Refused(415, "UnsupportedMediaTypeException", f"Unsupported content type: {media_type}")


def unknown_operation(asked: str, served: str) -> Refused:
    """Nothing is served under this method and path."""
    return Refused(404, "UnknownOperationException", f"{asked} is not served here; these are: {served}")
