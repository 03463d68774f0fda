"""A network: the recurrent layers and the linear readout that a task asks for."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from gatelab.equations import Variant
from gatelab.models.rnn import RNN

__all__ = ["Network"]


class Network(nn.Module):
    """An RNN and a linear readout of its outputs.

    Args:
        variant: the equations of every layer.
        input_size, output_size: of the task.
        hidden_size, num_layers, bidirectional: of the RNN.
        path: how the recurrence runs.
        readout: "last", one prediction from the last valid step (backwards, from the first), or "every".
    """

    def __init__(
        self,
        variant: Variant,
        input_size: int,
        output_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        readout: Literal["last", "every"] = "last",
        path: str = "auto",
    ) -> None:
        super().__init__()
        self.rnn = RNN(variant, input_size, hidden_size, num_layers, bidirectional=bidirectional, path=path)
        self.readout = nn.Linear(self.rnn.output_size, output_size)
        self.predicts: Literal["last", "every"] = readout

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Draw all initial weights, layer by layer, the readout last: uniform in ±1/√(features read)."""
        self.rnn.reset_parameters(generator)
        bound = 1 / self.rnn.output_size**0.5
        with torch.no_grad():
            self.readout.weight.uniform_(-bound, bound, generator=generator)
            self.readout.bias.uniform_(-bound, bound, generator=generator)

    def draw_masks(self, random: np.random.Generator, rate: float, steps: int, batch: int) -> list[Tensor]:
        """Draw the dropout between layers for one batch of one run.

        Returns:
            For each layer but the last, (time, batch, features) factors that are 0 with probability ``rate`` and
            otherwise 1/(1 − rate).
        """
        shape = (self.rnn.num_layers - 1, steps, batch, self.rnn.output_size)
        kept = random.random(shape, dtype=np.float32) >= rate
        return list(torch.from_numpy(kept.astype(np.float32) / np.float32(1 - rate)))

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor | None = None,
        masks: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Predict.

        Args:
            inputs: (time, batch, input), with a leading run axis if the weights have one.
            lengths: (batch,) valid steps; None if all are.
            masks: dropout as :meth:`draw_masks` draws it; None for none.

        Returns:
            (batch, output) for readout "last", (time, batch, output) for "every".
        """
        output, _, _ = self.rnn.run(inputs, None, lengths, masks)
        if self.predicts == "last":
            return self._read(self._last(output, lengths))
        steps_and_batch = output.shape[-3:-1]
        return self._read(output.flatten(-3, -2)).unflatten(-2, steps_and_batch)

    def _last(self, output: Tensor, lengths: Tensor | None) -> Tensor:
        """Return each direction's output after it has read the whole sequence: (batch, features)."""
        if lengths is None:
            last = output.select(-3, output.shape[-3] - 1)
        else:
            index = (lengths - 1).clamp(min=0)[..., None, :, None].expand(*output.shape[:-3], 1, *output.shape[-2:])
            last = output.gather(-3, index).squeeze(-3)
        if not self.rnn.bidirectional:
            return last
        half = self.rnn.hidden_size
        return torch.cat([last[..., :half], output.select(-3, 0)[..., half:]], -1)

    def _read(self, rows: Tensor) -> Tensor:
        weight, bias = self.readout.weight, self.readout.bias[..., None, :]
        if rows.dim() == 2:
            return torch.addmm(bias, rows, weight.mT)
        if weight.shape[-2] > 1:
            return torch.baddbmm(bias, rows, weight.mT)
        # With a single output column the batched product of one run and of several round differently, and a run's
        # numbers must not depend on its neighbours: so a column of zeros goes along.
        pair = torch.cat([weight, torch.zeros_like(weight)], -2)
        return torch.baddbmm(torch.cat([bias, torch.zeros_like(bias)], -1), rows, pair.mT)[..., :1]
