"""The drawings of the site: boxes stand apart, arrows lead to the right, and nothing of the text is lost."""

import re
from itertools import combinations

import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from docs._site.drawings import drawing
from gatelab import variants
from gatelab.language import load_variant
from gatelab.language.wiring import wired, wiring
from gatelab.report.drawing.layered import layout
from gatelab.report.drawing.wiring_drawing import wiring_svg

FRAME = re.compile(r'</?path[^>]*>|<rect x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"')


@pytest.mark.parametrize("name", ["lstm", "gru", "nested_lstm", "ltc", "peephole"])
def test_boxes_stand_apart_and_arrows_lead_to_the_right(name):
    text = wiring(load_variant(name))
    drawn = drawing(text)
    frames = [tuple(map(float, found)) for found in FRAME.findall(drawn) if found[0]]
    boxes = [frame for frame in frames if frame[3] == 28]
    assert len(boxes) == text.count('"]') == drawn.count("<text")
    for (x, y, width, height), (u, v, wide, high) in combinations(boxes, 2):
        assert x + width < u or u + wide < x or y + height < v or v + high < y
    for kind, arrow in {"matrix": "==>", "diagonal": "-.->", "element": " -->"}.items():
        assert drawn.count(f'class="{kind}"') == text.count(arrow)
    for path in re.findall(r'class="(?:matrix|diagonal|element)" d="([^"]+)"', drawn):
        parts = [(letter, list(map(float, rest.split()))) for letter, rest in re.findall("([MCH])([^MCH]+)", path)]
        across = [x for letter, numbers in parts for x in (numbers if letter == "H" else numbers[::2])]
        assert across == sorted(across) and len(across) >= 4


@pytest.mark.parametrize("name", [name for name in variants() if load_variant(name).trees])
def test_no_label_leaves_its_box_and_no_box_meets_another(name):
    drawn = wiring_svg(wired(load_variant(name)), name)
    frames = [tuple(map(float, found)) for found in FRAME.findall(drawn) if found[0]]
    boxes = [frame for frame in frames if frame[3] == 28]
    for (x, y, width, height), (u, v, wide, high) in combinations(boxes, 2):
        assert x + width < u or u + wide < x or y + height < v or v + high < y
    view = [float(number) for number in re.findall(r'viewBox="([^"]+)"', drawn)[0].split()]
    font = FontProperties(family="DejaVu Sans", size=12.5)  # wider than what browsers have
    for (x, y, width, height), label in zip(boxes, re.findall("<text[^>]*>(.*?)</text>", drawn), strict=True):
        assert view[0] <= x and x + width <= view[0] + view[2] and view[1] <= y and y + height <= view[1] + view[3]
        plain = re.sub(r"<tspan dx[^>]*>", " ", label)
        assert TextPath((0, 0), re.sub("<[^>]*>", "", plain), prop=font).get_extents().width <= width, plain


def test_two_arrows_that_need_not_cross_do_not():
    placed = layout(["a", "b", "p", "q"], [("a", "q"), ("b", "p")], dict.fromkeys("abpq", 1.0), 1.0)
    (left, right) = placed.columns
    assert ["ab"["qp".index(str(name))] for name in right] == list(left)
    assert placed.heights == {left[0]: 0.5, left[1]: 2.5, right[0]: 0.5, right[1]: 2.5}


def test_an_arrow_over_a_column_goes_around_its_boxes():
    placed = layout(["a", "b", "c"], [("a", "b"), ("b", "c"), ("a", "c")], dict.fromkeys("abc", 10.0), 4.0)
    (_, point, _) = placed.routes["a", "c"]
    assert abs(placed.heights[point] - placed.heights["b"]) >= 9


@pytest.mark.parametrize(
    "text, said",
    [
        ("graph TD", "begins with 'flowchart LR', not with 'graph TD'"),
        ('flowchart LR\na["x_t"]\na ~~> a', "neither a box nor an arrow between boxes: 'a ~~> a'"),
        ('flowchart LR\na["x_t"]\na --> b', "neither a box nor an arrow between boxes: 'a --> b'"),
    ],
)
def test_what_is_not_understood_is_an_error(text, said):
    with pytest.raises(ValueError, match=said):
        drawing(text)


def test_every_variant_of_equations_is_drawn():
    drawn = [drawing(wiring(variant)) for variant in map(load_variant, variants()) if variant.trees]
    assert len(drawn) > 100
