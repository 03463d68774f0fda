"""The compiled path beside other threads and in forked children: the same bits, and no deadlock."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gatelab import RNN

X = torch.linspace(-1, 1, 6 * 40 * 3).view(6, 40, 3)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def gradients(rnn: RNN, x: Tensor) -> list[Tensor]:
    output, _ = rnn(x)
    return [output.detach(), *torch.autograd.grad(output.square().sum(), list(rnn.parameters()))]


def _in_child(rnn, results):
    torch.set_num_threads(2)
    output, _ = rnn(X)
    results.put([value.numpy().tolist() for value in (output.detach(), *gradients(rnn, X))])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_is_forked_from_a_team_of_threads_goes_on_alone(two_threads):
    rnn = RNN("gru", 3, 4, path="native")
    expected = gradients(rnn, X)
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_in_child, args=(rnn, results))
    child.start()
    found = results.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    assert found == [value.tolist() for value in (expected[0], *expected)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_is_forked_while_a_team_computes_goes_on_alone(two_threads):
    # of the compiled path alone: products of torch wait for ever in such a child, nn.GRU's too (torch 2.13)
    rnn, busy = RNN("gru", 3, 4, path="native"), RNN("gru", 3, 16, path="native")
    expected = gradients(rnn, X)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    ended = threading.Event()

    def compute():
        while not ended.is_set():
            gradients(busy, X.expand(30, 6, 40, 3).reshape(180, 40, 3))

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(compute)
        for _ in range(10):
            child = context.Process(target=_in_child, args=(rnn, results))
            child.start()
            child.join(60)
            assert child.exitcode == 0
            assert results.get() == [value.tolist() for value in (expected[0], *expected)]
        ended.set()


class Encoded(Dataset):
    """Sequences that an RNN has read, as a DataLoader's worker would prepare them."""

    def __init__(self, rnn: RNN) -> None:
        self.rnn = rnn

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        with torch.no_grad():
            return self.rnn(X[:, index : index + 1])[0]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_worker_of_a_dataloader_can_run_an_rnn(two_threads):
    rnn = RNN("lstm", 3, 4, path="native")
    data = Encoded(rnn)
    expected = [data[index] for index in range(4)]
    loaded = DataLoader(data, batch_size=None, num_workers=1, multiprocessing_context="fork", timeout=60)
    for one, other in zip(loaded, expected, strict=True):
        assert torch.equal(one, other)


def test_threads_that_call_at_once_get_the_bits_of_one(two_threads):
    rnn = RNN("lstm", 3, 4, path="native")
    inputs = [X * (1 + number) for number in range(8)]
    expected = [gradients(rnn, x) for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, law in zip(pool.map(lambda x: gradients(rnn, x), inputs), expected, strict=True):
                assert all(torch.equal(one, other) for one, other in zip(found, law, strict=True))


def test_threads_that_go_back_over_one_graph_at_once_get_the_bits_of_one():
    rnn = RNN("gru", 3, 4, path="native")
    weights = list(rnn.parameters())
    expected = gradients(rnn, X)[1:]
    output, _ = rnn(X)
    loss = output.square().sum()

    def back(_):
        return torch.autograd.grad(loss, weights, retain_graph=True)

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(back, range(20)):
            assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
