"""Objectives: what a scenario demands of its placements, such as `latency_p95_s < 0.5`, as k6 has thresholds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, model_validator

Operator = Literal["<", "<=", ">", ">="]
OPERATORS: tuple[str, ...] = get_args(Operator)
# Figures of the summary that may be demanded, with the largest that each can be.
FIGURES = {
    "latency_mean_s": math.inf,
    "error_rate": 1.0,
    "cold_fraction": 1.0,
    "throughput_items_per_s": math.inf,
    "cpu_s_per_item": math.inf,
    "memory_peak_bytes": math.inf,
    "cost_usd_per_million": math.inf,
}
ALLOWED = "latency_pN_s with N above 0 and below 100, such as latency_p95_s, " + ", ".join(FIGURES)
_EXPRESSION = re.compile(r"^\s*([A-Za-z_][\w.]*)\s*([<>=!]+)\s*(\S+)\s*$")
_PERCENTILE = re.compile(r"^latency_p(-?[\d.]+)_s$")


class Objective(BaseModel):
    """One demand, of every placement and phase or of those named. A plain text is its `expect`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    expect: str
    """A figure, one of `<`, `<=`, `>`, `>=`, and a number: `latency_p95_s < 0.5`."""
    placement: str | None = None
    """The placement that it is demanded of; every one if not given."""
    phase: str | None = None
    """The phase that it is demanded in; every one if not given."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"expect": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> Objective:
        figure, operator, bound = self.parts
        if figure in FIGURES:
            most = FIGURES[figure]
        elif found := _PERCENTILE.match(figure):
            most = math.inf
            if not 0 < _number(found[1]) < 100:
                raise ValueError(
                    f"got {figure!r}: a percentile lies above 0 and below 100, such as latency_p99.9_s"
                )
        else:
            raise ValueError(f"got {figure!r}; allowed are {ALLOWED}")
        always = bound > most or (bound == most and operator in {"<=", ">"})
        never = bound < 0 or (bound == 0 and operator in {"<", ">="})
        if always or never:
            raise ValueError(
                f"got {self.expect!r}, which does not depend on what is measured: {figure} is 0 to {most:g}"
            )
        return self

    @cached_property
    def parts(self) -> tuple[str, Operator, float]:
        """Figure, operator and bound. ValueError if `expect` is no such expression."""
        found = _EXPRESSION.match(self.expect)
        if found is None or found[2] not in OPERATORS or not math.isfinite(_number(found[3])):
            raise ValueError(
                f"got {self.expect!r}; expected a figure, one of {' '.join(OPERATORS)} and a number, such as "
                "'latency_p95_s < 0.5'"
            )
        operator: Any = found[2]
        return found[1], operator, _number(found[3])

    @property
    def quantile(self) -> float | None:
        """0.95 for latency_p95_s; None for other figures."""
        found = _PERCENTILE.match(self.parts[0])
        return _number(found[1]) / 100 if found else None

    def satisfied_by(self, value: float) -> bool:
        """Whether a value meets it."""
        _, operator, bound = self.parts
        if operator == "<":
            return value < bound
        if operator == "<=":
            return value <= bound
        return value > bound if operator == ">" else value >= bound


def objectives_of(manifest: Mapping[str, Any]) -> list[Objective]:
    """The objectives of the scenario as it was run."""
    return [
        Objective.model_validate(each) for each in (manifest.get("scenario") or {}).get("objectives") or []
    ]


def _number(text: str) -> float:
    """NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
