"""A workload that takes as long as it is told, as a service: `python3 -m tests.workloads.waiting --port 8080`."""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from workloads.kit.errors import ItemError
from workloads.kit.server import main
from workloads.kit.step import Output, Work


def wait(data: bytes, settings: Mapping[str, Any]) -> Work:
    """Sleep for the seconds that the item's first word says; the output is the process's number."""
    words = data.split()
    if not words:
        raise ItemError("nothing to wait for")
    time.sleep(float(words[0]))
    return Work((Output("pid.txt", str(os.getpid()).encode(), "text/plain"),), {})


if __name__ == "__main__":
    sys.exit(main(wait))
