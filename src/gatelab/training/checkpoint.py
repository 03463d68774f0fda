"""A run's checkpoint: everything it needs to resume exactly.

Everything random is a function of seed and step, so the weights, the optimiser's state, the step and the results of
validation are enough. A checkpoint needs no other file than the history, of which it holds the length and the hash; it
holds the best weights too, if they differ from the current ones.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gatelab.store import seal, unseal
from gatelab.training.learning import Progress

if TYPE_CHECKING:  # Lightning takes seconds to import, and reading a checkpoint needs none of it
    from gatelab.training.stack_module import StackModule

__all__ = ["RunState", "best_bytes", "read_best", "read_state", "restore", "state_bytes"]

_FORMAT = 1
_PROGRESS = ("diverged_at", "stopped", "best_step", "best", "stale", "gradient_norm")


@dataclass
class RunState:
    """The content of a checkpoint.

    Attributes:
        progress: of the run.
        weights: parameter name -> tensor.
        optimizer: the optimiser's state of this run.
        losses: of the training steps since the last validation.
        validated: whether the validation due at this step, if any, has been done.
        seconds: training time so far.
        history: the mark of the history (``Record.mark``).
        loss_scale: the factor on its loss, and the steps taken with it; None without one.
        carried: the states with which the next piece of its sequences begins, for each layer; empty for zeros.
        file: the name of its file.
    """

    progress: Progress
    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    losses: Tensor
    validated: bool
    seconds: float
    history: dict[str, Any]
    carried: list[dict[str, Tensor]] = field(default_factory=list)
    loss_scale: tuple[float, int] | None = None
    file: str = "last.pt"

    @property
    def position(self) -> tuple[int, bool]:
        """Runs of equal positions can resume together."""
        return self.progress.steps, self.validated


def state_bytes(module: "StackModule", run: int, seconds: float, history: Mapping[str, Any]) -> bytes:
    """Return the checkpoint of a run between two steps."""
    progress, optimizer = module.progress[run], module.stack_optimizer
    learns = progress.active
    weights = module.run_weights(run)
    norm = float(optimizer.gradient_norms[run]) if progress.gradient_norm is None else progress.gradient_norm
    losses = [step[run] for step in module.training_losses] if learns else []
    content = {
        "format": _FORMAT,
        "step": progress.steps,
        "weights": weights,
        "optimizer": optimizer.run_state(run) if progress.optimizer_state is None else progress.optimizer_state,
        **{name: getattr(progress, name) for name in _PROGRESS},
        "gradient_norm": norm,
        # of a schedule that knows drops alone: other checkpoints stay as they were before it
        **({"drops": progress.drops} if progress.drops else {}),
        **({"loss_scale": list(optimizer.scale.of_run(run))} if optimizer.scale else {}),
        # of a run that takes sequences piece by piece alone
        **({"carried": _of_run(module.carried, run)} if module.carried else {}),
        "best": list(progress.best),
        # often the current weights are the best ones
        "best_weights": None if progress.best_step == progress.steps else progress.best_weights,
        "losses": torch.stack(losses) if losses else torch.zeros(0),
        "validated": not learns or module.validated_at == module.taken,
        "seconds": seconds,
        "history": dict(history),
    }
    return _bytes(content, progress.steps)


def best_bytes(progress: Progress) -> bytes:
    """Return the checkpoint of the best weights."""
    assert progress.best_step is not None
    return _bytes({"weights": progress.best_weights, "step": progress.best_step}, progress.best_step)


def read_best(data: bytes) -> dict[str, Tensor]:
    """Return the weights in a checkpoint of :func:`best_bytes`, by name. Raises as :func:`read_state`."""
    unseal(data)
    try:
        return dict(_loaded(data)["weights"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"it is not a checkpoint of a run: {error!r}") from error


def read_state(data: bytes, shapes: Mapping[str, tuple[int, ...]]) -> RunState:
    """Read a checkpoint.

    Args:
        data: the bytes of the file.
        shapes: parameter name -> shape, of the network that the weights are for.

    Raises:
        ValueError: the bytes have changed, or are not a checkpoint of this network.
    """
    step = unseal(data)
    content = _loaded(data)
    try:
        return _state(content, step, shapes)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not a checkpoint of a run: {error!r}") from error


def _loaded(data: bytes) -> dict[str, Any]:
    try:
        # always with weights_only: a file of unknown origin must not run code
        content: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # any error of torch and pickle on a file that they cannot read
        raise ValueError(" ".join(str(error).split())[:200]) from error
    return content


def _state(content: dict[str, Any], step: int, shapes: Mapping[str, tuple[int, ...]]) -> RunState:
    if content["format"] != _FORMAT or content["step"] != step:
        raise ValueError("it is a checkpoint of another version")
    best_weights = content["best_weights"]
    if best_weights is None:
        best_weights = {name: weight.clone() for name, weight in content["weights"].items()}
    for weights in (content["weights"], best_weights):
        if weights and {name: tuple(weight.shape) for name, weight in weights.items()} != dict(shapes):
            raise ValueError("it is a checkpoint of another network")
    loss, score = content["best"]
    fields = {name: content[name] for name in _PROGRESS} | {"best": (loss, score), "drops": content.get("drops", 0)}
    progress = Progress(steps=step, best_weights=best_weights, **fields)
    return RunState(
        progress=progress,
        weights=content["weights"],
        optimizer=dict(content["optimizer"]),
        losses=content["losses"],
        validated=content["validated"],
        seconds=float(content["seconds"]),
        carried=[dict(layer) for layer in content.get("carried", [])],
        loss_scale=None if (scale := content.get("loss_scale")) is None else (float(scale[0]), int(scale[1])),
        history={"bytes": int(content["history"]["bytes"]), "sha256": str(content["history"]["sha256"])},
    )


@torch.no_grad()
def restore(module: "StackModule", states: Sequence[RunState | None]) -> None:
    """Restore the runs of a stack, which is on its device.

    Args:
        module: new.
        states: of its runs; those that still learn have the same position. None for a new run.
    """
    known = [state or _empty() for state in states]
    for run, (state, old) in enumerate(zip(states, known, strict=True)):
        if state is not None:
            progress = old.progress
            module.progress[run] = progress
            for name, weight in module.weights().items():
                weight[run] = old.weights[name]
            if not progress.active:
                progress.optimizer_state = old.optimizer
    module.tell_active()
    leader = next((run for run, state in enumerate(states) if state is not None and state.progress.active), None)
    if leader is None:
        return
    module.taken, validated = known[leader].position
    module.validated_at = module.taken if validated else None
    module.training_losses = [
        torch.stack([state.losses[step] if len(state.losses) > step else torch.zeros(()) for state in known]).to(
            module.device
        )
        for step in range(len(known[leader].losses))
    ]
    module.carried = _together([state.carried for state in known], leader, module.device)
    optimizer = module.stack_optimizer
    norms = [state.progress.gradient_norm or 0.0 for state in known]
    optimizer.gradient_norms = torch.tensor(norms, dtype=torch.float32, device=module.device)
    optimizer.load_run_states([state.optimizer for state in known], leader)
    if optimizer.scale:
        optimizer.scale.load([state.loss_scale or optimizer.scale.of_run(run) for run, state in enumerate(known)])
    for state in known:
        if state.progress.active:
            state.progress.gradient_norm = None


def _of_run(carried: Sequence[Mapping[str, Tensor]], run: int) -> list[dict[str, Tensor]]:
    return [{name: state[run].clone() for name, state in layer.items()} for layer in carried]


def _together(each: Sequence[list[dict[str, Tensor]]], leader: int, device: torch.device) -> list[dict[str, Tensor]]:
    """Return the carried states of a stack; runs that no longer learn may have none."""
    return [
        {
            name: torch.stack([own[place][name] if own else torch.zeros_like(state) for own in each]).to(device)
            for name, state in layer.items()
        }
        for place, layer in enumerate(each[leader])
    ]


def _empty() -> RunState:
    return RunState(Progress(), {}, {}, torch.zeros(0), validated=False, seconds=0.0, history={})


def _bytes(content: Mapping[str, Any], step: int) -> bytes:
    buffer = io.BytesIO()
    torch.save(_on_cpu(content), buffer)
    return seal(buffer.getvalue(), step)


def _on_cpu(value: Any) -> Any:
    """Return a value that can be loaded without a GPU."""
    if isinstance(value, Mapping):
        return {name: _on_cpu(item) for name, item in value.items()}
    return value.cpu() if isinstance(value, Tensor) else value
