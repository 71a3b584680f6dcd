"""Thumbnails as a Batch job: `python3 -m workloads.thumbnail.job`."""

import sys

from workloads.kit.job import main
from workloads.thumbnail.thumbnail import thumbnail

if __name__ == "__main__":
    sys.exit(main(thumbnail))
