"""A run has bit for bit the numbers in a stack that it has alone."""

import pytest

from gatelab.configuration import shape_key
from gatelab.training import train_stack
from tests.training.examples import (
    ADAM,
    ADDING,
    COPYING,
    DIGITS,
    OPTIMIZERS,
    chorales,
    configuration,
    optimizer,
    outcome,
)


@pytest.fixture
def same(tmp_path):
    """Train runs together and each alone, and check that nothing they leave behind differs."""

    def check(several):
        together = [configuration(tmp_path / "together", **sections) for sections in several]
        assert len({shape_key(run) for run in together}) == 1
        train_stack(together)
        for sections in several:
            run = configuration(tmp_path / "alone", **sections)
            train_stack([run])
            assert outcome(tmp_path / "alone", run.identity) == outcome(tmp_path / "together", run.identity)

    return check


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_with_rates_and_decays_of_its_runs(same, name):
    same(
        [
            {"seed": 0, "optimizer": optimizer(name, 0.01, 0.0)},
            {"seed": 1, "optimizer": optimizer(name, 0.1, 0.03)},
            {"seed": 1, "optimizer": optimizer(name, 0.003, 0.2)},
        ]
    )


@pytest.mark.parametrize(
    ("name", "key", "values"),
    [
        ("Adam", "betas", ([0.9, 0.999], [0.5, 0.9], [0.9, 0.999])),
        ("AdamW", "eps", (1e-8, 1e-3, 1e-1)),
        ("SGD plain", "momentum", (0.0, 0.9, 0.5)),
        ("RMSprop", "alpha", (0.99, 0.5, 0.9)),
        ("Adadelta", "rho", (0.9, 0.5, 0.99)),
    ],
)
def test_arguments_of_the_optimizer_of_its_runs(same, name, key, values):
    same([{"seed": 3, "optimizer": {**optimizer(name, 0.02, 0.01), key: value}} for value in values])


@pytest.mark.parametrize("hidden_size", [1, 5, 64])
@pytest.mark.parametrize("variant", ["lstm", "cifg", "gru", "gru_v3", "peephole", "elman", "mlstm"])
def test_variants_and_sizes(same, variant, hidden_size):
    short, model = {"max_steps": 4}, {"hidden_size": hidden_size}
    same([{"variant": variant, "seed": seed, "model": model, "training": short} for seed in range(3)])


@pytest.mark.parametrize("hidden_size", [1, 31])
def test_a_stack_of_seven_measured_on_more_than_one_batch(same, hidden_size):
    task, model = {**DIGITS, "validation_size": 300}, {"hidden_size": hidden_size}
    short = {"max_steps": 3, "validate_every": 3}
    same([{"task": task, "seed": seed, "model": model, "training": short} for seed in range(7)])


@pytest.mark.parametrize("task", [ADDING, COPYING, DIGITS], ids=lambda task: task["name"])
def test_tasks_with_clip_norms_of_their_runs(same, task):
    norms = [None, 0.01, 1.0]
    same([{"task": task, "seed": 5, "training": {"clip_norm": norm, "max_steps": 6}} for norm in norms])


def test_sequences_of_different_lengths(same, tmp_path):
    task = chorales(tmp_path)
    same([{"task": task, "seed": seed, "training": {"batch_size": 2}} for seed in range(5)])


def test_openings(same):
    named = [{"name": "default"}, {"name": "one"}, {"name": "chrono", "max_time": 20}, {"name": "uniform"}]
    same([{"opening": opening} for opening in named])


def test_schedules(same):
    named = [
        {"name": "constant", "warmup_steps": 3},
        {"name": "linear", "final": 0.1},
        {"name": "cosine", "warmup_steps": 2, "final": 0.0},
    ]
    same([{"schedule": schedule} for schedule in named])


def test_learning_rates_that_drop_on_plateaus(same):
    steps, drops = {"validate_every": 1, "max_steps": 8}, {"name": "plateau", "patience": 1}
    named = [{"name": "constant"}, {**drops, "drop": 0.5}, {**drops, "drop": 0.1}]
    same([{"seed": 1, "optimizer": {**ADAM, "lr": 0.3}, "schedule": one, "training": steps} for one in named])


@pytest.mark.parametrize("variant", ["lstm", "gru"])
def test_dropout_between_layers(same, variant):
    layers = {"num_layers": 2, "hidden_size": 7}
    same([{"variant": variant, "seed": 2, "model": {**layers, "dropout": rate}} for rate in (0.0, 0.3, 0.6)])


@pytest.mark.parametrize("variant", ["lstm", "gru"])
def test_masks_within_a_step(same, variant):
    words = ("zoneout_hidden", "zoneout_cell", "recurrent_dropout", "variational_dropout")
    rates = [(0.1, 0.5, 0.2, 0.3), (0.4, 0.1, 0.5, 0.1), (0.3, 0.3, 0.3, 0.3)]
    models = [{"num_layers": 2, "hidden_size": 7, **dict(zip(words, each, strict=True))} for each in rates]
    same([{"variant": variant, "seed": 2, "model": model} for model in models])


