"""Sweeps on a Ray cluster of three nodes on this machine: ``make test-ray`` installs Ray."""

import json
import signal
from pathlib import Path

import pytest

from tests.engines.commands import TINY, Started, ended, here, trained, until

pytestmark = pytest.mark.engine

BASE = (*TINY, "training.validate_every=50")
# ten seconds and more on a machine with nothing else to do
LONG = (*TINY, "training.validate_every=2000", "variant=lstm", "seed=0,1", "training.max_steps=400000")


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(2):
        started.add_node(num_cpus=1)
    yield started
    started.shutdown()


@pytest.fixture
def launched(cluster, tmp_path):
    """Start a sweep on the cluster; return its process."""
    with Started(f"runs_dir={tmp_path / 'runs'}", "hydra.launcher.executor=ray") as start:

        def launch(*words, address=cluster.address):
            return start(*words, f"hydra.launcher.ray.address={address}")

        yield launch


def owner(runs):
    """The process that trains a run which has a checkpoint; None if there is none."""
    for path in runs.glob("*/claim-*.json"):
        if (path.parent / "checkpoint" / "last.pt").exists() and not (claim := json.loads(path.read_text()))[
            "released"
        ]:
            return claim["pid"]
    return None


def ancestors(pid):
    while pid > 1:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def node_of(cluster, pid):
    """The node whose process began another."""
    above = set(ancestors(pid))
    for node in cluster.list_all_nodes():
        if any(info.process.pid in above for infos in node.all_processes.values() for info in infos):
            return node
    raise AssertionError("no node has it")


@pytest.mark.in_ci
def test_a_sweep_has_the_bits_of_one_trained_here_and_is_quiet(launched, tmp_path):
    words = (*BASE, "variant=lstm,gru", "model.hidden_size=4,6", "seed=range(6)", "training.max_steps=50")
    status, stdout, stderr = ended(launched(*words))
    assert status == 0
    assert all("of 24 runs finished" in line for line in stderr)
    assert "ray" not in stdout.lower()
    assert len(trained(tmp_path / "runs")) == 24
    assert trained(tmp_path / "runs") == here(tmp_path, *words)


def test_a_node_that_is_gone_while_it_trains(cluster, launched, tmp_path):
    # three stacks, one for each node; without its head a cluster is gone
    words = (*LONG, "variant=lstm,gru,cifg")
    process = launched(*words)
    pid = until(lambda: (pid := owner(tmp_path / "runs")) and node_of(cluster, pid) is not cluster.head_node and pid)
    cluster.remove_node(node_of(cluster, pid), allow_graceful=False)
    status, _, stderr = ended(process)
    assert status == 0
    assert not [line for line in stderr if "failed" in line or "halves" in line]
    assert trained(tmp_path / "runs") == here(tmp_path, *words)


def test_a_driver_that_is_killed_and_started_again(launched, tmp_path):
    process = launched(*LONG)
    until(lambda: owner(tmp_path / "runs"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    status, _, _ = ended(launched(*LONG))
    assert status == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


def test_ctrl_c_lets_every_stack_write_its_checkpoint(launched, tmp_path):
    process = launched(*LONG)
    until(lambda: owner(tmp_path / "runs"))
    process.send_signal(signal.SIGINT)
    status, _, stderr = ended(process)
    assert status == 130
    assert "the same command goes on" in stderr[-1]
    assert ended(launched(*LONG))[0] == 0
    assert trained(tmp_path / "runs") == here(tmp_path, *LONG)


@pytest.mark.in_ci
@pytest.mark.parametrize("address, said", [("127.0.0.1:1", "Connection refused; no Ray cluster answers there")])
def test_a_cluster_that_does_not_answer_is_one_line(launched, tmp_path, address, said):
    status, _, stderr = ended(launched(*LONG, address=address))
    assert (status, stderr) == (2, [f"hydra.launcher.ray.address={address}: {said}"])
    assert trained(tmp_path / "runs") == {}
