"""The reference of scenario files, from the JSON Schema of the types that check them, and a template for the prose."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from harness.scenario import WORKLOADS, Scenario
from scripts.reference.tables import table

TEMPLATE = Path(__file__).with_name("scenarios.md")
NUMBERS = {"integer": "whole number", "number": "number"}
NAMES = {"string": "text", "boolean": "`true` or `false`"}
# Where a type of its own is described.
SECTIONS = {
    "BatchSettings": "batch", "Burst": "burst-arrivals", "BurstSettings": "burst", "CorpusSettings": "corpus",
    "DeploymentSettings": "deployments", "Drop": "drop", "ExponentialIdle": "idle_s", "FunctionSettings": "function",
    "HealthSettings": "health", "InstanceSettings": "instances", "LaunchSettings": "launch",
    "Objective": "objectives", "Phase": "phases", "Poisson": "poisson", "RegistrySettings": "registry",
    "RuleSettings": "evaluate_on_exit", "ScalingSettings": "scaling", "ServiceSettings": "service",
    "Steady": "steady", "StepSettings": "steps", "TargetSettings": "target", "UniformIdle": "idle_s",
}  # fmt: skip


def scenarios_page() -> str:
    """The page docs/scenarios.md."""
    # Nothing here is HTML, and quotes are to stay quotes.
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(keys=keys, about=about, settings=settings)


def schemas() -> dict[str, Any]:
    """The JSON Schema of each type that a scenario is made of, by its name."""
    schema = Scenario.model_json_schema()
    return {**schema["$defs"], "Scenario": schema}


def about(name: str) -> str:
    """The docstring of a type."""
    return str(schemas()[name]["description"])


def keys(name: str) -> str:
    """A table of the keys of a type: what is allowed, the default, the meaning."""
    schema = schemas()[name]
    required = schema.get("required", [])
    if silent := [key for key, each in schema["properties"].items() if "description" not in each]:
        raise ValueError(f"{name}: say what {', '.join(silent)} means, in a docstring below each")
    rows = [
        (f"`{key}`", allowed(each), "required" if key in required else _default(each), each["description"])
        for key, each in schema["properties"].items()
    ]
    return table(("key", "allowed", "default", "meaning"), rows)


def settings() -> str:
    """A table of the settings of every workload that ships and has some."""
    rows = []
    for folder in sorted(path.parent for path in WORKLOADS.glob("*/settings.py")):
        kinds = importlib.import_module(f"workloads.{folder.name}.settings").Settings
        for field in fields(kinds):
            default = None if field.default is MISSING else field.default
            rows.append((folder.name, f"`{field.name}`", f"`{_toml(default)}`"))
    return table(("workload", "key", "default"), rows)


def allowed(schema: Mapping[str, Any]) -> str:
    """What a schema admits, in words."""
    if "$ref" in schema:
        section = SECTIONS[schema["$ref"].rpartition("/")[2]]
        return f"[{section}](#{section})"
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        # What is left out is none, which no file can say.
        several = [each for each in schema.get("anyOf", schema.get("oneOf")) if each.get("type") != "null"]
        return " or ".join(map(allowed, several))
    return _plain(schema)


def _plain(schema: Mapping[str, Any]) -> str:
    kind = schema["type"]
    if kind == "array":
        return f"list of {allowed(schema['items'])}{_count(schema)}"
    if kind == "object":
        inner = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
        return f"table of {allowed(inner)}" if isinstance(inner, dict) else "table"
    if kind in NUMBERS:
        return f"{NUMBERS[kind]}{_range(schema)}"
    return NAMES[kind] + (f" like `{schema['pattern']}`" if "pattern" in schema else "")


def _range(schema: Mapping[str, Any]) -> str:
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    least = f" above {above:,g}" if above is not None else "" if low is None else f" from {low:,.12g}"
    return least if high is None else f"{least} to {high:,.12g}"


def _count(schema: Mapping[str, Any]) -> str:
    parts = [f"at least {schema['minItems']}"] if "minItems" in schema else []
    parts += [f"at most {schema['maxItems']}"] if "maxItems" in schema else []
    return ", " + " and ".join(parts) if parts else ""


def _default(schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    if value is None or isinstance(value, dict | list):
        return "see there" if value and isinstance(value, dict) else "none"
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    return json.dumps(value)
