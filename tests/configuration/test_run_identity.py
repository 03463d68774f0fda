"""What makes two configurations the same run, and what makes them two."""

import hashlib
import itertools

import pytest
from hydra.types import RunMode

from gatelab.configuration import composed, plain, run_configuration, shape_key
from gatelab.configuration.hydra_loader import CONFIG, hydra_loader
from gatelab.errors import UserError
from gatelab.sweeps.notes import of_data

BASE = ["variant=peephole", "task=adding", "optimizer=adam"]


@pytest.fixture(scope="module")
def base():
    return composed(BASE)


@pytest.mark.parametrize(
    "override",
    [
        "path=loop",
        "logger=none",
        "logger=[csv,mlflow]",
        "runs_dir=elsewhere/",
        "device=cpu",
        "threads=2",
        "progress=false",
        "stack.size=3",
        "debug=true",
        "variant.source=somebody",
        "variant.notes=remarks",
        "opening.source=somebody",
        "+variant.output=h",
        "variant.equations.f=sigmoid( linear(x,h)+diag( c ) )",
        "variant.equations.c=(f*c) + (i*z)",
        "optimizer.lr=0.001",
        "optimizer.weight_decay=0",
        "training.clip_norm=1",
        "model.num_layers=1.0",
        "schedule=constant",
        "+schedule.final=1",
        "seed=0",
        "task=adding",
        "task.data_seed=0",
    ],
)
def test_the_same_run(base, override):
    other = composed([*BASE, override])
    assert other.identity == base.identity
    assert other.science == base.science


def test_another_spelling_of_an_edited_equation_is_the_same_run():
    edited = [composed([*BASE, f"variant.equations.i={text}"]) for text in ("1-f", "1 - f", " 1  -  f", "(1 - f)")]
    assert len({configuration.identity for configuration in edited}) == 1
    assert {configuration.label for configuration in edited} == {"peephole i=1 - f"}


def test_the_order_of_equations_is_science():
    # the output gate sees the new cell in one and the old one in the other
    names = ("peephole", "peephole_old_cell")
    of_paper, of_libraries = (composed([f"variant={name}", "task=adding"]) for name in names)
    assert of_paper.variant.equations == of_libraries.variant.equations
    assert shape_key(of_paper) != shape_key(of_libraries)
    renamed = {**of_libraries.mapping(), "variant": {**of_libraries.variant.mapping(), "name": "peephole"}}
    assert run_configuration(renamed, frozen=True).identity != of_paper.identity


def test_the_place_of_a_data_file_is_not_science_but_its_hash_is():
    here = composed(["task=chorales", "task.path=here.json"])
    there = composed(["task=chorales", "task.path=there.json"])
    other = composed(["task=chorales", f"task.sha256={'0' * 64}"])
    assert here.identity == there.identity == composed(["task=chorales"]).identity != other.identity


DIFFERENT = [
    [],
    ["seed=1"],
    ["optimizer.lr=2e-3"],
    ["optimizer.weight_decay=0.1"],
    ["optimizer.betas=[0.8,0.999]"],
    ["+optimizer.amsgrad=true"],
    ["optimizer=sgd"],
    ["optimizer=rmsprop"],
    ["schedule=cosine"],
    ["schedule=linear"],
    ["schedule=linear", "schedule.final=0.5"],
    ["schedule.warmup_steps=5"],
    ["opening=zero"],
    ["opening=one"],
    ["opening=one", "opening.value=2"],
    ["opening=chrono"],
    ["opening=chrono", "opening.max_time=50"],
    ["task=copying"],
    ["task.length=50"],
    ["task.data_seed=1"],
    ["task.validation_size=10"],
    ["task.test_size=10"],
    ["model.hidden_size=32"],
    ["model.num_layers=2"],
    ["model.num_layers=2", "model.dropout=0.5"],
    ["model.bidirectional=true"],
    ["training.max_steps=10"],
    ["training.batch_size=16"],
    ["training.clip_norm=2"],
    ["training.clip_norm=null"],
    ["training.validate_every=7"],
    ["training.patience=3"],
    ["training.stop_at=0.9"],
    ["training.input_noise=0.1"],
    ["training.weight_noise=0.1"],
    ["model.initial=normal", "model.initial_scale=0.1"],
    ["model.initial=uniform", "model.initial_scale=0.1"],
    ["model.initial=uniform", "model.initial_scale=0.2"],
    ["variant=lstm"],
    ["variant=gru"],
    ["variant.equations.i=1 - f"],
    ["variant.equations.f=sigmoid(linear(x, h))"],
    ["variant.equations.z=relu(linear(x, h))"],
    ["variant.equations.o=1"],
    ["variant.equations.c=f*c + z"],
    ["variant.equations.h=o*c"],
]


@pytest.fixture(scope="module")
def identities():
    return [composed([*BASE, *overrides]).identity for overrides in DIFFERENT]


def test_different_runs(identities):
    same = [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(zip(DIFFERENT, identities, strict=True), 2)
        if a == b
    ]
    assert same == []


def test_an_identity_is_16_hex_digits(identities):
    assert all(len(identity) == 16 and set(identity) <= set("0123456789abcdef") for identity in identities)


def test_the_order_of_keys_does_not_matter(base):
    def turned(value):
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    mapping = base.mapping()
    # but that of the equations does: they run top to bottom
    backwards = {**turned(mapping), "variant": {**turned(mapping["variant"])}}
    backwards["variant"]["equations"] = mapping["variant"]["equations"]
    assert run_configuration(backwards).identity == base.identity


@pytest.mark.parametrize(("words", "steps"), [(["task=adding", "task.length=30"], 30),
                                              (["task=copying", "task.length=5", "task.tokens=4"], 13),
                                              (["task=adding", "task.length=2"], 3)])  # fmt: skip
def test_chrono_takes_the_length_of_the_task_for_its_largest_time(words, steps):
    run = composed([*words, "opening=chrono"])
    assert run.opening.model_dump()["max_time"] == steps
    # a run that was given the number is the same run, and its configuration always names it
    assert run.identity == composed([*words, "opening=chrono", f"opening.max_time={steps}"]).identity
    assert run.mapping()["opening"]["max_time"] == steps
    assert run_configuration(run.mapping(), frozen=True).identity == run.identity


def test_a_text_without_a_hash_is_the_run_of_its_hash(tmp_path):
    (tmp_path / "text").write_text("a b " * 100)
    words = ["task=words", f"task.path={tmp_path}/text", "task.vocabulary=4"]
    run = composed(words)
    found = hashlib.sha256(b"a b " * 100).hexdigest()
    assert run.mapping()["task"]["sha256"] == found
    assert run.identity == composed([*words, f"task.sha256={found}"]).identity
    (tmp_path / "text").write_text("a c " * 100)
    assert run.identity != composed(words).identity
    # what is frozen is the old text
    frozen = run_configuration(run.mapping(), frozen=True)
    with pytest.raises(UserError, match="the sha256 of its content is "):
        frozen.task.test()


def test_what_follows_from_the_data_is_told(tmp_path):
    (tmp_path / "text").write_text("a b\n" * 100)
    words = ["task=words", f"task.path={tmp_path}/text", "task.vocabulary=4", "task.length=9", "opening=chrono"]
    with hydra_loader() as loader:
        given = plain(loader.load_configuration(CONFIG, words, RunMode.RUN))
    run = composed(words)
    assert list(of_data([run], [given])) == [
        f"task.sha256={run.mapping()['task']['sha256']}, computed of the local data; config.yaml of each run keeps it",
        "opening.max_time=9, the steps of a training sequence of task 'words'",
    ]
