"""The devices that train a stack, and whether this machine has them."""

import torch

from gatelab.errors import UserError

__all__ = ["LIGHTNING", "check_device", "device_used"]

LIGHTNING = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}
"""What Lightning calls each kind of device."""


def check_device(device: str) -> None:
    """Refuse a kind of device that this machine does not have.

    Raises:
        UserError: naming it, and what is allowed here.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda: no CUDA device is available; allowed here: auto, cpu")
    if device == "mps" and not torch.backends.mps.is_available():
        raise UserError("device=mps: torch finds no Metal device; allowed here: auto, cpu")


def device_used(device: str) -> str:
    """Return the kind of device that ``device=`` means here. ``auto`` is CUDA where it is, and never mps, which nobody
    has tried.

    Raises:
        UserError: this machine does not have it.
    """
    check_device(device)
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device
