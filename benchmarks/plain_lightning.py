"""The reference of the sweep benchmark: torch.nn.LSTM in a plain LightningModule, one run per Hydra job."""

import sys
from typing import Any

import hydra
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from pytorch_lightning import LightningModule, Trainer
from torch.utils.data import DataLoader, Dataset

from gatelab.tasks import Batch
from gatelab.tasks.memory.adding import Adding

CONFIGURATION = {
    "seed": 0,
    "lr": 1e-3,
    "steps": 500,
    "hidden_size": 64,
    "length": 100,
    "batch_size": 32,
    "validate_every": 100,
    "threads": 1,
    "defaults": [{"override hydra/job_logging": "disabled"}, {"override hydra/hydra_logging": "disabled"}, "_self_"],
    "hydra": {"output_subdir": None},
}
ConfigStore.instance().store(name="plain", node=CONFIGURATION)


class Steps(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The training batches of a seed, one for each step; the same numbers that gatelab trains on."""

    def __init__(self, task: Adding, configuration: DictConfig) -> None:
        self.task = task
        self.configuration = configuration

    def __len__(self) -> int:
        return int(self.configuration.steps)

    def __getitem__(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return _tensors(self.task.training_batch(self.configuration.seed, step, self.configuration.batch_size))


class Plain(LightningModule):
    """An LSTM with a linear readout after the last step."""

    def __init__(self, configuration: DictConfig) -> None:
        super().__init__()
        self.lr = configuration.lr
        self.rnn = torch.nn.LSTM(2, configuration.hidden_size)
        self.readout = torch.nn.Linear(configuration.hidden_size, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return (batch,) predictions for (time, batch, 2) inputs."""
        return self.readout(self.rnn(inputs)[0][-1])[:, 0]

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Return the mean squared error of a batch."""
        return torch.nn.functional.mse_loss(self(batch[0]), batch[1])

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Log the score."""
        self.log("validation", torch.nn.functional.mse_loss(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def _tensors(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets).reshape(-1)


@hydra.main(version_base="1.3", config_path=None, config_name="plain")
def main(configuration: DictConfig) -> float:
    """Train one run with all optional features off, and return its last validation score."""
    torch.set_num_threads(configuration.threads)
    torch.manual_seed(configuration.seed)
    task = Adding(length=configuration.length)
    model = Plain(configuration)
    validation: Any = DataLoader([_tensors(task.validation())], batch_size=None)  # type: ignore[arg-type]
    trainer = Trainer(
        accelerator="cpu",
        max_steps=configuration.steps,
        gradient_clip_val=1.0,
        val_check_interval=min(configuration.validate_every, configuration.steps),
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, DataLoader(Steps(task, configuration), batch_size=None), validation)
    return float(trainer.callback_metrics["validation"])


if __name__ == "__main__":
    sys.exit(main())
