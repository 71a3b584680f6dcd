"""The import order is one way: a module imports only from its own layer or those before it."""

from __future__ import annotations

import ast
from pathlib import Path

import harness

PACKAGE = Path(harness.__file__).parent
LAYERS = [
    [
        "harness.rows",
        "harness.sizes",
        "harness.arrivals",
        "harness.clock",
        "harness.priority",
        "harness.statistics",
        "harness.pacer",
        # Data, and what reads it: a scenario is checked against the book that will price it.
        "harness.cost.catalogue",
        "harness.cost.book",
    ],
    ["harness.objectives"],
    ["harness.scenario"],
    ["harness.plan"],
    ["harness.measure"],
    ["harness.engines"],
    ["harness.doctor"],
    ["harness.placements"],
    ["harness.driver"],
    ["harness.runs"],
    ["harness.analysis"],
    ["harness.session"],
    ["harness.cost"],
    ["harness.judgement"],
    ["harness.tuning"],
    ["harness.advice"],
    ["harness.report"],
    ["harness.comparing", "harness.export"],
    ["harness.gallery"],
    ["harness.serve"],
    ["harness.cli", "harness.__main__"],
]
AFTER_THE_RUN = ("analysis", "cost", "judgement", "advice", "report", "comparing", "export", "gallery")


def layer(module: str) -> int | None:
    for number, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    return None


def imports(path: Path) -> list[str]:
    """Modules imported when `path` is loaded; imports inside functions and for types alone are not."""
    found: list[str] = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if name.startswith("harness")]


def modules() -> list[tuple[str, Path]]:
    files = sorted(PACKAGE.rglob("*.py"))
    return [(".".join(("harness", *f.relative_to(PACKAGE).with_suffix("").parts)), f) for f in files]


def test_every_module_has_a_layer() -> None:
    without = [name for name, _ in modules() if not name.endswith("__init__") and layer(name) is None]
    assert without == []


def test_no_module_imports_from_a_later_layer() -> None:
    wrong = []
    for name, path in modules():
        own = layer(name)
        for imported in imports(path):
            other = layer(imported)
            if own is not None and other is not None and other > own:
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_nothing_after_the_run_folder_imports_what_makes_it() -> None:
    makers = ("harness.engines", "harness.placements", "harness.driver", "harness.session", "docker")
    for name, path in modules():
        if name.startswith(tuple(f"harness.{layer}" for layer in AFTER_THE_RUN)):
            assert not [found for found in imports(path) if found.startswith(makers)], name


def test_only_the_command_line_prints_or_exits() -> None:
    for name, path in modules():
        if name == "harness.cli.exits":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"print", "exit"}, name
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) != ("sys", "exit"), name
