"""How hard to pack (xz's presets; 8 and 9 may take several hundred MB), and how much one item may hold."""

from dataclasses import dataclass

from workloads.kit import step


@dataclass(frozen=True, slots=True)
class Settings(step.Settings):
    """See above."""

    preset: int = step.whole(6, 0, 9)
    max_unpacked_mb: int = step.whole(256, 1, 4096)
