"""The devices that train a stack, and whether this machine has them."""

import torch

from gatelab.errors import UserError

__all__ = ["LIGHTNING", "check_device", "check_devices", "device_used"]

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


def check_devices(devices: int, device: str, runs: int = 1) -> None:
    """Refuse ``training.devices`` that this machine does not have, or for more than one run.

    Args:
        devices: the key.
        device: as :func:`device_used` returns it.
        runs: of the stack.

    Raises:
        UserError: naming the key, and what is allowed here.
    """
    if devices == 1:
        return
    if runs > 1:
        raise UserError(f"training.devices={devices}: is for one run, and this stack has {runs}; must be 1")
    if device == "cuda" and devices > (there := torch.cuda.device_count()):
        raise UserError(
            f"training.devices={devices}: must be at most {there}, the CUDA devices that this process sees; device=cpu "
            "takes as many processes as are asked for"
        )
    if device == "mps":
        raise UserError(f"training.devices={devices}: device=mps is one device; must be 1")
