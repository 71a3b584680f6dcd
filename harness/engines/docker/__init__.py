"""The Docker engine: every container locked down, limited, measured from its control group, and removed."""

from harness.engines.docker.daemon import connect, find_image
from harness.engines.docker.engine import DockerEngine

__all__ = ["DockerEngine", "connect", "find_image"]
