"""Thumbnails as a service: `python3 -m workloads.thumbnail.service --host 0.0.0.0 --port 8080`."""

import sys

from workloads.kit.server import main
from workloads.thumbnail.thumbnail import thumbnail

if __name__ == "__main__":
    sys.exit(main(thumbnail))
