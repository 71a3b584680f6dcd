"""A workload as a Lambda function: called with an S3 notification, once for each upload.

handler = make_handler(thumbnail)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from workloads.kit.step import ItemResult, Workload, open_early, run_item

Handler = Callable[[Any, object], dict[str, Any]]


class ItemFailed(Exception):
    """An item was refused. What is raised bears the name of the workload's own error, which Lambda reports."""


def keys_of(event: object) -> list[str]:
    """The object keys of an S3 notification, decoded: S3 sends `a+b%2B.jpg` for `a b+.jpg`.

    Raises ValueError that names the missing part.
    """
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list) or not records:
        raise ValueError(
            'event has no "Records": expected an S3 notification, {"Records": [{"s3": ...}, ...]}'
        )
    try:
        return [unquote_plus(record["s3"]["object"]["key"]) for record in records]
    except (KeyError, TypeError, AttributeError):
        raise ValueError('a record of the event has no text at "s3" -> "object" -> "key"') from None


def make_handler(work: Workload, environ: Mapping[str, str] = os.environ) -> Handler:
    """The function that Lambda calls. Stores are opened here, in the INIT phase, as AWS advises."""
    open_early(environ)

    def handler(event: Any, context: object) -> dict[str, Any]:
        """Do every record, then return all results, or raise the first failure.

        A bad record must not keep the others from being done, for a retry meets the same bad record again.
        """
        results = [run_item(key, work, environ) for key in keys_of(event)]
        for result in results:
            if not result.ok:
                raise _failure(result)
        return {"results": [result.to_json() for result in results]}

    return handler


def _failure(result: ItemResult) -> ItemFailed:
    name, _, message = result.error.partition(": ")
    kind: type[ItemFailed] = type(name, (ItemFailed,), {})
    return kind(f"{result.item}: {message}")
