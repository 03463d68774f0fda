"""Schedules by hand, and optimisers: which are allowed, and that nothing else is even looked at."""

import math
import sys

import pytest

from gatelab.configuration import composed
from gatelab.configuration.optimizer_arguments import argument_defaults
from gatelab.errors import UserError
from gatelab.keys import OptimizerSection, ScheduleSection

OPTIMIZERS = "Adadelta, Adagrad, Adam, AdamW, Adamax, NAdam, RAdam, RMSprop, SGD"


def factors(max_steps, **keys):
    schedule = ScheduleSection(**keys)
    return [schedule.factor(step, max_steps) for step in range(max_steps)]


def test_constant():
    assert factors(3, name="constant") == [1, 1, 1]
    assert factors(5, name="constant", warmup_steps=3) == pytest.approx([1 / 3, 2 / 3, 1, 1, 1], abs=1e-15)


def test_linear_ends_at_its_final_value():
    assert factors(5, name="linear", final=0.0) == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=1e-15)
    assert factors(5, name="linear", final=0.2) == pytest.approx([1, 0.8, 0.6, 0.4, 0.2], abs=1e-15)
    assert factors(6, name="linear", final=0.0, warmup_steps=2) == pytest.approx(
        [0.5, 1, 1, 2 / 3, 1 / 3, 0], abs=1e-15
    )


def test_cosine_ends_at_its_final_value():
    half = math.sqrt(0.5)
    assert factors(5, name="cosine", final=0.0) == pytest.approx([1, (1 + half) / 2, 0.5, (1 - half) / 2, 0], abs=1e-15)
    assert factors(3, name="cosine", final=0.5) == pytest.approx([1, 0.75, 0.5], abs=1e-15)


@pytest.mark.parametrize("name", ["constant", "linear", "cosine"])
def test_one_step_and_nothing_but_warm_up(name):
    assert factors(1, name=name, final=0.0) == [1]
    assert factors(2, name=name, final=0.0, warmup_steps=4) == [0.25, 0.5]


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.optim.LBFGS",
        "torch.optim.ASGD",
        "torch.optim",
        "torch.optim.Adam.__init__",
        "torch.optim.lr_scheduler.StepLR",
        "torch.hub.load",
        "torch.load",
        "pdb.Pdb",
        "xmlrpc.client.ServerProxy",
        "",
    ],
)
def test_other_targets_are_refused_and_not_imported(target):
    module = target.rpartition(".")[0]
    before = set(sys.modules)
    with pytest.raises(UserError) as refused:
        composed([f"optimizer._target_={target}"])
    assert str(refused.value) == f"optimizer._target_={target}: must be torch.optim. and one of {OPTIMIZERS}"
    assert module in before or module not in sys.modules


@pytest.mark.parametrize("kind", OPTIMIZERS.split(", "))
def test_every_allowed_optimizer_composes(kind):
    overrides = [f"optimizer._target_=torch.optim.{kind}", "~optimizer.betas", "~optimizer.eps"]
    assert composed(overrides).optimizer.kind == kind


def test_only_arguments_of_the_class_are_taken():
    section = OptimizerSection(_target_="torch.optim.SGD", lr=0.1, momentum=0.9)
    assert section.arguments == {"momentum": 0.9}
    assert argument_defaults(section) == {"momentum": 0, "dampening": 0, "nesterov": False}
