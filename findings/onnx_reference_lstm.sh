#!/usr/bin/env bash
# onnx 1.23.2: the reference evaluator of the format ignores, without a word, sequence_lens, input_forget, clip and the
# activations of an LSTM node; onnxruntime 1.32.0 follows all four. A test against the reference passes for a wrong
# model. Seen in November 2026.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/python" -m pip install -q --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6

"$place/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

TIME, BATCH, INPUT, HIDDEN = 4, 2, 3, 5
random = np.random.default_rng(0)
W, R = (random.normal(size=(1, 4 * HIDDEN, size)).astype(np.float32) for size in (INPUT, HIDDEN))
B = random.normal(size=(1, 8 * HIDDEN)).astype(np.float32)
X = random.normal(size=(TIME, BATCH, INPUT)).astype(np.float32)


def outputs(lengths=None, **attributes):
    names = ["X", "W", "R", "B", "" if lengths is None else "lengths"]
    node = helper.make_node("LSTM", names, ["Y", "Y_h"], hidden_size=HIDDEN, **attributes)
    weights = {"W": W, "R": R, "B": B} | ({} if lengths is None else {"lengths": np.array(lengths, np.int32)})
    graph = helper.make_graph(
        [node], "one",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, (1, BATCH, HIDDEN))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model)
    engine = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return ReferenceEvaluator(model).run(None, {"X": X})[0], engine.run(None, {"X": X})[0]


plain, of_engine = outputs()
assert np.abs(plain - of_engine).max() < 1e-5
changes = {
    "sequence_lens": {"lengths": [4, 2]}, "input_forget": {"input_forget": 1}, "clip": {"clip": 0.1},
    "activations": {"activations": ["Tanh", "Tanh", "Tanh"]},
}
for name, change in changes.items():
    reference, engine = outputs(**change)
    ignored, followed = np.abs(reference - plain).max(), np.abs(engine - of_engine).max()
    print(f"{name}: the reference changes by {ignored:.2g}, onnxruntime by {followed:.2g}")
    assert ignored < 1e-6 and followed > 0.01, f"{name}: the behaviour has changed"
PYTHON
