"""The drawing of what reads what."""

from gatelab.language import Variant, load_variant, variant_files
from gatelab.language.wiring import wiring


def test_a_peephole_lstm():
    lines = wiring(load_variant("peephole")).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  s_x(["x_t"])' in lines
    assert '  s_c(["c_t-1"])' in lines
    assert '  e_o["o_t: sigmoid"]' in lines
    assert '  e_h[["h_t"]]' in lines
    assert "  s_x ==> e_i" in lines
    assert "  s_c -.-> e_i" in lines
    assert "  s_c --> e_c" in lines
    # the output gate sees the new cell
    assert "  e_c -.-> e_o" in lines
    assert "  s_c -.-> e_o" not in lines
    assert len(lines) == len(set(lines))


def test_a_matrix_counts_more_than_what_stands_beside_it():
    variant = Variant.from_mapping(
        {"name": "tried", "state": ["h"], "equations": {"h": "tanh(linear(x, 2*h) + h*diag(h))"}}
    )
    lines = wiring(variant).splitlines()
    assert [line for line in lines if "s_h" in line and "e_h" in line] == ["  s_h ==> e_h"]


def test_every_equation_is_drawn_and_reached():
    for name in variant_files():
        variant = load_variant(name)
        if variant.trees:
            drawn = wiring(variant)
            assert all(f"  e_{equation}[" in drawn for equation in variant.trees)
