"""Classes from outside gatelab, such as your own task: imported only with the user's permission.

A file names a class as ``my_package.module:MyTask``. Files are data: a name in a store, in an experiment or in a folder
of ``--config-dir`` alone imports nothing. The permission is given in one of three ways:

- on the command line: ``allow_import=my_package``, for the package and everything below it;
- in Python: :func:`gatelab.permission.allow`;
- by installing a distribution with an entry point in the group ``gatelab.tasks`` or ``gatelab.openings``.

A file cannot give it.
"""

import hashlib
import importlib
import inspect
import os
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from gatelab.errors import UserError, one_line
from gatelab.permission import KEY, is_allowed

__all__ = ["Named", "NotAllowedError", "code", "entry_point_names", "outside_class"]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"(?P<module>{_NAME}(\.{_NAME})*):(?P<name>{_NAME})")
_OURS = "gatelab"


class NotAllowedError(UserError):
    """A file names a class that may not be imported, since the user has not allowed it."""


class Named(BaseModel):
    """A section of a configuration whose ``name`` is its class; the class may come from outside gatelab.

    A class from outside has ``code`` in its mapping, beside its fields, so that the identity of a run
    distinguishes its versions: a hash of the source of the modules in which the class and its bases outside gatelab are
    defined, or, if the class has it, its attribute ``version``. What these modules import is not covered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    name: str = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Give a class from outside its own name, also if it builds on one of our classes, whose name is fixed."""
        super().__pydantic_init_subclass__(**options)
        field = cls.model_fields["name"]
        if not _is_ours(cls) and field.annotation is not str:
            field.annotation = str
            cls.model_rebuild(force=True)

    @model_validator(mode="wrap")
    @classmethod
    def _of_this_code(cls, data: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        """Fill in the name of a class from outside, and refuse a mapping written by another version of it."""
        if _is_ours(cls) or not isinstance(data, Mapping):
            return handler(data)
        fields = {"name": f"{cls.__module__}:{cls.__qualname__}", **data}
        stated = fields.pop("code", None)
        if stated is not None and stated != (found := code(cls)):
            raise ValueError(f"code={stated}: the source of {cls.__module__} has changed; it is {found} now")
        return handler(fields)

    @model_serializer(mode="wrap")
    def _with_code(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        return fields if _is_ours(type(self)) else {**fields, "code": code(type(self))}


def outside_class(name: str, noun: str, parent: type, key: str) -> Any | None:
    """Return the class from outside gatelab with a name; None if it is no such name.

    Args:
        name: ``my_package.module:MyTask``, or that of an entry point.
        noun: "task" or "opening".
        parent: what the class must be derived from.
        key: the place of the name in errors: ``task.name``.

    Raises:
        NotAllowedError: the user has not allowed it.
        UserError: the module or the class is missing, fails, or is of another kind.
    """
    points = _entry_points(f"gatelab.{noun}s", key)
    reference = points.get(name, name)
    parts = _REFERENCE.fullmatch(reference)
    where = f"{key}={one_line(name)}"
    if parts is None:
        if ":" in reference:
            raise UserError(f"{where}: must be written as my_package.module:My{noun.capitalize()}")
        return None
    module = parts["module"]
    top = module.partition(".")[0]
    if top == _OURS or top == "__main__":
        raise UserError(f"{where}: must be a class of your own package, not of {top}")
    if reference not in points.values() and not is_allowed(module):
        raise NotAllowedError(f"{where}: a file alone imports nothing; to allow it, add {KEY}={top} to the command")
    return _checked(_imported(module, parts["name"], where), parent, noun, where)


def entry_point_names(noun: str) -> tuple[str, ...]:
    """Return the names that installed distributions give to tasks or openings, in alphabetical order."""
    return tuple(sorted(_entry_points(f"gatelab.{noun}s", f"{noun}.name")))


def _entry_points(group: str, key: str) -> dict[str, str]:
    """Return name -> ``module:Class`` of the entry points of a group."""
    found: dict[str, str] = {}
    for point in _installed(tuple((folder, _changed(folder)) for folder in sys.path)).select(group=group):
        if found.setdefault(point.name, point.value) != point.value:
            raise UserError(
                f"{key}={one_line(point.name)}: two installed distributions have it in {group}: "
                f"{one_line(found[point.name])} and {one_line(point.value)}; one of them must go"
            )
    return found


@lru_cache(maxsize=4)
def _installed(_folders: tuple[tuple[str, int], ...]) -> Any:
    """Return all entry points; every distribution is read for them, again where a folder has changed."""
    return entry_points()


def _changed(folder: str) -> int:
    """Return when a distribution was last installed into a folder, or removed from it; 0 for none."""
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


def _imported(module: str, name: str, where: str) -> object:
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise UserError(
                f"{where}: no module '{error.name}'; install it, or add the folder it lies in to PYTHONPATH"
            ) from None
        raise UserError(f"{where}: importing {module} fails: {_told(error)}") from error
    except (Exception, SystemExit) as error:
        raise UserError(f"{where}: importing {module} fails: {_told(error)}") from error
    if not hasattr(loaded, name):
        raise UserError(f"{where}: module {module} has no '{name}'")
    return getattr(loaded, name)


def _told(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}", 200)


def _checked(found: object, parent: type, noun: str, where: str) -> type[Named]:
    """Refuse other objects, classes that lack parts, and classes that would accept undeclared fields."""
    base = f"{parent.__module__.rpartition('.')[0]}.{parent.__name__}"
    if not isinstance(found, type) or not issubclass(found, Named) or not issubclass(found, parent):
        raise UserError(f"{where}: is no {noun}; must be a class derived from {base}")
    lacking = sorted(getattr(found, "__abstractmethods__", ()))
    if lacking:
        raise UserError(f"{where}: the class lacks {', '.join(lacking)}")
    for key, value in Named.model_config.items():
        if found.model_config.get(key) != value:
            raise UserError(f"{where}: model_config has {key}={found.model_config.get(key)}; must be {value}")
    code(found)
    return found


@lru_cache(maxsize=256)
def code(kind: type[Named]) -> str:
    """Return the code version of a class from outside: its ``version``, or a hash of its source.

    Raises:
        UserError: it has neither.
    """
    version = getattr(kind, "version", None)
    if version is not None:
        return f"version {version}"
    digest = hashlib.sha256()
    for module in dict.fromkeys(base.__module__ for base in kind.__mro__):
        if module.partition(".")[0] in (_OURS, "pydantic", *sys.stdlib_module_names):
            continue
        try:
            digest.update(inspect.getsource(sys.modules[module]).encode())
        except (OSError, TypeError, KeyError):
            raise UserError(
                f"{kind.__module__}:{kind.__qualname__}: the source of {module} cannot be read; the class needs an "
                "attribute `version`"
            ) from None
    return digest.hexdigest()[:16]


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == _OURS
