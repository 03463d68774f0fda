"""Sine, cosine, powers, roots and floors of the native path: to rounding, over all numbers."""

import numpy as np
import pytest

from tests.paths.test_logarithm import KINDS, native, roundings

MOST = {np.float32: 2, np.float64: 3}  # single precision is reduced in double
FUNCTIONS = {"sin(x)": np.sin, "cos(x)": np.cos}
EXPONENTS = [0.7, -0.7, 1 / 3, 2.5, -3.25, 17.0, -18.0]


def angles(kind) -> np.ndarray:
    random = np.random.default_rng(0)
    # near zeros of both functions, up to the farthest that is reduced here, beyond it, and below normal numbers
    multiples = np.arange(-200_000, 200_000, 7) * (np.pi / 2)
    far = np.exp(random.uniform(np.log(1e6), np.log(1e30), 5_000))
    tiny = np.finfo(kind).tiny * random.uniform(-1, 1, 1_000)
    wide = [random.uniform(-1e6, 1e6, 50_000), random.uniform(-10, 10, 50_000)]
    return np.concatenate([*wide, multiples, far, -far, tiny]).astype(kind)


def exact_angle(text: str, x: np.ndarray) -> np.ndarray:
    """The function of angles in extended precision, of the C library."""
    with np.errstate(all="ignore"):
        return FUNCTIONS[text](x.astype(np.longdouble))


@pytest.mark.parametrize("text", FUNCTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_sine_and_cosine_are_right_to_some_roundings(kind, text):
    x = angles(kind)
    assert roundings(native(text, x), exact_angle(text, x)).max() < MOST[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_angles_that_are_special(kind):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e6, -1e6], kind)
    found = native("sin(x)", x)
    np.testing.assert_array_equal(found[2:5], np.full(3, np.nan, kind))
    assert list(np.signbit(found[:2])) == [False, True]
    assert not found[:2].any()
    np.testing.assert_array_equal(native("cos(x)", x)[:5], np.array([1, 1, np.nan, np.nan, np.nan], kind))


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_powers_are_right_to_two_roundings(kind, exponent):
    random = np.random.default_rng(1)
    least, most = np.finfo(kind).tiny, np.finfo(kind).max
    # results that are normal numbers
    reach = min(abs(np.log(least)), np.log(most)) / max(abs(exponent), 1) * 0.999
    x = np.concatenate([np.exp(random.uniform(-reach, reach, 50_000)), 1 + random.uniform(-0.01, 0.01, 10_000)])
    x = x.astype(kind)
    if exponent == int(exponent):
        x = np.concatenate([x, -x])
    # the exponent of an equation is a number of the kind, too
    exact = x.astype(np.longdouble) ** np.longdouble(kind(exponent))
    assert roundings(native(f"x**{exponent!r}", x), exact).max() < 2


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_powers_of_what_is_special_are_those_of_the_standard(kind, exponent):
    tiny = np.finfo(kind).tiny / 4
    x = np.array([0.0, -0.0, 1.0, -1.0, -2.5, np.inf, -np.inf, np.nan, tiny, np.finfo(kind).max], kind)
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), float(kind(exponent))).astype(kind)
    found = native(f"x**{exponent!r}", x)
    np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(kind).eps)
    ordered = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[ordered]), np.signbit(expected[ordered]))


@pytest.mark.parametrize("text, law", [("sqrt(x)", np.sqrt), ("floor(x)", np.floor)])
@pytest.mark.parametrize("kind", KINDS)
def test_roots_and_floors_are_exact(kind, text, law):
    random = np.random.default_rng(2)
    wide = np.exp(random.uniform(np.log(np.finfo(kind).tiny), np.log(np.finfo(kind).max), 20_000))
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(kind).tiny / 8, -0.5, 0.5, 2.0**23 + 0.5, -(2.0**52) - 0.5]
    x = np.concatenate([wide, -wide, random.uniform(-1e4, 1e4, 20_000), special]).astype(kind)
    with np.errstate(all="ignore"):
        expected = law(x)
    found = native(text, x)
    np.testing.assert_array_equal(found, expected)
    ordered = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[ordered]), np.signbit(expected[ordered]))
