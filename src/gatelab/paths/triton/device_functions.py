"""What generated kernels are written with: functions of blocks of single precision. A NaN that comes in goes out.

Imported by generated kernels only, where Triton is installed.
"""

import triton
import triton.language as tl

__all__ = ["clipped", "hyperbolic_tangent", "log_of_one_plus", "logistic", "operand", "raised"]


@triton.jit
def logistic(u):
    """Return 1/(1 + exp(-u)), without overflow at either end."""
    e = tl.exp(-tl.abs(u))
    return tl.where(u < 0, e, 1.0) / (1.0 + e)


@triton.jit
def hyperbolic_tangent(u):
    """Return tanh(u): a polynomial near 0, where 1 - 2/(exp(2|u|) + 1) cancels. Moshier, Cephes library, tanhf."""
    size = tl.abs(u)
    far = 1.0 - 2.0 / (tl.exp(2.0 * size) + 1.0)
    z = u * u
    p = -5.70498872745e-3 * z + 2.06390887954e-2
    p = p * z - 5.37397155531e-2
    p = p * z + 1.33314422036e-1
    p = p * z - 3.33332819422e-1
    return tl.where(size < 0.625, p * z * u + u, tl.where(u < 0, -far, far))


@triton.jit
def log_of_one_plus(e):
    """Return log(1 + e) for e from 0 to 1, to rounding also where 1 + e has lost digits of e."""
    whole = 1.0 + e
    return tl.log(whole) + (e - (whole - 1.0)) / whole


@triton.jit
def clipped(u, low, high):
    """Return u between two bounds."""
    return tl.where(u < low, low, tl.where(u > high, high, u))


@triton.jit
def raised(u, exponent):
    """Return u to a power that is no small whole number: NaN for a negative u."""
    return tl.where(u == 0, tl.where(exponent > 0, 0.0, float("inf")), tl.exp(exponent * tl.log(u)))


@triton.jit
def operand(u, columns, count: tl.constexpr, padded: tl.constexpr, rows: tl.constexpr, model):
    """Return a block (rows, padded) as the left side of a product: zero beyond its columns, of the weights' dtype."""
    u = tl.broadcast_to(u, [rows, padded])
    if count < padded:
        u = tl.where(columns < count, u, 0.0)
    return u.to(model.dtype)
