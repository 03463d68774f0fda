"""Files of every kind that a user or a store gives, changed at random: read, or refused in one line; nothing runs."""

import re
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings

from gatelab.compiler import parameter_count, program
from gatelab.configuration import run_configuration
from gatelab.configuration.experiment_files import read_experiment
from gatelab.configuration.option_files import read_option
from gatelab.errors import UserError
from gatelab.language import variant_from_file
from gatelab.locations import conf_directory, experiments_directory
from gatelab.papers import Experiment
from gatelab.store import Store
from gatelab.training import train_stack
from tests.training.examples import configuration
from tests.trust.mutations import mutated

CONF, EXPERIMENTS = conf_directory(), experiments_directory()
WATCHED = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "socket.connect",
           "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.putenv", "ctypes.dlopen",
           "pickle.find_class", "import", "open")  # fmt: skip
SECONDS = 30.0  # of this process, for one small file: what takes longer hangs


def texts(pattern, folder=CONF):
    return tuple(path.read_text() for path in sorted(folder.glob(pattern)))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A finished run: its folder's files are what a store is made of."""
    run = configuration(tmp_path_factory.mktemp("store"), training={"validate_every": 2})
    train_stack([run])
    return run


def as_option(group, run):
    """Read a file as an option of a group, in a user's folder beside conf/, and as that section of a run."""

    def read(path):
        _, content = read_option(group, path.stem, path, path.name)
        # at this size every variant of the catalogue can be; a mask is of the inputs themselves, not of an embedding
        embedding = None if b"mask" in path.read_bytes() else "hidden"
        model = {**mapping["model"], "hidden_size": 8, "embedding": embedding}
        return run_configuration({**mapping, "model": model, group: content}, with_torch=False)

    mapping = run.mapping()
    return read


def as_experiment(path):
    return read_experiment(path, path.name)


def as_variant(path):
    variant = variant_from_file(path)
    parameter_count(variant, 8, 8)
    variant.latex()
    return program(variant) if variant.trees else variant


def of_store(path, run):
    found = Store(path.parent.parent)
    asked = {"result.json": found.finished, "metrics.jsonl": found.history, "config.yaml": found.configuration}
    content = asked[path.name](run.identity)
    return run_configuration(content, with_torch=False) if path.name == "config.yaml" else content


def of_experiment(path, name):
    return getattr(Experiment("made/up", path.parent), name)


KINDS = {
    "variant": ("mine.yaml", lambda run: texts("variant/**/*.yaml"), lambda run: as_variant),
    **{
        f"option of {group}": (
            "mine.yaml",
            lambda run, group=group: options(group),
            lambda run, group=group: as_option(group, run),
        )
        for group in ("variant", "task", "opening", "optimizer", "schedule")
    },
    "experiment": (
        "mine.yaml",
        lambda run: texts("*/*/experiment.yaml", EXPERIMENTS) + texts("*/*/quick.yaml", EXPERIMENTS),
        lambda run: as_experiment,
    ),
    **{
        name: (name, lambda run, name=name: of_folder(run, name), lambda run: lambda path: of_store(path, run))
        for name in ("config.yaml", "result.json", "metrics.jsonl")
    },
    "claims.yaml": (
        "claims.yaml",
        lambda run: texts("*/*/claims.yaml", EXPERIMENTS),
        lambda run: lambda path: of_experiment(path, "claims"),
    ),
    "published.csv": (
        "published.csv",
        lambda run: texts("*/*/published.csv", EXPERIMENTS),
        lambda run: lambda path: of_experiment(path, "published"),
    ),
}
"""Kind of file -> its name, real ones, and how it is read."""
QUICK = ("option of variant", "result.json")


def of_folder(run, name):
    return ((Path(run.runs_dir) / run.identity / name).read_text(),)


def options(group):
    real = texts(f"{group}/**/*.yaml")
    # a variant is called as its file is
    return tuple(re.sub(r"(?m)^name: .*", "name: mine", text) for text in real) if group == "variant" else real


class Watch:
    """What Python says it is about to do, while it is asked to look; there is one for the whole process."""

    def __init__(self):
        self.looking, self.seen = False, []
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if self.looking and event in WATCHED:
            if event == "open" and not writes(arguments):
                return
            if event == "import" and str(arguments[0]).partition(".")[0] in sys.modules:
                return
            self.seen.append(f"{event} {arguments!r:.100}")


def writes(arguments):
    _, mode, flags = arguments
    return any(letter in (mode or "r") for letter in "wax+") or bool((flags or 0) & 3)


@pytest.fixture(scope="module")
def watch():
    return Watch()


def test_files(chunk, store, watch, tmp_path):
    name, real, reader = KINDS[chunk.kind]
    read, path = reader(store), tmp_path / store.identity / name
    path.parent.mkdir()
    for text in real(store):  # what is imported on the way is imported by now
        path.write_text(text)
        read(path)

    @seed(f"{chunk.kind} {chunk.first}")
    @settings(
        max_examples=chunk.count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mutated(real(store)))
    def attack(data):
        path.write_bytes(data)
        begun = time.process_time()
        with chunk.trial(data[:300]):
            watch.looking = True
            try:
                read(path)
                chunk.came_to("read")
            except UserError as error:
                check_message(str(error))
                chunk.came_to("refused")
            finally:
                watch.looking = False
                seen, watch.seen = watch.seen, []
            assert not seen, f"it did {seen[:3]}"
            assert time.process_time() - begun < SECONDS, "it took too long"

    attack()


def check_message(message):
    lines = message.split("\n")
    # an error in an equation has the equation and a caret below its line
    assert len(lines) == 1 or (len(lines) == 3 and set(lines[2].strip()) == {"^"}), "not one line"
    assert all(len(line) <= 600 and line.isprintable() for line in lines), "a line that is too long, or not printable"


def test_the_watch_sees(watch, tmp_path):
    watch.looking = True
    (tmp_path / "x").write_text("")
    watch.looking = False
    assert any("open" in event for event in watch.seen)
    watch.seen = []
    assert yaml.safe_load("a: 1") == {"a": 1}
