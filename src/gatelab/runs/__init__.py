"""Where runs live: identity, record and store; no torch here, so that tables and sweeps start fast."""

from gatelab.runs.files import write_atomically
from gatelab.runs.identity import NOT_SCIENCE, identity, scientific, settings
from gatelab.runs.provenance import provenance
from gatelab.runs.record import Record
from gatelab.runs.result import Performance, Result
from gatelab.runs.store import Store

__all__ = [
    "NOT_SCIENCE",
    "Performance",
    "Record",
    "Result",
    "Store",
    "identity",
    "provenance",
    "scientific",
    "settings",
    "write_atomically",
]
