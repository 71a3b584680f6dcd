"""Nothing as a service: `python3 -m workloads.noop.service --host 0.0.0.0 --port 8080`."""

import sys

from workloads.kit.server import main
from workloads.noop.noop import noop

if __name__ == "__main__":
    sys.exit(main(noop))
