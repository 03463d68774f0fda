"""Renew the claims of a process while it trains."""

import threading
import time
from types import TracebackType

from gatelab.store.lease.lease import LEASE, Claim, Clock
from gatelab.store.store import Store

__all__ = ["HeldClaims"]


class HeldClaims:
    """The claims of one fit: taken one by one, renewed by a thread, and released at the end, also after an error.

        with HeldClaims(store) as claims:
            claim = claims.take(identity)

    Args:
        store: of the runs.
        lease: seconds for which a claim is valid without renewal; it is renewed four times in this time.
        clock: seconds since the epoch.
    """

    def __init__(self, store: Store, *, lease: float = LEASE, clock: Clock = time.time) -> None:
        self.store, self.lease, self.clock = store, lease, clock
        self.held: dict[str, Claim] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="claims", daemon=True)

    def __enter__(self) -> "HeldClaims":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        for identity in list(self.held):
            self.release(identity)

    def take(self, identity: str) -> Claim | None:
        """Claim a run; None if another process has it, or if it is finished."""
        claim = self.store.claim(identity, lease=self.lease, clock=self.clock)
        if claim is not None:
            self.held[identity] = claim
        return claim

    def release(self, identity: str) -> None:
        """Release a run before the end."""
        self.held.pop(identity).release()

    def _renew(self) -> None:
        while not self._ended.wait(self.lease / 4):
            for claim in list(self.held.values()):
                claim.renew()
