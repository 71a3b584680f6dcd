"""Thumbnails as a Lambda function: `workloads.thumbnail.function.handler`."""

from workloads.kit.function import make_handler
from workloads.thumbnail.thumbnail import thumbnail

handler = make_handler(thumbnail)
