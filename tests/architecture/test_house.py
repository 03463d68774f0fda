"""Guards of the house: sizes, cycles, names, documentation, repetition, links."""

import ast
import re
from collections import Counter, defaultdict

import pytest

from tests.architecture.house import ROOT, body_lines, cycles, functions, modules

LONGEST_FILE = 375
LONGEST_BODY = 80
MOST_PARAMETERS = 14

SAME_STEM = {
    "comparison": "the public comparison of runs, and the comparison with a paper",
    "run": "the public run, and the keys of a run",
    "store": "the command `store` is about the store",
}
"""Module names that two rooms may share, each with its reason."""


def test_files_can_be_read_in_one_go():
    assert {module.name: module.lines for module in modules().values() if module.lines > LONGEST_FILE} == {}


def test_functions_are_short():
    lengths = [(body_lines(function), f"{module}.{function.name}") for module, function in functions()]
    assert [one for one in lengths if one[0] > LONGEST_BODY] == []
    assert sum(length > 40 for length, _ in lengths) <= 0.01 * len(lengths)
    assert sum(length for length, _ in lengths) <= 8 * len(lengths)


def test_functions_take_few_parameters():
    def parameters(function: ast.FunctionDef) -> int:
        given = function.args
        return len([*given.posonlyargs, *given.args, *given.kwonlyargs])

    found = {f"{module}.{one.name}": parameters(one) for module, one in functions()}
    assert {name: count for name, count in found.items() if count > MOST_PARAMETERS} == {}


def test_no_modules_import_each_other_not_even_lazily():
    assert cycles() == []


def test_a_module_name_says_one_thing():
    places = defaultdict(list)
    for module in modules().values():
        if not module.is_package:
            places[module.path.stem].append(module.name)
    assert {stem: found for stem, found in places.items() if len(found) > 1 and stem not in SAME_STEM} == {}
    assert {stem for stem in SAME_STEM if len(places[stem]) < 2} == set()


def test_a_public_class_name_means_one_thing():
    places = defaultdict(list)
    for module in modules().values():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module.name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def public(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")


def test_public_names_have_docstrings_and_so_have_their_methods():
    """A method that overrides another needs none."""
    ours = {
        node.name: node
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    }

    def overrides(name: str, bases: list[ast.expr]) -> bool:
        for base in bases:
            word = ast.unparse(base).partition("[")[0].rpartition(".")[2]
            if word not in ours:  # a class of a library: what it documents is not said again
                if word not in {"Protocol", "Generic", "NamedTuple", "ABC"}:
                    return True
            elif any(getattr(one, "name", None) == name for one in ours[word].body) or overrides(
                name, ours[word].bases
            ):
                return True
        return False

    missing = []
    for module in modules().values():
        for node in filter(public, module.tree.body):
            assert isinstance(node, ast.ClassDef | ast.FunctionDef)
            if ast.get_docstring(node) is None:
                missing.append(f"{module.name}.{node.name}")
            if isinstance(node, ast.ClassDef):
                missing += [
                    f"{module.name}.{node.name}.{one.name}"
                    for one in filter(public, node.body)
                    if isinstance(one, ast.FunctionDef)
                    and ast.get_docstring(one) is None
                    and not overrides(one.name, node.bases)
                ]
    assert missing == []


def code_lines(tree: ast.Module, text: str) -> list[str]:
    """Return the lines of code, without imports, docstrings, comments and empty lines."""
    left_out = set()
    for node in ast.walk(tree):
        is_text = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(node, ast.stmt)
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), start=1)
    stripped = [line.strip() for number, line in lines if number not in left_out]
    return [line for line in stripped if line and not line.startswith("#")]


def test_code_is_written_once():
    window = 8
    texts = {module.name: code_lines(module.tree, module.text) for module in modules().values()}
    where = defaultdict(set)
    for name, lines in texts.items():
        for start in range(len(lines) - window + 1):
            where[tuple(lines[start : start + window])].add(name)
    repeated: Counter[str] = Counter()
    for name, lines in texts.items():
        hit = set()
        for start in range(len(lines) - window + 1):
            if len(where[tuple(lines[start : start + window])]) > 1:
                hit |= set(range(start, start + window))
        repeated[name] = len(hit)
    assert sum(repeated.values()) <= 0.003 * sum(map(len, texts.values())), repeated.most_common(5)


PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("findings/*.md")]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_pages_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_files_that_the_architecture_names_exist(page):
    names = re.findall(r"`([\w/]+\.py)`", (ROOT / page).read_text(encoding="utf-8"))
    paths = [str(path.relative_to(ROOT)) for path in ROOT.glob("[!.]*/**/*.py")]
    missing = [name for name in names if not any(f"/{path}".endswith(f"/{name}") for path in paths)]
    assert [name for name in missing if not name.endswith("/mine.py")] == []  # an example's own file
