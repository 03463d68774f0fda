"""gatelab: a laboratory for the gates of recurrent networks.

What stands in ``__all__`` is public: docs/api.md has a page of it, and semantic versioning promises it. Everything
else is internal. A name is imported when it is first used, with no more than it needs: importing gatelab imports no
torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatelab.api.comparison import Comparison, Gain, compare
    from gatelab.api.names import openings, variant, variants
    from gatelab.api.run import Run, load_run
    from gatelab.api.runs import Runs, runs
    from gatelab.api.training import sweep, train
    from gatelab.errors import UserError
    from gatelab.exchange import OnnxNode, from_jax, from_keras, from_onnx, from_torch_file, to_onnx
    from gatelab.language import Variant
    from gatelab.layers.loading import load
    from gatelab.layers.network import Network
    from gatelab.layers.rnn import RNN
    from gatelab.store import Result
    from gatelab.tasks import task_names as tasks

__all__ = [
    "RNN",
    "Comparison",
    "Gain",
    "Network",
    "OnnxNode",
    "Result",
    "Run",
    "Runs",
    "UserError",
    "Variant",
    "__version__",
    "compare",
    "from_jax",
    "from_keras",
    "from_onnx",
    "from_torch_file",
    "load",
    "load_run",
    "openings",
    "runs",
    "sweep",
    "tasks",
    "to_onnx",
    "train",
    "variant",
    "variants",
]

__version__ = "0.1.0"

_HOMES = {
    "RNN": "layers.rnn",
    "Comparison": "api.comparison",
    "Gain": "api.comparison",
    "Network": "layers.network",
    "OnnxNode": "exchange",
    "Result": "store",
    "Run": "api.run",
    "Runs": "api.runs",
    "UserError": "errors",
    "Variant": "language",
    "compare": "api.comparison",
    "from_jax": "exchange",
    "from_keras": "exchange",
    "from_onnx": "exchange",
    "from_torch_file": "exchange",
    "load": "layers.loading",
    "load_run": "api.run",
    "openings": "api.names",
    "runs": "api.runs",
    "sweep": "api.training",
    "to_onnx": "exchange",
    "train": "api.training",
    "variant": "api.names",
    "variants": "api.names",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    if name == "tasks":  # the package itself, which can be called
        return importlib.import_module("gatelab.tasks")
    if name in _HOMES:
        value = globals()[name] = getattr(importlib.import_module(f"gatelab.{_HOMES[name]}"), name)
        return value
    raise AttributeError(f"module 'gatelab' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
