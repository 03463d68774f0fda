"""Write docs/api.md and docs/api_probes.md from the docstrings of the public names: `python scripts/api_page.py`."""

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent, indent
from types import ModuleType
from typing import Any

import gatelab
from gatelab import probes

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
OF_PROBES = PAGE.with_name("api_probes.md")
GROUPS = {
    "Variants and networks": ("variant", "variants", "tasks", "openings", "Variant", "RNN", "Network", "load"),
    "Networks of other programs": ("from_torch_file", "from_onnx", "OnnxNode", "to_onnx", "from_keras", "from_jax"),
    "Training": ("train", "sweep"),
    "Stored runs": ("runs", "load_run", "Runs", "Run", "Result"),
    "Comparison": ("compare", "Comparison", "Gain"),
    "Errors": ("UserError",),
}
METHODS = {
    "OnnxNode": ("run",),
    "Variant": ("edit", "mapping", "from_mapping", "reads", "latex", "plain"),
    "RNN": (
        "forward",
        "gates",
        "from_torch",
        "to_torch",
        "reset_parameters",
        "save",
        "from_pretrained",
        "push_to_hub",
    ),
    "Network": ("forward", "gates", "save", "from_pretrained", "push_to_hub"),
}
"""The public methods of classes that also have internal ones; of all other classes every method is public."""

HEAD = """\
# The Python API

<!-- written by scripts/api_page.py from the docstrings -->

The functions of the commands, for Python and notebooks: the same arguments, the same stores, the same errors.
`import gatelab` has every name, and imports its module on first use.

Nothing is printed, except a progress bar with `progress=True`. No call ends the process. When a call returns, the
caller's signal handlers, threads and random numbers of torch, and Hydra application are restored. Settings without
effect are warnings. All examples run as tests. In them, `tiny` makes a run small:

{tiny}

## What is promised

gatelab follows [semantic versioning](https://semver.org). These are public:

- the names below (`gatelab.__all__`), with the methods and arguments shown here;
- the keys and the files of `conf/`;
- the files of a run's folder and their contents ([architecture.md](architecture.md)).

A release that breaks one of these for a caller gets a new first number (before 1.0.0: a new second number), and the
changelog says what to do. Additions break nothing: mappings may get new keys, results new fields. Everything else is
internal and may change in any release. A store of an earlier release can be read, or is refused
in one line.

`gatelab.__version__` is the version, and so is `gatelab --version`.
"""

HEAD_OF_PROBES = """\
# The diagnostics in Python

<!-- written by scripts/api_page.py from the docstrings -->

The functions of `gatelab.probes` and what they return. [What gates do](probes.md) says what each one measures, its
known answers, and how it misleads. All examples run as tests.

A model is a `gatelab.Network` or a `gatelab.RNN`; a batch is one of a task, or inputs as an array or a tensor. Arrays
are those of numpy. What the results hold may still grow and change before 1.0.0.
"""

WIDTH = 88
"""Letters of a line of code; a phone and paper show no more."""

TINY = (
    "model.hidden_size=4",
    "training.max_steps=4",
    "training.batch_size=4",
    "training.validate_every=2",
    "task.length=8",
    "task.validation_size=10",
    "task.test_size=10",
    "logger=none",
)
MADE = ("RNN", "Network")
"""The classes that a user constructs; functions return the others."""


