"""The hash of a file as a field of a task; apart from fetching it, whose libraries take longer to import."""

from typing import Annotated

from pydantic import Field

__all__ = ["Sha256"]

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""The hash of a file, as a field of a task."""
