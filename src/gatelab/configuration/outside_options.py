"""A class from outside gatelab that is an option by itself, without a file: ``task=my_package.module:MyTask``.

The name is that of the class, or of an installed entry point; what the option holds are the fields with their defaults.
"""

from typing import Any

from omegaconf import MISSING

from gatelab.layers.openings import Opening
from gatelab.outside import Named, entry_point_names, outside_class
from gatelab.tasks import Task

__all__ = ["PARENTS", "is_outside", "outside_option", "plain_defaults"]

PARENTS: dict[str, type[Named]] = {"task": Task, "opening": Opening}
"""Groups that classes from outside may join, and what these have to be derived from."""


def is_outside(group: str, name: str) -> bool:
    """Say whether a name is written as that of a class from outside, or is that of an entry point."""
    return group in PARENTS and (":" in name or name in entry_point_names(group))


def outside_option(group: str, name: str) -> dict[str, Any] | None:
    """Return the name of a class from outside and the defaults of its fields; None if there is none of the name.

    Raises:
        UserError: as :func:`gatelab.outside.outside_class`.
    """
    kind = outside_class(name, group, PARENTS[group], group) if is_outside(group, name) else None
    if kind is None:
        return None
    required = {key: MISSING for key, field in kind.model_fields.items() if field.is_required() and key != "name"}
    return {"name": name, **required, **plain_defaults(kind)}


def plain_defaults(kind: type[Named]) -> dict[str, Any]:
    """Return the defaults of the fields of a task or an opening, but its name, as a file would have them."""
    return {
        key: _plain(field.get_default(call_default_factory=True))
        for key, field in kind.model_fields.items()
        if key != "name" and not field.is_required()
    }


def _plain(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
