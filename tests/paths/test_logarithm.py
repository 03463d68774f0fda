"""The logarithm of the native path: to rounding, over all numbers."""

import numpy as np
import pytest
import torch

from gatelab.language import Variant
from gatelab.layers.layer import Layer

KINDS = [np.float32, np.float64]


def native(text: str, x: np.ndarray) -> np.ndarray:
    variant = Variant.from_mapping({"name": "tried", "state": ["h"], "equations": {"h": text}})
    layer = Layer(variant, x.size, x.size, dtype=torch.from_numpy(x).dtype, path="native")
    return layer(torch.from_numpy(x)[None, None])[0].detach().numpy()[0, 0]


def roundings(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """How far off each number is, in distances between neighbours of its kind."""
    gap = np.spacing(np.abs(exact).astype(found.dtype)).astype(np.longdouble)
    return np.abs(found.astype(np.longdouble) - exact) / gap


@pytest.mark.parametrize("kind", KINDS)
def test_the_logarithm_is_right_to_two_roundings(kind):
    random = np.random.default_rng(0)
    least, most = np.finfo(kind).tiny, np.finfo(kind).max
    wide = np.exp(random.uniform(np.log(least), np.log(most), 50_000))
    x = np.concatenate([wide, 1 + random.uniform(-0.5, 1, 50_000), least * random.uniform(0.001, 1, 10_000)])
    x = x.astype(kind)
    assert roundings(native("log(x)", x), np.log(x.astype(np.longdouble))).max() < 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_logarithm_of_a_sigmoid_is_right_to_two_roundings(kind):
    # until the exponential is no normal number
    x = np.random.default_rng(1).uniform(-80, 80, 100_000).astype(kind)
    exact = np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x.astype(np.longdouble))))
    assert roundings(native("log_sigmoid(x)", x), exact).max() < 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_logarithm_of_what_has_none(kind):
    x = np.array([0.0, -0.0, -1.0, -np.inf, np.nan, np.inf, 1.0], kind)
    expected = [-np.inf, -np.inf, np.nan, np.nan, np.nan, np.inf, 0.0]
    np.testing.assert_array_equal(native("log(x)", x), np.array(expected, kind))
