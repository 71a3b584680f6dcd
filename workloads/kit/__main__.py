"""The job and the service of a workload that has none of its own: `python3 -m workloads.kit job archive`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from workloads.kit.handlers import find

EXIT_BAD_USAGE = 2
USAGE = "usage: python3 -m workloads.kit job WORKLOAD | service WORKLOAD [--host HOST] [--port PORT]"


def main(arguments: Sequence[str]) -> int:
    """Run until it is done, or told to stop; returns the exit code, 2 for bad usage."""
    # Each is imported for itself alone: a job's cold start does not pay for a server.
    match arguments:
        case ["job", name]:
            from workloads.kit import job  # noqa: PLC0415

            return job.main(find(name))
        case ["service", name, *options]:
            from workloads.kit import server  # noqa: PLC0415

            return server.main(find(name), options)
    print(USAGE, file=sys.stderr)
    return EXIT_BAD_USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
