"""The files of this folder: templates and the style of its pages."""

from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

__all__ = ["rendered", "resource"]


def rendered(template: str, **values: Any) -> str:
    """Return a page; what is no Markup is escaped."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True, loader=FunctionLoader(resource)
    )
    return environment.get_template(template).render(**values)


def resource(name: str) -> str:
    """Return the text of a file."""
    return files("gatelab.report.gates").joinpath(name).read_text(encoding="utf-8")
