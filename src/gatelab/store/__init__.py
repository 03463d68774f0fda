"""The store of runs: identity, record and store; without torch, so that tables and sweeps start fast."""

from gatelab.store.checkpoint_seal import seal, unseal
from gatelab.store.data_read import DataRead, data_of_section, data_read, hash_shown
from gatelab.store.failure import FAILED, Failure, forget_failure, write_failure
from gatelab.store.faults import CRASH_POINTS, crash_point
from gatelab.store.finished_run import Damaged, DamagedRunError
from gatelab.store.identity import (
    identity,
    identity_of_bytes,
    identity_of_texts,
    number_text,
    schema_of,
    science_text,
    scientific,
    scientific_section,
    settings,
    text_around,
)
from gatelab.store.inventory import Inventory, inventory, remove_leftovers_of
from gatelab.store.lease.heartbeat import HeldClaims
from gatelab.store.lease.lease import LEASE, Claim, ClaimLost
from gatelab.store.lease.owner import Owner
from gatelab.store.provenance import provenance
from gatelab.store.record import Record
from gatelab.store.result import Performance, Result
from gatelab.store.stopping import Stop, Stopped
from gatelab.store.store import Store

__all__ = [
    "CRASH_POINTS",
    "FAILED",
    "LEASE",
    "Claim",
    "ClaimLost",
    "Damaged",
    "DamagedRunError",
    "DataRead",
    "Failure",
    "HeldClaims",
    "Inventory",
    "Owner",
    "Performance",
    "Record",
    "Result",
    "Stop",
    "Stopped",
    "Store",
    "crash_point",
    "data_of_section",
    "data_read",
    "forget_failure",
    "hash_shown",
    "identity",
    "identity_of_bytes",
    "identity_of_texts",
    "inventory",
    "number_text",
    "provenance",
    "remove_leftovers_of",
    "schema_of",
    "science_text",
    "scientific",
    "scientific_section",
    "seal",
    "settings",
    "text_around",
    "unseal",
    "write_failure",
]
