"""Nothing as a Batch job: `python3 -m workloads.noop.job`."""

import sys

from workloads.kit.job import main
from workloads.noop.noop import noop

if __name__ == "__main__":
    sys.exit(main(noop))
