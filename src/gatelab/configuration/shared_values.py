"""Values shared by the runs of a sweep, as keys of a cache: compared by object, not by content."""

from typing import Any

__all__ = ["Same"]


class Same:
    """Equal only for the same object, which it keeps alive.

    The sections of a configuration are frozen and made once for all runs that share them, so values derived from a
    section are computed once; comparing contents would take longer than computing them.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.value is self.value
