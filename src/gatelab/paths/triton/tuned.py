"""The fastest way to cut a run on a device: measured once for each shape, and kept on disk.

Only sequences of a tile and warps are tried; whether weights are held on the chip is decided in ``tiling.py``. The
first call of a shape compiles the kernels for each way, some seconds apiece.
"""

import hashlib
import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from gatelab.disk import write_atomically
from gatelab.paths.native.build import cache_directory, unusable
from gatelab.paths.triton.device_run import DeviceRun
from gatelab.paths.triton.tiling import Tiling

__all__ = ["candidates", "tuned"]

_log = logging.getLogger(__name__)
_STEPS = 64  # of time that are measured
_TIMES = 5
_ROWS, _WARPS = (4, 16), (4, 16)  # least and most

_known: dict[str, Tiling] = {}


def tuned(run: DeviceRun, thought: Tiling, tensors: Sequence[Tensor]) -> Tiling:
    """Return the fastest of :func:`candidates` for tensors of these shapes on their device.

    Args:
        run: what is to be run.
        thought: as :func:`gatelab.paths.triton.tiling.tiling_of` returns it; the interpreter, for which times mean
            nothing, gets this one.
        tensors: of the run, each with a run axis.
    """
    if not _measurable(tensors[0]):
        return thought
    key = _key(run, thought, tensors)
    if key not in _known:
        ways = list(candidates(thought, exact=tensors[0].dtype == torch.float32 and thought.products == "ieee"))
        found = _kept(key, ways)
        if found is None:
            found = _fastest(run, ways, tensors)
            _keep(key, found)
        _known[key] = found
    return _known[key]


def candidates(thought: Tiling, *, exact: bool) -> Iterator[Tiling]:
    """Yield the ways that are tried: the one that is thought best, half and twice its rows, half and twice its warps.

    Args:
        thought: the first of them.
        exact: whether products are those of float32; others are made by tensor cores, which take tiles of 16 rows.
    """
    yield thought
    for factor in (0.5, 2):
        rows = int(thought.rows * factor)
        if exact and _ROWS[0] <= rows <= _ROWS[1]:
            yield replace(thought, rows=rows)
        warps = int(thought.warps * factor)
        if _WARPS[0] <= warps <= _WARPS[1]:
            yield replace(thought, warps=warps)


def _measurable(tensor: Tensor) -> bool:
    return tensor.device.type == "cuda"


def _fastest(run: DeviceRun, ways: Sequence[Tiling], tensors: Sequence[Tensor]) -> Tiling:
    times = [_seconds(run, way, tensors) for way in ways]
    return ways[min(range(len(ways)), key=times.__getitem__)]


def _seconds(run: DeviceRun, way: Tiling, tensors: Sequence[Tensor]) -> float:
    """Return the least time of a pass forwards and backwards; infinite where the device has no room for it."""
    from triton.runtime.errors import OutOfResources

    short = [tensors[0][:, :_STEPS].detach().contiguous(), *(tensor.detach() for tensor in tensors[1:])]
    wanted = [True] * len(short)
    times = []
    for _ in range(1 + _TIMES):  # the first compiles
        begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        try:
            begun.record()
            results, tape = run.forwards(short, None, way, keep=True)
            run.backwards(tape, None, way, results, wanted)
            ended.record()
        except OutOfResources:
            return math.inf
        ended.synchronize()
        times.append(begun.elapsed_time(ended) / 1000)
    return min(times[1:])


def _key(run: DeviceRun, thought: Tiling, tensors: Sequence[Tensor]) -> str:
    """Return a name of all that times depend on."""
    import triton

    facts = [
        run.kernels.text, triton.__version__, torch.__version__, _device(tensors[0]), str(tensors[0].dtype),
        *(str(tuple(tensor.shape)) for tensor in (tensors[0][:, :_STEPS], *tensors[1:])), json.dumps(asdict(thought)),
    ]  # fmt: skip
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]


def _device(tensor: Tensor) -> str:
    about = torch.cuda.get_device_properties(tensor.device)
    return f"{about.name} {about.major}.{about.minor}, {about.multi_processor_count} processors"


def _file(key: str) -> Path | None:
    folder = cache_directory()
    return None if folder is None or unusable(folder) else folder / f"{key}.tiling.json"


def _kept(key: str, ways: Sequence[Tiling]) -> Tiling | None:
    """Return what a file says, if it is one of the ways."""
    file = _file(key)
    try:
        content = json.loads(file.read_bytes()) if file is not None else None
    except (OSError, ValueError):
        return None
    return next((way for way in ways if _content(way) == content), None)


def _keep(key: str, way: Tiling) -> None:
    file = _file(key)
    try:
        if file is not None:
            write_atomically(file, json.dumps(_content(way)).encode(), mode=0o644)
    except OSError as error:
        _log.info("the fastest tiling is not kept: %s", error)


def _content(way: Tiling) -> dict[str, int]:
    return {"rows": way.rows, "warps": way.warps}
