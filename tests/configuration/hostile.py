"""Files of a user's folder, made up of what is allowed and of what leads elsewhere."""

import yaml
from hypothesis import strategies as st

__all__ = ["GROUPS", "SECRET", "options"]

SECRET = "GATELAB_TEST_SECRET"
GROUPS = ("variant", "task", "opening", "optimizer", "schedule", "experiment")

_HEADERS = (
    "",
    "# a file\n",
    "# @package _global_\n",
    "# @package {group}\n",
    "#@package hydra.job\n",
    "# @package a.b\n",
    "\n\n# @package _global_\n",
    "# @package {group} x\n",
    "# @package _global_.hydra\n",
    "# @version 1\n",
)
_BODIES = {
    "variant": {"name": "mine", "state": ["h"], "equations": {"h": "tanh(linear(x, h))"}},
    "task": {"name": "adding", "length": 5},
    "opening": {"name": "chrono", "max_time": 10},
    "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.1},
    "schedule": {"name": "linear", "final": 0.1},
    "experiment": {
        "defaults": ["_self_"],
        "model": {"hidden_size": 3},
        "hydra": {"sweeper": {"params": {"seed": "1,2"}}},
    },
}
_KEYS = (
    "name",
    "notes",
    "source",
    "equations",
    "lr",
    "final",
    "length",
    "defaults",
    "hydra",
    "runs_dir",
    "seed",
    "model",
    "logger",
    "_target_",
    "_args_",
    "_partial_",
    "variant",
    "task",
    "training",
    "optimizer",
    "label",
    "path",
    "<<",
    "hydra.job",
    "hydra/launcher",
    "@package",
    "${seed}",
    "sweeper",
    "launcher",
    "params",
    "callbacks",
    "job",
    "run",
    "dir",
    "env_set",
    "searchpath",
    "mode",
    "executor",
    "workers",
    "submitit",
    "parameters",
    "task@hydra.job",
    "override /task",
    "/hydra/callbacks",
    "override /hydra/launcher",
    "override /hydra/sweeper",
    "hidden_size",
)
_TEXTS = (
    f"${{oc.env:{SECRET}}}",
    f"a ${{oc.env:{SECRET},b}}",
    f"\\${{oc.env:{SECRET}}}",
    "${seed}",
    "${hydra:runtime.cwd}",
    "${hydra.runtime.cwd}",
    "${now:%Y}",
    "${draw:uniform,0,1}",
    f"${{draw:choice,${{oc.env:{SECRET}}}}}",
    "${${seed}}",
    f"$\\{{oc.env\\:{SECRET}\\}}",
    "os.getcwd",
    "builtins.print",
    "adding",
    "/experiment/mine",
    "_self_",
    "../../x",
    "optuna_search",
    "basic",
    "stacked",
    "a\nb",
    "\x1b[2J",
    "???",
    "=1",
    "",
    "x" * 300,
    "range(3)",
    "1,2",
)

_texts = st.sampled_from(_TEXTS)
_values = st.recursive(
    st.one_of(_texts, _texts, st.integers(-3, 3), st.floats(allow_nan=False), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(_KEYS), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def options(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a group, and the text of a file of it: a right one with up to three changes, which may be nested."""
    group = draw(st.sampled_from(GROUPS))
    content = yaml.safe_load(yaml.safe_dump(_BODIES[group]))
    for _ in range(draw(st.integers(0, 3))):
        place = content
        while draw(st.booleans()):
            inner = [value for value in place.values() if isinstance(value, dict) and value]
            if not inner:
                break
            place = draw(st.sampled_from(inner))
        key = draw(st.one_of(st.sampled_from(sorted(place, key=str)), st.sampled_from(_KEYS)))
        place[key] = draw(_values)
    return group, draw(st.sampled_from(_HEADERS)).format(group=group) + yaml.safe_dump(content, allow_unicode=True)
