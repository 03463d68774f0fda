"""Where runs live: identity, record and store; no torch here, so that tables and sweeps start fast."""

from gatelab.runs.claims import LEASE, Claim, ClaimLost
from gatelab.runs.crashes import CRASH_POINTS, crash_point
from gatelab.runs.finished import Damaged, DamagedRunError
from gatelab.runs.identity import (
    NOT_SCIENCE,
    identity,
    identity_of_texts,
    science_text,
    scientific,
    scientific_section,
    settings,
)
from gatelab.runs.inventory import Inventory, inventory, remove_leftovers_of
from gatelab.runs.keeping import Claims
from gatelab.runs.owners import Owner
from gatelab.runs.provenance import provenance
from gatelab.runs.record import Record
from gatelab.runs.result import Performance, Result
from gatelab.runs.seals import seal, unseal
from gatelab.runs.stopping import Stop, Stopped
from gatelab.runs.store import Store

__all__ = [
    "CRASH_POINTS",
    "LEASE",
    "NOT_SCIENCE",
    "Claim",
    "ClaimLost",
    "Claims",
    "Damaged",
    "DamagedRunError",
    "Inventory",
    "Owner",
    "Performance",
    "Record",
    "Result",
    "Stop",
    "Stopped",
    "Store",
    "crash_point",
    "identity",
    "identity_of_texts",
    "inventory",
    "provenance",
    "remove_leftovers_of",
    "science_text",
    "scientific",
    "scientific_section",
    "seal",
    "settings",
    "unseal",
]
