"""A variant as a line of text and back: what a traced or exported program carries, to run in another process too."""

import json
from functools import lru_cache

from gatelab.errors import UserError
from gatelab.language import Variant

__all__ = ["variant_of", "written"]

_NOT_COMPUTED = ("source", "notes", "roles")


@lru_cache(maxsize=256)
def written(variant: Variant) -> str:
    """Return what a variant computes, as JSON: always the same text for the same equations."""
    mapping = {key: value for key, value in variant.mapping().items() if key not in _NOT_COMPUTED}
    return json.dumps(mapping, separators=(",", ":"))


@lru_cache(maxsize=256)
def variant_of(text: str) -> Variant:
    """Return the variant that :func:`written` wrote; it is read as a user's file is.

    Raises:
        UserError: the text is not one of a variant.
    """
    try:
        mapping = json.loads(text)
    except ValueError as error:
        raise UserError(f"gatelab operator: its variant is no JSON: {error}") from error
    if not isinstance(mapping, dict):
        raise UserError("gatelab operator: its variant must be a JSON object")
    return Variant.from_mapping(mapping, "gatelab operator", drawn=True)
