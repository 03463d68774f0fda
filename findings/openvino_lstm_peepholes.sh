#!/usr/bin/env bash
# openvino 2026.4.1: of an ONNX LSTM node the peepholes (input P) and input_forget are dropped when the file is read, and
# nothing says so: the outputs are those of the node without them. onnxruntime 1.32.0 follows both. A model with
# peepholes runs, and is another network. Seen in November 2026:
#
#   P: openvino changes by 0, onnxruntime by 0.27; input_forget: openvino changes by 0, onnxruntime by 0.21
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -q --disable-pip-version-check \
    openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

"$place/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

TIME, BATCH, INPUT, HIDDEN = 4, 2, 3, 5
random = np.random.default_rng(0)
W, R = (random.normal(size=(1, 4 * HIDDEN, size)).astype(np.float32) for size in (INPUT, HIDDEN))
B = random.normal(size=(1, 8 * HIDDEN)).astype(np.float32)
P = random.normal(size=(1, 3 * HIDDEN)).astype(np.float32)
X = random.normal(size=(TIME, BATCH, INPUT)).astype(np.float32)


def outputs(peepholes=None, **attributes):
    names = ["X", "W", "R", "B", "", "", "", "" if peepholes is None else "P"]
    node = helper.make_node("LSTM", names, ["Y", "Y_h"], hidden_size=HIDDEN, **attributes)
    weights = {"W": W, "R": R, "B": B} | ({} if peepholes is None else {"P": peepholes})
    graph = helper.make_graph(
        [node], "one",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, (1, BATCH, HIDDEN))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    engine = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return compiled({"X": X})[0], engine.run(None, {"X": X})[0]


plain, of_runtime = outputs()
assert np.abs(plain - of_runtime).max() < 1e-5
for name, change in {"P": {"peepholes": P}, "input_forget": {"input_forget": 1}}.items():
    openvinos, runtimes = outputs(**change)
    ignored, followed = np.abs(openvinos - plain).max(), np.abs(runtimes - of_runtime).max()
    print(f"{name}: openvino changes by {ignored:.2g}, onnxruntime by {followed:.2g}")
    assert ignored < 1e-6 and followed > 0.01, f"{name}: the behaviour has changed"
PYTHON
