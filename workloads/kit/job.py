"""A workload as a Batch job: a share of a list of items, then the end.

`MANIFEST` is the key, in STORE_OUT, of a JSON list of items. A child of an array job takes every size-th item
from its index on. Standard output tells, in JSON lines, `ready`, one `item` each, and `done`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any, NoReturn

from workloads.kit.errors import BadSettings, ItemError
from workloads.kit.step import Workload, open_interfaces, run_item

EXIT_ITEMS_FAILED = 1
EXIT_BAD_USAGE = 2
EXIT_TERMINATED = 128 + signal.SIGTERM

_INDEX, _SIZE = "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"


def main(work: Workload, environ: Mapping[str, str] = os.environ) -> int:
    """Do this child's share of the manifest.

    Returns the exit code: 0, 1 when an item failed, 2 when the job was set up wrongly; SIGTERM ends it with 143.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        open_interfaces(environ)
        _say({"type": "ready", "at_ns": time.monotonic_ns()})
        share = read_share(environ)
        failed = sum(not _do(item, work, environ) for item in share)
    except BadSettings as error:
        print(f"{work.__name__} job: {error}", file=sys.stderr)
        return EXIT_BAD_USAGE
    _say({"type": "done", "items": len(share), "failed": failed})
    return EXIT_ITEMS_FAILED if failed else 0


def read_share(environ: Mapping[str, str]) -> list[str]:
    """This child's items; all of them outside an array job. Raises BadSettings."""
    key = environ.get("MANIFEST")
    if not key:
        raise BadSettings(
            "environment variable MANIFEST is not set: the key, in STORE_OUT, of a JSON list of items"
        )
    try:
        items = json.loads(open_interfaces(environ).store_out.get(key))
    except (ItemError, ValueError) as error:
        raise BadSettings(f"MANIFEST {key!r} cannot be read: {error}") from None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise BadSettings(f"MANIFEST {key!r} must be a JSON list of texts")
    index, size = array_place(environ)
    return items[index::size]


def array_place(environ: Mapping[str, str]) -> tuple[int, int]:
    """Index and size of the array job, (0, 1) outside one; raises BadSettings when they make no sense."""
    index, size = environ.get(_INDEX), environ.get(_SIZE)
    if index is None and size is None:
        return 0, 1
    try:
        place = int(index or ""), int(size or "")
    except ValueError:
        place = -1, 0
    if not 0 <= place[0] < place[1]:
        raise BadSettings(f"{_INDEX}={index!r} and {_SIZE}={size!r} must be whole numbers, 0 <= index < size")
    return place


def _do(item: str, work: Workload, environ: Mapping[str, str]) -> bool:
    result = run_item(item, work, environ)
    _say({"type": "item", **result.to_json()})
    return result.ok


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # Stores and the table write whole objects or none, so that leaving at once is safe.
    raise SystemExit(EXIT_TERMINATED)