@pytest.mark.parametrize(
    ("training", "layers"), [({"truncate": 3}, 1), ({"truncate": 3}, 2), ({"truncate": 3, "update": "step"}, 1)]
)
def test_pieces_whose_states_are_carried_on(same, training, layers):
    models = [{"num_layers": layers, "zoneout_hidden": rate} for rate in (0.2, 0.5)]
    ways = [{"reduce": "mean", "input_noise": 0.1}, {"reduce": "sum", "input_noise": 0.0}]
    same(
        [
            {"task": COPYING, "seed": 1, "model": model, "training": {**training, **way}}
            for model, way in zip(models, ways, strict=True)
        ]
    )


def test_two_directions_with_different_lengths(same, tmp_path):
    task, model = chorales(tmp_path), {"bidirectional": True, "num_layers": 2}
    same([{"task": task, "seed": seed, "model": model, "training": {"batch_size": 3}} for seed in range(3)])


def test_a_run_whose_patience_has_run_out(same):
    rates, patience = [3.0, 0.01, 0.003], {"validate_every": 1, "max_steps": 12}
    same(
        [
            {"seed": 1, "optimizer": {**ADAM, "lr": rate}, "training": {**patience, "patience": number}}
            for rate, number in zip(rates, [1, None, 4], strict=True)
        ]
    )


def test_a_stack_that_grows_smaller_and_smaller(same):
    """Of five runs one goes on after each of some validations, and the last to its last step."""
    rates, steps = [3.0, 0.03, 2.0, 0.01, 0.003], {"validate_every": 2, "max_steps": 14}
    same(
        [
            {"seed": 1, "optimizer": {**ADAM, "lr": rate}, "training": {**steps, "patience": number}}
            for rate, number in zip(rates, [1, 2, 1, None, 4], strict=True)
        ]
    )


def test_scores_at_which_runs_stop(same):
    steps = {"validate_every": 1, "max_steps": 12}
    same([{"seed": 1, "training": {**steps, "stop_at": score}} for score in (None, 0.3, 1.0, 0.2)])


def test_losses_that_are_summed_and_runs_that_must_learn_their_set(same):
    task = {"name": "embedded_reber", "loss": "squared", "training_size": 9, "validation_size": 20, "test_size": 20}
    steps = {"validate_every": 2, "max_steps": 6, "stop_at": 0.4}
    ways = [("mean", "validation"), ("sum", "both"), ("sum", "validation"), ("mean", "both")]
    same(
        [
            {"task": task, "seed": 1, "training": {**steps, "reduce": reduce, "stop_on": stop_on}}
            for reduce, stop_on in ways
        ]
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
def test_direct_weights_and_no_bias(same, loss):
    task = {"name": "noise_free_long_lag", "length": 6, "loss": loss, "validation_size": 9, "test_size": 9}
    model = {"direct": True, "bias": False, "hidden_size": 1}
    same([{"task": task, "seed": seed, "model": model, "training": {"reduce": "sum"}} for seed in range(3)])


def test_noise_on_inputs_and_weights(same, tmp_path):
    task = chorales(tmp_path)
    noise = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.1), (0.3, 0.05)]
    same(
        [
            {"task": task, "seed": 4, "training": {"batch_size": 2, "input_noise": inputs, "weight_noise": weights}}
            for inputs, weights in noise
        ]
    )


def test_distributions_of_initial_weights(same):
    spreads = [{"initial": "default"}, {"initial": "normal", "initial_scale": 0.1}]
    spreads += [{"initial": "uniform", "initial_scale": scale} for scale in (0.1, 0.2)]
    same([{"model": spread, "opening": {"name": "given", "retain": [1.0, -1.0]}} for spread in spreads])


def test_normalised_momentum(same):
    sgd = {"_target_": "torch.optim.SGD", "lr": 0.1}
    same([{"optimizer": {**sgd, "momentum": m, "normalize_momentum": on}} for m in (0.0, 0.9) for on in (True, False)])


@pytest.mark.parametrize("validate_every", [2, 5, 50])
def test_a_run_that_diverges(same, validate_every):
    """A rate of 1e30 gives a finite step and an infinite loss after it; 3e38 with decay no finite step at all."""
    training = {"validate_every": validate_every, "clip_norm": None}
    rates = [(1e30, 0.0), (0.01, 0.0), (3e38, 100.0), (0.1, 0.0)]
    sgd = {"_target_": "torch.optim.SGD"}
    same([{"optimizer": {**sgd, "lr": lr, "weight_decay": decay}, "training": training} for lr, decay in rates])


def test_the_place_in_a_stack_means_nothing(tmp_path):
    seeds = [3, 1, 2]
    for folder, order in (("forwards", seeds), ("backwards", seeds[::-1])):
        train_stack([configuration(tmp_path / folder, seed=seed) for seed in order])
    for seed in seeds:
        identity = configuration(tmp_path, seed=seed).identity
        assert outcome(tmp_path / "forwards", identity) == outcome(tmp_path / "backwards", identity)
