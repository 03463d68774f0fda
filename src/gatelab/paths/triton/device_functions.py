"""What generated kernels are written with: functions of blocks of single precision. A NaN that comes in goes out.

And the scan of s_t = a_t s_{t-1} + b_t, forwards or from the last step back. Imported where Triton is installed only.
"""

import triton
import triton.language as tl

__all__ = ["clipped", "hyperbolic_tangent", "log_of_one_plus", "logistic", "operand", "raised", "scan"]


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


@triton.jit
def joined(slope, offset, later_slope, later_offset):
    """Return the step that does what two steps do one after the other."""
    return later_slope * slope, later_slope * offset + later_offset


@triton.jit
def scan(slopes, offsets, start, track, steps, columns, STEPS: tl.constexpr, COLUMNS: tl.constexpr, BACK: tl.constexpr):
    """Write the values of a state after each step. All tensors are (runs, steps, columns), the start (runs, columns).

    STEPS of them are found at once, by an associative scan; the last is where the next ones start. With BACK, steps are
    taken from the last on, and each takes the slope of the step after it: what arrives at a state comes through that.
    """
    run = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    here = column < columns
    rows = tl.arange(0, STEPS)[:, None]
    before = tl.load(start + run * columns + column, mask=here, other=0.0)
    for first in range(0, steps, STEPS):
        step = first + rows
        inside = here & (step < steps)
        if BACK:
            t = steps - 1 - step
            has_slope = inside & (step > 0)
            of_slope = (run * steps + t + 1) * columns + column
        else:
            t = step
            has_slope = inside
            of_slope = (run * steps + t) * columns + column
        # a step beyond the last one changes nothing
        slope = tl.load(slopes + of_slope, mask=has_slope, other=1.0)
        offset = tl.load(offsets + (run * steps + t) * columns + column, mask=inside, other=0.0)
        slope, offset = tl.associative_scan((slope, offset), 0, joined)
        value = slope * before + offset
        tl.store(track + (run * steps + t) * columns + column, value, mask=inside)
        before = tl.sum(tl.where(rows == STEPS - 1, value, 0.0), axis=0, keep_dims=True)


@triton.jit
def joined_pairs(a, b, c, d, offset, other, later_a, later_b, later_c, later_d, later_offset, later_other):
    """Return the step of a pair of states that does what two steps do one after the other; (a, b; c, d) are slopes."""
    return (
        later_a * a + later_b * c,
        later_a * b + later_b * d,
        later_c * a + later_d * c,
        later_c * b + later_d * d,
        later_a * offset + later_b * other + later_offset,
        later_c * offset + later_d * other + later_other,
    )


@triton.jit
def scan_pairs(
    slopes, offsets, start, track, steps, columns, apart, STEPS: tl.constexpr, COLUMNS: tl.constexpr, BACK: tl.constexpr
):
    """Do what :func:`scan` does for two states that read each other: `apart` numbers lie between two of four slopes.

    The slopes are (4, runs, steps, columns), offsets and track have two in front, the start is (2, runs, columns).
    """
    run = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    here = column < columns
    rows = tl.arange(0, STEPS)[:, None]
    of_start = run * columns + column
    before = tl.load(start + of_start, mask=here, other=0.0)
    other_before = tl.load(start + apart // steps + of_start, mask=here, other=0.0)
    for first in range(0, steps, STEPS):
        step = first + rows
        inside = here & (step < steps)
        if BACK:
            t = steps - 1 - step
            has_slope = inside & (step > 0)
            of_slope = (run * steps + t + 1) * columns + column
        else:
            t = step
            has_slope = inside
            of_slope = (run * steps + t) * columns + column
        of_step = (run * steps + t) * columns + column
        # a step beyond the last one changes nothing
        a = tl.load(slopes + of_slope, mask=has_slope, other=1.0)
        b = tl.load(slopes + apart + of_slope, mask=has_slope, other=0.0)
        c = tl.load(slopes + 2 * apart + of_slope, mask=has_slope, other=0.0)
        d = tl.load(slopes + 3 * apart + of_slope, mask=has_slope, other=1.0)
        offset = tl.load(offsets + of_step, mask=inside, other=0.0)
        other = tl.load(offsets + apart + of_step, mask=inside, other=0.0)
        a, b, c, d, offset, other = tl.associative_scan((a, b, c, d, offset, other), 0, joined_pairs)
        value = a * before + b * other_before + offset
        other_value = c * before + d * other_before + other
        tl.store(track + of_step, value, mask=inside)
        tl.store(track + apart + of_step, other_value, mask=inside)
        before = tl.sum(tl.where(rows == STEPS - 1, value, 0.0), axis=0, keep_dims=True)
        other_before = tl.sum(tl.where(rows == STEPS - 1, other_value, 0.0), axis=0, keep_dims=True)
