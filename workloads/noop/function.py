"""Nothing as a Lambda function: `workloads.noop.function.handler`."""

from workloads.kit.function import make_handler
from workloads.noop.noop import noop

handler = make_handler(noop)
