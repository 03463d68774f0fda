"""The sources parsed once: modules, functions, classes and imports, for the tests of this folder."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@cache
def modules() -> dict[str, Module]:
    """Return every module below src/ by its dotted name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found[name] = Module(name, path, text, ast.parse(text))
    return found


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield every function and method with the module that has it."""
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                yield module.name, node


def body_lines(function: ast.FunctionDef) -> int:
    """Return how many lines a function has without signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@cache
def imports() -> dict[str, frozenset[str]]:
    """Return module -> modules of ours that it imports, lazily or not; what only type checkers read is left out."""
    graph = {}
    for module in modules().values():
        unseen = {id(child) for node in ast.walk(module.tree) if _for_types(node) for child in ast.walk(node)}
        nodes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom) and id(node) not in unseen]
        graph[module.name] = frozenset(
            _defining(node.module, alias.name) for node in nodes if node.module in modules() for alias in node.names
        ) - {module.name}
    return graph


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _defining(module: str | None, name: str) -> str:
    """Return the module that a name comes from: a package's front hands on what others define."""
    assert module is not None
    if module in modules() and modules()[module].is_package:
        for node in modules()[module].tree.body:
            if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
                return _defining(node.module, name)
    below = f"{module}.{name}"
    return below if below in modules() else module


def cycles() -> list[list[str]]:
    """Return the groups of modules that import one another (strongly connected, more than one module)."""
    graph, order, seen = imports(), [], set()
    for start in graph:
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(sorted(graph[start])))]
        while stack:
            module, rest = stack[-1]
            following = next((one for one in rest if one not in seen and one in graph), None)
            if following is None:
                order.append(module)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(sorted(graph[following]))))
    users = defaultdict(set)
    for module, used in graph.items():
        for one in used:
            users[one].add(module)
    groups, placed = [], set()
    for module in reversed(order):
        group, todo = [], [module]
        while todo:
            one = todo.pop()
            if one not in placed:
                placed.add(one)
                group.append(one)
                todo += users[one]
        if len(group) > 1:
            groups.append(sorted(group))
    return groups
