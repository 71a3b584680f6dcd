"""The embedded engine: plain processes of this machine, for where no container engine is.

Nothing isolates them, the CPU is not limited, and memory is only watched: a process group beyond its ceiling is
killed within about 50 ms. A report from this engine says so.
"""

from harness.engines.process.engine import ProcessEngine

__all__ = ["ProcessEngine"]
