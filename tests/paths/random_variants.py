"""Random variants for hypothesis: equations that stay bounded, so that two paths can be compared to rounding.

Among them are constant values (0*u, u**0, u - u), values that are infinite or NaN for every u, states that never
change, and outputs that are a number, a learned vector or x itself.
"""

from hypothesis import strategies as st

from gatelab.language import Variant

# hard_sigmoid is missing: the slope that PyTorch gives it is 1/6 in single precision even for doubles
_BOUNDED = ("sigmoid", "tanh", "hard_tanh", "sin", "cos")
_OTHERS = ("relu", "silu", "softplus", "abs", "log_sigmoid")


# of an expression u that is finite: 0, 1, or nothing at all
_NOTHING = ("0*u", "u*0", "u**0", "u - u", "0/(2 + abs(u))", "step(u - u)", "0*sign(u)", "1/(0*u)", "0*log(0*u)")


@st.composite
def variants(draw: st.DrawFn, *, equal_sizes: bool) -> Variant:
    """Draw a variant of one or two states and up to four further equations."""
    states = draw(st.sampled_from((["h"], ["h", "c"], ["h", "c", "k"])))
    inner = draw(st.lists(st.sampled_from("abde"), unique=True, max_size=4))
    order = draw(st.permutations([*inner, *states]))
    equations: dict[str, str] = {}
    for name in order:
        known = [*states, *equations]
        # a state is squashed, or it would grow from step to step
        body = draw(_expressions(known, equal_sizes=equal_sizes))
        if name in states:
            squashed = f"{draw(st.sampled_from(_BOUNDED))}({body})"
            # most states are squashed; some stay what they are, or are known before the first step
            body = draw(st.sampled_from((squashed,) * 8 + (name, "0.5", "vector(0.3)", "scalar(0.2)", f"0*{name}")))
        equations[name] = body
    return Variant.from_mapping({"name": "random", "state": states, "equations": equations}, edited=())


def _expressions(names: list[str], *, equal_sizes: bool) -> st.SearchStrategy[str]:
    vectors = st.sampled_from(names)
    sources = st.one_of(st.just("x"), vectors, st.tuples(vectors, vectors).map(lambda p: f"{p[0]}*{p[1]}"))
    sources = st.one_of(sources, vectors.map(lambda name: f"stop({name})"))
    linears = st.tuples(st.sampled_from(("linear", "project")), st.lists(sources, min_size=1, max_size=3)).map(
        lambda p: f"{p[0]}({', '.join(p[1])})"
    )
    leaves = st.one_of(
        vectors,
        linears,
        linears,
        vectors.map(lambda name: f"diag({name})"),
        st.sampled_from(
            ("bias()", "vector(0.5)", "scalar(0.7)", "1", "0.25", "sigmoid(bias())", "linear(vector(0.3))")
        ),
        st.just("x" if equal_sizes else "linear(x)"),
    )

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(st.sampled_from((*_BOUNDED, *_OTHERS)), inner).map(lambda p: f"{p[0]}({p[1]})"),
            st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
            st.tuples(st.sampled_from(("min", "max")), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
            st.tuples(inner, inner).map(lambda p: f"({p[0]}) / (1.5 + abs({p[1]}))"),
            inner.map(lambda e: f"-({e})"),
            inner.map(lambda e: f"tanh({e})**3"),
            inner.map(lambda e: f"sqrt(1 + ({e})**2)"),
            inner.map(lambda e: f"log(2 + abs({e}))"),
            inner.map(lambda e: f"exp(tanh({e}))"),
            inner.map(lambda e: f"stop({e})"),
            st.tuples(st.sampled_from(("scale_gradient", "straight_through")), inner, inner).map(
                lambda p: f"{p[0]}({p[1]}, {p[2]})"
            ),
            st.tuples(inner, st.sampled_from(_NOTHING)).map(lambda p: p[1].replace("u", f"({p[0]})")),
            inner.map(lambda e: f"(1.1 + sigmoid({e}))**-1.5"),
        )

    return st.recursive(leaves, grown, max_leaves=5)