def members(name: str) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties of a public class, by name."""
    kind = getattr(gatelab, name)
    wanted = METHODS.get(name)
    classes = reversed(inspect.getmro(kind)) if inspect.isclass(kind) else ()
    ours = [one for one in classes if one.__module__.startswith("gatelab.")]
    for member, content in (pair for one in ours for pair in vars(one).items()):
        named = member in wanted if wanted else kind.__module__.startswith("gatelab.api") and member[0] != "_"
        if named and (inspect.isroutine(content) or isinstance(content, property) or hasattr(content, "attrname")):
            yield member, content


def documented(value: Any) -> Any:
    """Return the object with the docstring: of a callable package, its call."""
    return type(value).__call__ if isinstance(value, ModuleType) else value


def page() -> str:
    """Return the page."""
    parts = [HEAD.format(tiny=_example())]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts.append(_entry(f"gatelab.{name}", documented(getattr(gatelab, name)), "###"))
            parts += [_entry(f"{name}.{member}", content, "####") for member, content in members(name)]
    return "\n".join(parts)


def page_of_probes() -> str:
    """Return the page of the diagnostics."""
    parts = [HEAD_OF_PROBES]
    for name in probes.__all__:
        function = getattr(probes, name)
        parts.append(_entry(f"probes.{name}", function, "##"))
        if (kind := result_of(function)) is not None:
            parts.append(_entry(kind.__name__, kind, "###"))
            parts += [_entry(f"{kind.__name__}.{name}", content, "####") for name, content in _methods(kind)]
    return "\n".join(parts)


def result_of(function: Any) -> type | None:
    """Return the class of what a function returns, if it is one of gatelab."""
    named = inspect.signature(function).return_annotation
    found = vars(inspect.getmodule(function)).get(named if isinstance(named, str) else getattr(named, "__name__", ""))
    return found if inspect.isclass(found) and found.__module__.startswith("gatelab") else None


def _methods(kind: type) -> Iterator[tuple[str, Any]]:
    for name, content in vars(kind).items():
        if name[0] != "_" and (inspect.isfunction(content) or isinstance(content, property)):
            yield name, content


def _example() -> str:
    return "\n".join(["    tiny = [", *(f'        "{word}",' for word in TINY), "    ]"])


def _entry(name: str, content: Any, level: str) -> str:
    fields = "".join(f"- `{field}`{f': {text}' if text else ''}\n" for field, text in _fields(content))
    said = inspect.getdoc(content)
    if not said:
        raise SystemExit(f"{name} has no docstring")
    text = _markdown(said) + (f"\n\n{fields}" if fields else "\n")
    signature = _signature(name, content)
    called = f"    {signature}\n\n" if signature else ""
    return f"{level} `{name}`\n\n{called}{text}"


def _signature(name: str, content: Any) -> str:
    """Return the arguments as in the source."""
    called = content.__func__ if isinstance(content, staticmethod | classmethod) else content
    if inspect.isclass(called) and name.removeprefix("gatelab.") in MADE:
        called = called.__init__
    if not inspect.isfunction(called):
        return ""
    (definition,) = ast.parse(dedent(inspect.getsource(called))).body
    assert isinstance(definition, ast.FunctionDef)
    arguments = definition.args
    arguments.args = [argument for argument in arguments.args if argument.arg not in ("self", "cls")]
    for node in ast.walk(definition):
        if isinstance(node, ast.arg) and isinstance(node.annotation, ast.Constant):
            node.annotation = ast.parse(str(node.annotation.value), mode="eval").body
    returns = definition.returns
    result = str(returns.value) if isinstance(returns, ast.Constant) else ast.unparse(returns) if returns else ""
    after = f") -> {result}" if result != "None" else ")"
    written = f"{name}({ast.unparse(arguments)}{after}"
    if len(written) <= WIDTH:
        return written
    # a line for each argument, as a formatter would write it
    one_each = re.sub(r", (?=(?:\*|\w+[:,=]|\w+$)(?![^\[]*\]))", ",\n        ", ast.unparse(arguments))
    return f"{name}(\n        {one_each},\n    {after}"


def _fields(kind: Any) -> Iterator[tuple[str, str]]:
    """Yield the fields of a dataclass with the docstrings below them."""
    if not (dataclasses.is_dataclass(kind) and inspect.isclass(kind)) or "Attributes:" in (kind.__doc__ or ""):
        return
    (body,) = ast.parse(dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    for statement, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            text = inspect.cleandoc(str(after.value.value)) if said else ""  # type: ignore[union-attr]
            yield ast.unparse(statement.target), " ".join(text.replace("``", "`").split())


def _markdown(text: str) -> str:
    """Return a docstring as Markdown: names as code, lists of arguments unchanged, in a block."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    # if only the example follows the first line
    text = re.sub(r"(?<=\n\n)>>>.*?(?=\n\n|\Z)", lambda found: indent(found[0], "    "), text, flags=re.DOTALL)
    lines, listed = [], False
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Returns|Raises|Attributes):", line):
            listed = True
            lines.append(f"*{line[:-1]}*\n")
        elif listed and re.match(r"    \S", line):
            lines.append(f"- {line.strip()}")
        elif listed and line.startswith("        "):
            lines.append(f"  {line.strip()}")
        else:
            listed = listed and not line.strip()
            lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    OF_PROBES.write_text(page_of_probes(), encoding="utf-8")
