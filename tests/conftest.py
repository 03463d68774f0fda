"""What every test gets: one thread, the same random numbers each time, and no way out to the network."""

import socket
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    connect = socket.socket.connect

    def connect_within_the_machine(self: socket.socket, address: object) -> None:
        inside = self.family == socket.AF_UNIX or (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1"))
        assert inside, f"a test must not need the network: {address}"
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_within_the_machine)
        yield


@pytest.fixture
def one_step_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """For stops that are asked for by their number: no block of compiled steps takes more than one."""
    monkeypatch.setattr("gatelab.training.direct_step._LONGEST", 0.0)
