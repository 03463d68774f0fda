"""What `explain` prints of a variant, and what it refuses."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from gatelab.cli.explain import explain
from gatelab.errors import UserError
from gatelab.report.gates.typeset import typeset

MINE = (
    "name: mine\nsource: me\nstate: [h]\nequations: {g: 'sigmoid(linear(x, h))', h: 'g*h + (1 - g)*tanh(linear(x))'}\n"
)


def printed(capsys, *arguments):
    assert explain(list(arguments)) == 0
    return capsys.readouterr().out


def section(text, title):
    after = text.split(f"\n{title}\n{'-' * len(title)}\n")[1]
    return after.split("\n\n")[0].splitlines()


def test_a_variant_of_the_catalogue(capsys):
    text = printed(capsys, "variant=cifg", "input_size=3", "hidden_size=5")
    assert text.splitlines()[1].startswith("Greff et al. 2017")
    assert "i_t = 1 - f_t" in section(text, "Equations")
    assert "c: f * c + i * z" in section(text, "As text")
    reads = [line.split() for line in section(text, "What each equation reads through its weights")]
    assert ["f", "x,", "h", "retain", "[0,", "1]"] in reads
    assert ["i", "–", "write", "[0,", "1]"] in reads
    weights, biases = 3 * 5 * (3 + 5), 3 * 5
    assert section(text, "Counts, at 3 inputs and 5 units") == [
        f"{weights + biases} parameters, {weights} multiply-adds a step, 1 sequential matrix product a step"
    ]
    assert section(text, "Paths") == [
        "native  can run it",
        "triton  can run it",
        "scan    cannot run it: a state is not linear in itself given the input",
        "loop    can run it",
    ]
    assert any(line.startswith("∂c_t/∂c_{t-1} = diag(f_t) ") for line in section(text, "The derivative of a step"))
    assert section(text, "Nearest relatives, of the catalogue")[0] == "cifg = lstm with i: 1 - f"
    assert section(text, "LaTeX")[0] == r"\begin{aligned}"
    assert section(text, "Wiring, for Mermaid")[0] == "flowchart LR"


def test_stages(capsys):
    stages = section(printed(capsys, "variant=rhn_depth_3"), "Stages of a step")
    assert len(stages) == 3
    assert stages[1].startswith("2. a product of s1 for g2, n2; ")


def test_an_edit(capsys):
    text = printed(capsys, "variant=lstm", "variant.equations.i=1 - f")
    assert text.splitlines()[0] == "lstm i=1 - f"
    assert section(text, "Nearest relatives, of the catalogue")[:2] == ["this = cifg", "this = lstm with i: 1 - f"]


def test_a_variant_of_ones_own(capsys, tmp_path):
    folder = tmp_path / "own" / "variant"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(MINE)
    text = printed(capsys, f"--config-dir={tmp_path / 'own'}", "variant=mine")
    assert "g: sigmoid(linear(x, h))" in section(text, "As text")
    assert section(text, "Counts, at 32 inputs and 64 units")


def test_a_foreign_variant(capsys):
    text = printed(capsys, "variant=mlstm")
    assert section(text, "The derivative of a step") == [
        "variant 'mlstm' is foreign and has no equations to linearise"
    ]  # fmt: skip
    assert "Stages" not in text
    assert section(text, "Paths")[:3] == [
        "native  can run it",
        "triton  cannot run it: the variant is foreign, and it runs equations",
        "scan    cannot run it: the variant is foreign, and it runs equations",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["variant=cfig"], r"unknown variant 'cfig' \(did you mean 'cifg'\?\); .*lists all"),
        (["variant=lstm", "variant.equations.i=1 - q"], "(?s)unknown name 'q'.*1 - q"),
        (["variant=lstm", "variant.x=3"], "unknown key 'variant.x'"),
        (["variant=lstm", "hidden_size=0"], "hidden_size=0: must be an integer of at least 1"),
        (["variant=lstm", "hidden=3"], "unknown key 'hidden'"),
        (["variant=lstm", "out=lstm.png"], r"out=lstm.png: must end with .html, a page, or .svg, a drawing"),
        (["variant=mlstm", "out=mlstm.svg"], "variant 'mlstm' is foreign and has no equations to draw"),
        (["variant=lstm", "out=."], "out=.: must be the path of a file"),
        (["variant=lstm,gru"], "several values make a sweep"),
        (["variant=lstm", "-m"], "-m: the only flags here"),
        (["--config-dir=nowhere", "variant=lstm"], "--config-dir=nowhere: no such folder"),
        ([], "variant= is missing"),
    ],
)
def test_refused_in_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as refused:
        explain(arguments)
    assert str(refused.value).count("\n") == (2 if "1 - q" in message else 0)  # an equation is shown below its line


def test_a_page_of_a_variant(capsys, tmp_path):
    out = tmp_path / "pages" / "coupled.html"
    assert str(out) in printed(capsys, "variant=lstm", "variant.equations.i=1 - f", f"out={out}")
    page = out.read_text()
    assert "<h1>lstm i=1 - f</h1>" in page
    assert "<tr><td><i>i</i><sub>t</sub></td><td>=</td><td>1 − <i>f</i><sub>t</sub></td></tr>" in page
    titles = re.findall("<h2>(.*)</h2>", page)
    text = printed(capsys, "variant=lstm", "variant.equations.i=1 - f").splitlines()
    told = [line for line, below in itertools.pairwise(text) if line and below == "-" * len(line)]
    assert [title for title in told if title not in titles] == ["Wiring, for Mermaid"]
    assert "Wiring" in titles
    assert page.count("<svg") == 1
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)


def test_a_drawing_of_a_variant(capsys, tmp_path):
    out = tmp_path / "cifg.svg"
    printed(capsys, "variant=cifg", f"out={out}")
    root = ElementTree.parse(out).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    boxes = ["".join(text.itertext()) for text in root.iter(f"{space}text")]
    assert boxes[:3] == ["xt", "ht−1", "ct−1"] and "ftsigmoid" in boxes and boxes[-1] == "as it is"


def test_a_name_with_what_stands_below_it():
    ((left, right),) = typeset("i_log_t = log_sigmoid(W_{i_log,x} x_t - h_{t-1} < 1)")
    assert left == "<i>i_log</i><sub>t</sub>"
    assert right == ("log_sigmoid(<i>W</i><sub>i_log,x</sub> <i>x</i><sub>t</sub> − <i>h</i><sub>t−1</sub> &lt; 1)")


def test_help(capsys):
    text = printed(capsys, "--help")
    assert "variant=cifg" in text
    assert "hidden_size=NUMBER" in text
