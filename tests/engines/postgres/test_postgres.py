"""Searches on a real PostgreSQL: ``make test-postgres`` installs and starts it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tests.engines.commands import TINY, Started, ended, until
from tests.sweeps.search.made_up import LR, MadeUpRuns, searched

pytestmark = pytest.mark.engine

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def port():
    folder = tempfile.mkdtemp(prefix="gatelab-postgres-")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    subprocess.run([HERE / "server.sh", "start", folder, str(number)], check=True, stdout=subprocess.DEVNULL)
    yield number
    subprocess.run([HERE / "server.sh", "stop", folder], check=True)
    shutil.rmtree(folder)


@pytest.fixture
def url(port, request):
    """A database of the test's own."""
    name = f"of_{abs(hash(request.node.nodeid))}"
    (programs,) = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    command = [programs / "createdb", "--host=127.0.0.1", f"--port={port}", "--username=tried", name]
    subprocess.run(command, check=True, env=os.environ | {"PGPASSWORD": "secret"})
    return f"postgresql+psycopg://tried:secret@127.0.0.1:{port}/{name}"


def trials(url, name="study"):
    storage = optuna.storages.RDBStorage(url)
    try:
        return optuna.load_study(study_name=name, storage=storage).get_trials()
    finally:
        storage.remove_session()
        storage.engine.dispose()


def states(url, name="study"):
    return {trial.state for trial in trials(url, name)}


PART = """
import sys, time
from pathlib import Path
from tests.engines.commands import TINY, Started, ended, until
from tests.sweeps.search.made_up import MadeUpRuns, nearness, searched

def fate(words):
    time.sleep(0.05)
    return nearness(words)

runs = MadeUpRuns(Path(sys.argv[1]), fate)
searched(runs, "optimizer.lr=range(0.25,6.25,0.25)", sampler="grid", n_trials=None, batch_size=2, storage=sys.argv[2])
print(len(runs.trained))
"""


@pytest.mark.in_ci
def test_several_processes_share_the_points_of_a_study(url, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parts = [
        subprocess.Popen(
            [sys.executable, "-c", PART, str(tmp_path / str(part)), url],
            env=environment, stdout=subprocess.PIPE, text=True,
        )
        for part in range(3)
    ]  # fmt: skip
    trained = [int(part.communicate(timeout=120)[0].splitlines()[-1]) for part in parts]
    assert [part.returncode for part in parts] == [0, 0, 0]
    assert sum(trained) == 24
    assert min(trained) > 0
    found = trials(url)
    assert {trial.state for trial in found} == {TrialState.COMPLETE}
    assert sorted(trial.params["optimizer.lr"] for trial in found) == [0.25 * step for step in range(1, 25)]


def test_one_process_asks_what_it_asks_with_a_journal(url, tmp_path):
    options = {"sampler": "tpe", "options": {"n_startup_trials": 2}}
    searched(MadeUpRuns(tmp_path), LR, storage=url, **options)
    alone = searched(MadeUpRuns(tmp_path), LR, **options)
    assert [trial.params for trial in trials(url)] == [trial.params for trial in alone.trials]


@pytest.fixture
def launched(tmp_path):
    """Start a search; return its process."""
    words = (
        *TINY, "training.validate_every=200", "hydra/sweeper=optuna_search", "hydra.sweeper.study_name=study",
        "optimizer.lr=tag(log,interval(1e-4,1e-1))", "hydra.sweeper.batch_size=2", f"runs_dir={tmp_path / 'runs'}",
        "hydra.launcher.executor=inline",
    )  # fmt: skip
    with Started(*words) as start:
        yield lambda url, *more: start(*more, f"hydra.sweeper.storage={url}")


def owners(url):
    """The processes that train trials of the study, once there is one."""
    storage = optuna.storages.RDBStorage(url)
    try:
        if "study" not in [study.study_name for study in storage.get_all_studies()]:
            return set()
        running = optuna.load_study(study_name="study", storage=storage).get_trials(states=(TrialState.RUNNING,))
        return {trial.user_attrs["owner"]["pid"] for trial in running if "owner" in trial.user_attrs}
    finally:
        storage.remove_session()
        storage.engine.dispose()


def test_of_two_launchers_one_is_killed_and_the_other_does_its_trials(url, launched, tmp_path):
    words = ("variant=lstm", "training.max_steps=4000", "hydra.sweeper.n_trials=8")
    one, other = launched(url, *words), launched(url, *words)
    until(lambda: {one.pid, other.pid} <= owners(url))
    one.send_signal(signal.SIGKILL)
    one.communicate()
    status, out, _ = ended(other)
    assert status == 0
    assert "2 were killed and are asked for again" in out
    # where the study is, without the password
    assert f"study study: 8 trials (8 finished) in {url.replace('secret', '***')}" in out
    assert states(url) == {TrialState.COMPLETE, TrialState.FAIL}
    counts = [trial.state for trial in trials(url)]
    assert (counts.count(TrialState.COMPLETE), counts.count(TrialState.FAIL)) == (8, 2)
    assert len(list((tmp_path / "runs").glob("*/result.json"))) == 8
    # nowhere on the disk either
    assert not [path for path in (tmp_path / "runs").rglob("*.json") if "secret" in path.read_text()]


def test_a_launcher_that_is_stopped_gives_its_trials_back(url, launched):
    process = launched(url, "variant=lstm", "training.max_steps=400000", "hydra.sweeper.n_trials=2")
    until(lambda: owners(url))
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    assert states(url) == {TrialState.FAIL, TrialState.WAITING}


NOT_ANSWERED = {
    "wrong password": (("secret", "sesame"), 'password authentication failed for user "tried"'),
    "no such database": (("/of_", "/no_of_"), "does not exist"),
    "no server": ((":{port}/", ":1/"), "Connection refused"),
    "no driver": (("postgresql+psycopg", "mysql"), "needs `pip install mysqlclient`"),
    "no such engine": (("postgresql+psycopg", "postgre"), "sqlalchemy.dialects:postgre"),
}


@pytest.mark.in_ci
@pytest.mark.parametrize("name", NOT_ANSWERED)
def test_what_does_not_answer_is_one_line_without_the_password(url, port, launched, tmp_path, name):
    (before, after), said = NOT_ANSWERED[name]
    wrong = url.replace(before.format(port=port), after)
    process = launched(wrong, "variant=lstm", "hydra.sweeper.n_trials=1")
    status, _, stderr = ended(process)
    assert status == 2
    line = stderr[-1]
    shown = wrong.replace("tried:secret", "tried:***").replace("tried:sesame", "tried:***")
    assert line.startswith(f"hydra.sweeper.storage={shown}: ")
    assert said in line
    assert not [line for line in stderr if "secret" in line or "sesame" in line]
    assert not list((tmp_path / "runs").glob("*"))
