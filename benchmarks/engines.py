"""The forward pass here and in the engines that run what leaves: `python -m benchmarks.engines`.

Options: ``repeats=30 steps=100 hidden=64,256 batch=1,32 out=docs/speed/engines.md``. One thread everywhere. Rounds are
interleaved, and each engine is called once before the calls that are timed. Times are milliseconds of the processor,
the least and the median of all rounds, so that other programs of the machine count less. OpenVINO is measured if it is
installed.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime
import torch

import gatelab
from gatelab.exchange.onnx_out import whole_model
from gatelab.exchange.onnx_out.node_forms import node_form

VARIANTS = ("lstm", "gru", "cifg", "peephole", "min_gru", "slstm")
COLUMNS = ("native", "ORT, Scan", "ORT, node", "OpenVINO", "torch.nn")
CALLS = 5  # in a row: in use, an engine is not called in turn with four others
HEAD = """\
# What leaves, in other engines

`python -m benchmarks.engines`, on a machine that ran other work at the same time (load {load:.0f} on {cores} cores).
{processor}, one thread, float32, {steps} steps, input as wide as the layer; ONNX Runtime {ort}{openvino},
torch {torch}. Milliseconds of the processor for one forward pass: the least of {repeats} rounds. In a round each
engine is called once, and then {calls} times in a row, whose mean is taken: in use, an engine is not called in turn
with four others. In brackets, over gatelab's native path: the least over the least, the median over the median.

*ORT, Scan*: the file of `to_onnx` without a node. *ORT, node*: the file where the equations are a node. *OpenVINO*:
the file of `engine="openvino"`.
"""


def session(path: Path) -> Callable[[np.ndarray[Any, Any]], Any]:
    """Return a call of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    ready = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: ready.run(None, {"input": x})[0]


def compiled(path: Path) -> Callable[[np.ndarray[Any, Any]], Any]:
    """Return a call of OpenVINO, in single precision: its own choice on new processors is bfloat16."""
    import openvino

    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    request = openvino.Core().compile_model(path, "CPU", hints).create_infer_request()
    return lambda x: request.infer({"input": x})[0]


def calls(name: str, size: int, folder: Path) -> dict[str, Callable[[np.ndarray[Any, Any]], Any]]:
    """Return column -> a call from the input to the output."""
    rnn = gatelab.RNN(name, size, size).eval()
    found = {"native": lambda x: rnn(torch.from_numpy(x))[0].numpy()}
    options: dict[str, Any] = {"states": False}
    with mock.patch.object(whole_model, "node_form", return_value=None):
        gatelab.to_onnx(rnn, folder / "scan.onnx", **options)
    found["ORT, Scan"] = session(folder / "scan.onnx")
    if node_form(rnn.variant) is not None:
        gatelab.to_onnx(rnn, folder / "node.onnx", **options)
        found["ORT, node"] = session(folder / "node.onnx")
    if find_spec("openvino") is not None:
        gatelab.to_onnx(rnn, folder / "openvino.onnx", engine="openvino", **options)
        found["OpenVINO"] = compiled(folder / "openvino.onnx")
    if name in ("lstm", "gru"):
        module = rnn.to_torch().eval()
        found["torch.nn"] = lambda x: module(torch.from_numpy(x))[0].numpy()
    return found


@torch.no_grad()
def measured(name: str, size: int, batch: int, steps: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Return column -> milliseconds, the least and the median; every column must have the numbers of the first."""
    x = np.random.default_rng(0).standard_normal((steps, batch, size), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        columns = calls(name, size, Path(folder))
        expected = columns["native"](x)
        for column, call in columns.items():
            np.testing.assert_allclose(call(x), expected, 0, 1e-4, err_msg=f"{name} {column}")
        times: dict[str, list[float]] = {column: [] for column in columns}
        for _ in range(repeats):
            for column, call in columns.items():
                call(x)
                begun = time.process_time()
                for _ in range(CALLS):
                    call(x)
                times[column].append(1e3 * (time.process_time() - begun) / CALLS)
    return {column: (min(each), median(each)) for column, each in times.items()}


def processor() -> str:
    """Return what the machine calls its processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))


def cell(found: tuple[float, float], base: tuple[float, float]) -> str:
    """Return the least, and both ratios."""
    if found is base:
        return f"{found[0]:.2f}"
    return f"{found[0]:.2f} ({found[0] / base[0]:.2f}, {found[1] / base[1]:.2f})"


def main(words: list[str]) -> None:
    """Print the table, and write it where ``out=`` says."""
    given = {"repeats": "30", "steps": "100", "hidden": "64,256", "batch": "1,32", "out": ""}
    given |= dict(word.split("=", 1) for word in words)
    torch.set_num_threads(1)
    openvino = ""
    if find_spec("openvino") is not None:
        import openvino as engine

        openvino = f", OpenVINO {engine.__version__.partition('-')[0]}"
    lines = [
        HEAD.format(
            processor=processor(),
            ort=onnxruntime.__version__,
            torch=torch.__version__,
            openvino=openvino,
            load=os.getloadavg()[0],
            cores=os.cpu_count(),
            calls=CALLS,
            **given,
        ),
        f"| variant | hidden | batch | {' | '.join(COLUMNS)} |",
        f"| :--- | ---: | ---: |{' ---: |' * len(COLUMNS)}",
    ]
    for size in map(int, given["hidden"].split(",")):
        for batch in map(int, given["batch"].split(",")):
            for name in VARIANTS:
                found = measured(name, size, batch, int(given["steps"]), int(given["repeats"]))
                cells = [cell(found[one], found["native"]) if one in found else "–" for one in COLUMNS]
                lines.append(f"| {name} | {size} | {batch} | {' | '.join(cells)} |")
                print(lines[-1], flush=True)
    if given["out"]:
        Path(given["out"]).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
