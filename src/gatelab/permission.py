"""The packages whose classes files may name: permitted on the command line or in Python, never in a file."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from gatelab.errors import UserError, one_line

__all__ = ["KEY", "allow", "allowed", "allowing", "allowing_words", "is_allowed", "permitted"]

KEY = "allow_import"
"""The argument of the command line: ``allow_import=my_package``, or several with commas."""

_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_OURS = "gatelab"
_allowed: tuple[str, ...] = ()


def allow(*packages: str) -> None:
    """Allow classes of some packages to be imported, in this process from now on.

    Raises:
        UserError: an invalid name of a package, or gatelab itself.
    """
    global _allowed
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise UserError(f"{KEY}={one_line(package)}: must be the name of a package, such as my_package")
        if package.partition(".")[0] == _OURS:
            raise UserError(f"{KEY}={package}: gatelab itself needs no permission; must be your own package")
    _allowed = tuple(dict.fromkeys((*_allowed, *packages)))


def allowed() -> tuple[str, ...]:
    """Return the packages whose classes may be imported."""
    return _allowed


def allowing_words() -> list[str]:
    """Return the word of the command line that allows what is allowed now; none if that is nothing."""
    return [f"{KEY}={','.join(_allowed)}"] if _allowed else []


def is_allowed(module: str) -> bool:
    """Return whether a module is one of the allowed packages, or in one."""
    return any(module == one or module.startswith(f"{one}.") for one in _allowed)


@contextmanager
def allowing(packages: Iterable[str]) -> Iterator[None]:
    """Allow classes of some packages to be imported, during the context. Raises as :func:`allow`."""
    global _allowed
    before = _allowed
    try:
        allow(*packages)
        yield
    finally:
        _allowed = before


@contextmanager
def permitted(words: Sequence[str]) -> Iterator[list[str]]:
    """Remove ``allow_import=…`` from the arguments of a command, and apply it during the context.

    Yields the other arguments. Raises as :func:`allow`.
    """
    packages = [word.removeprefix(f"{KEY}=") for word in words if word.startswith(f"{KEY}=")]
    with allowing(package for several in packages for package in several.strip("[]").split(",")):
        yield [word for word in words if not word.startswith(f"{KEY}=")]
