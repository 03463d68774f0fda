"""Measure the cells of other libraries again, where these are installed: `python -m tests.exchange.measure_libraries`.

The committed values were measured with jax 0.10.2, flax 0.12.8, equinox 0.13.8, dm-haiku 0.0.17, keras 3.15.1 and
h5py 3.16.0. The tests need none of them but h5py:

    measured/jax.npz        x (time, batch, features); for each cell its parameters and its outputs, float64
    measured/layers.keras   a model with a recurrent layer of each kind, all of the same input, float32
    measured/keras.npz      x (batch, time, features); the outputs of each layer
"""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import equinox
import haiku
import jax
import jax.numpy as jnp
import keras
import numpy as np
from flax import linen, nnx, traverse_util

PLACE = Path(__file__).parent / "measured"
HIDDEN, FEATURES, TIME, BATCH = 3, 2, 4, 2
DRAW = np.random.default_rng(1)


def drawn(tree: Any) -> Any:
    """Return a tree with other numbers, so that no bias is zero."""
    return jax.tree.map(lambda leaf: jnp.asarray(0.7 * DRAW.standard_normal(leaf.shape)), tree)


def measure_jax() -> None:
    """Write measured/jax.npz."""
    jax.config.update("jax_enable_x64", True)
    x = DRAW.standard_normal((TIME, BATCH, FEATURES))
    values = {"x": x}

    def keep(name: str, tree: Mapping[str, Any], outputs: Any) -> None:
        values[f"{name}|outputs"] = np.asarray(outputs)
        for path, leaf in traverse_util.flatten_dict(tree).items():
            values[f"{name}|{'/'.join(map(str, path))}"] = np.asarray(leaf)

    for name, options in {
        "LSTMCell": {}, "OptimizedLSTMCell": {}, "GRUCell": {}, "SimpleCell": {}, "MGUCell": {},
        "MGUCell without reset gate": {"reset_gate": False},
    }.items():  # fmt: skip
        cell = getattr(linen, name.split()[0])(HIDDEN, param_dtype=jnp.float64, **options)
        layer = linen.RNN(cell, time_major=True)
        parameters = drawn(layer.init(jax.random.PRNGKey(0), x))
        keep(f"flax.linen.{name}", parameters, layer.apply(parameters, x))

    def nnx_layer(name: str) -> Any:
        cell = getattr(nnx, name)(FEATURES, HIDDEN, param_dtype=jnp.float64, dtype=jnp.float64, rngs=nnx.Rngs(0))
        return nnx.RNN(cell, time_major=True)

    layers = {name: nnx_layer(name) for name in ("LSTMCell", "OptimizedLSTMCell", "GRUCell", "SimpleCell")}
    layers["Bidirectional"] = nnx.Bidirectional(nnx_layer("GRUCell"), nnx_layer("GRUCell"), time_major=True)
    for name, layer in layers.items():
        parameters = drawn(nnx.state(layer, nnx.Param))
        nnx.update(layer, parameters)
        keep(f"flax.nnx.{name}", nnx.to_pure_dict(parameters), layer(jnp.asarray(x)))

    for name in ("LSTMCell", "GRUCell"):
        for biased in (True, False):
            made = getattr(equinox.nn, name)(FEATURES, HIDDEN, biased, dtype=jnp.float64, key=jax.random.PRNGKey(0))
            cell = drawn(made)
            tree = {key: getattr(cell, key, None) for key in ("weight_ih", "weight_hh", "bias", "bias_n")}
            tree = {key: leaf for key, leaf in tree.items() if leaf is not None}
            keep(f"equinox.nn.{name}{'' if biased else ' without biases'}", tree, equinox_outputs(cell, x))

    for name, make in {
        "LSTM": lambda: haiku.LSTM(HIDDEN),
        "GRU": lambda: haiku.GRU(HIDDEN),
        "VanillaRNN": lambda: haiku.VanillaRNN(HIDDEN),
        "VanillaRNN with one bias": lambda: haiku.VanillaRNN(HIDDEN, double_bias=False),
    }.items():

        def called(inputs: Any, make: Any = make) -> Any:
            core = make()
            return haiku.dynamic_unroll(core, inputs, core.initial_state(BATCH))[0]

        transformed = haiku.transform(called)
        parameters = drawn(transformed.init(jax.random.PRNGKey(0), x))
        keep(f"haiku.{name}", parameters, transformed.apply(parameters, None, x))
    np.savez_compressed(PLACE / "jax.npz", **values)


def equinox_outputs(cell: Any, x: np.ndarray) -> np.ndarray:
    """Return (time, batch, hidden): Equinox has cells of one step and one sequence."""
    sequences = []
    for sequence in x.swapaxes(0, 1):
        zero = jnp.zeros(HIDDEN)
        state = (zero, zero) if isinstance(cell, equinox.nn.LSTMCell) else zero
        outputs = []
        for step in sequence:
            state = cell(step, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        sequences.append(np.stack(outputs))
    return np.stack(sequences, 1)


def measure_keras() -> None:
    """Write measured/layers.keras and measured/keras.npz."""
    whole = {"return_sequences": True}
    kinds = keras.layers
    layers = [
        kinds.LSTM(HIDDEN, name="lstm", **whole),
        kinds.GRU(HIDDEN, name="gru_after", **whole),
        kinds.GRU(HIDDEN, name="gru_before", reset_after=False, **whole),
        kinds.SimpleRNN(HIDDEN, name="simple", **whole),
        kinds.LSTM(HIDDEN, name="lstm_no_bias", use_bias=False, **whole),
        kinds.GRU(HIDDEN, name="gru_after_no_bias", use_bias=False, **whole),
        kinds.GRU(HIDDEN, name="gru_before_no_bias", use_bias=False, reset_after=False, **whole),
        kinds.LSTM(HIDDEN, name="lstm_other", activation="softplus", recurrent_activation="hard_sigmoid", **whole),
        kinds.GRU(HIDDEN, name="gru_other", activation="relu", recurrent_activation="tanh", **whole),
        kinds.SimpleRNN(HIDDEN, name="simple_linear", activation=None, **whole),
        kinds.SimpleRNN(HIDDEN, name="simple_silu", activation="silu", **whole),
        kinds.Bidirectional(kinds.LSTM(HIDDEN, **whole), name="both_lstm"),
        kinds.Bidirectional(kinds.GRU(HIDDEN, reset_after=False, **whole), name="both_gru"),
        kinds.RNN(kinds.LSTMCell(HIDDEN, activation="silu"), name="of_a_cell", **whole),
    ]
    inputs = keras.Input((None, FEATURES))
    deep = keras.Sequential([kinds.GRU(HIDDEN, name="within", **whole)], name="inner")
    model = keras.Model(inputs, {layer.name: layer(inputs) for layer in [*layers, deep]})
    model.set_weights([0.7 * DRAW.standard_normal(weight.shape) for weight in model.get_weights()])
    x = DRAW.standard_normal((BATCH, TIME, FEATURES)).astype(np.float32)
    outputs = {name: np.asarray(value) for name, value in model(x).items()}
    outputs["within"] = outputs.pop("inner")
    np.savez_compressed(PLACE / "keras.npz", x=x, **outputs)
    model.save(PLACE / "layers.keras")
    packed(PLACE / "layers.keras")


def packed(path: Path) -> None:
    """Pack a .keras file, which Keras stores unpacked."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as stored:
        members = {name: stored.read(name) for name in stored.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    measure_keras()
    measure_jax()
