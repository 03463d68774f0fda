"""The page as a whole: nothing from outside, nothing unescaped, the same bytes twice, readable by a machine."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from gatelab.errors import UserError
from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.report import report
from gatelab.report.drawing.drawing import drawn
from gatelab.report.report import build_report, write_report
from gatelab.report.sections.parts import MethodNote, Section, Text
from gatelab.store import Store
from tests.report.made import add, fail, large, paired

HOSTILE = "<script>alert(1)</script>&\"'"


def built(store, baseline="lstm", command="python scripts/compare.py"):
    return build_report(read_evidence(store, Question(baseline=baseline), store.results()), command)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    store = paired(tmp_path_factory.mktemp("runs"), {"gru": [0.1 + 0.01 * seed for seed in range(6)]})
    add(store, label="gru", seed=6, failed=True)
    fail(store, label="cifg")
    return built(store).files


def page(files):
    return files["index.html"].decode()


def test_a_section_is_added_by_one_entry(tmp_path, monkeypatch):
    def counted(analysis, looks):
        words = Text.of(f"{len(analysis.evidence.runs)} runs, {len(looks)} variants")
        return Section(
            "counts", "What was counted", (words,), (MethodNote("We counted \\citep{holm1979}.", ("holm1979",)),)
        )

    monkeypatch.setattr(report, "SECTIONS", (*report.SECTIONS, counted))
    text = page(built(paired(tmp_path, {"gru": [0.1]}), baseline=None).files)
    places = [text.index(f"{title}</h2>") for title in ("Fairness", "What was counted", "Everything else")]
    assert places == sorted(places)
    for words in ("2 runs, 2 variants", "We counted", "@article{holm1979,"):
        assert words in text


class Reader(HTMLParser):
    """Checks that elements close in order, and keeps ids, classes, sources and the text of scripts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.outside, self.scripts, self.tags = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ("meta", "link"):
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href") and not re.match(r"(#|figures/|tables/|data:,)", value):
                self.outside.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)


def test_the_page_is_whole_and_needs_nothing_beside_it(files):
    read = Reader(page(files))
    assert read.open == []
    assert read.outside == []
    assert len(read.ids) == len(set(read.ids))
    assert "@import" not in page(files)
    assert "url(http" not in page(files)
    assert "default-src 'none'" in page(files)


def test_the_sections_stand_in_the_order_of_the_page(files):
    found = re.findall(r'<section id="([^"]+)">\n<h2>', page(files))
    assert found == ["headline", "gains", "runs", "curves", "gates", "fairness", "power", "rest", "methods"]


def test_links_lead_to_files_that_are_written(files):
    linked = set(re.findall(r'href="((?:figures|tables)/[^"]+)"', page(files)))
    assert linked == {name for name in files if "/" in name}
    endings = {name.rpartition(".")[2] for name in linked}
    assert endings == {"svg", "pdf", "csv", "tex", "md"}


def test_a_label_is_text_wherever_it_stands(tmp_path):
    store = Store(tmp_path)
    for seed in range(3):
        add(store, label=HOSTILE, task=HOSTILE, seed=seed, settings={"note": HOSTILE})
        add(store, label="gru", task=HOSTILE, seed=seed, settings={"note": f"{HOSTILE}{seed}"})
    add(store, label="gru", task=HOSTILE, seed=3, failed=True)
    fail(store, label=HOSTILE, task=HOSTILE, reason=HOSTILE)
    files = built(store, baseline=HOSTILE, command=HOSTILE).files
    text = page(files)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    read = Reader(text)
    assert read.open == []
    # the two of the page: what it knows of runs, and what it does
    assert read.tags.count("script") == 2
    for name, content in files.items():
        if name.endswith(".svg"):
            assert b"<script" not in content
            ElementTree.fromstring(content)


def test_a_label_cannot_leave_its_folder(tmp_path):
    store = Store(tmp_path)
    add(store, task="../../etc/x")
    assert all(".." not in name for name in built(store).files)


def test_the_same_runs_give_the_same_bytes(tmp_path, files):
    store = paired(tmp_path, {"gru": [0.1 + 0.01 * seed for seed in range(6)]})
    add(store, label="gru", seed=6, failed=True)
    fail(store, label="cifg")
    again = built(store).files
    assert list(again) == list(files)
    assert [name for name in files if files[name] != again[name]] == []


def test_figures_are_pictures_in_both_formats_without_a_date(files):
    figures = {name: content for name, content in files.items() if name.startswith("figures/")}
    assert figures
    for name, content in figures.items():
        if name.endswith(".svg"):
            assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
        else:
            assert content.startswith(b"%PDF-")
            assert b"/CreationDate" not in content
            assert b"/Type3" not in content  # letters as drawings, which journals refuse


def test_drawings_have_hooks_and_no_id_of_matplotlib():
    figure = drawn("name", "a <b>", lambda axes: axes.plot([0, 1], [0, 1], "o", gid="v3.r17"))
    assert '<g class="v3" data-run="17">' in figure.svg
    assert {name.partition(".")[0] for name in re.findall(r' id="([^"]+)"', figure.svg)} == {"name"}
    assert 'aria-label="a &lt;b>"' in figure.svg
    assert "DejaVu" not in figure.svg


def test_a_narrow_screen_is_thought_of(files):
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page(files)
    assert "@media (max-width: 40rem)" in page(files)
    assert "@media print" in page(files)
    tables = page(files).count("<table")
    # the verdict is not scrolled: it is laid out for every width
    assert tables - 1 == page(files).count('<div class="scroll"')


def test_tables_come_in_three_formats(files):
    assert files["table.csv"].startswith(b"task,score,variant,")
    assert files["table.csv"] == files["tables/headline.csv"]
    assert files["table.md"].startswith(
        b"# gru against lstm on adding\n\n- gru: better than lstm in typical runs on adding (failed runs: 1 of 7,"
    )
    tex = files["tables/headline.tex"].decode()
    assert tex.startswith("% needs \\usepackage{booktabs}\n\\begin{table}")
    assert tex.count("\\toprule") == tex.count("\\midrule") == tex.count("\\bottomrule") == 1
    assert "\\textbf{+" in tex
    assert " \\% " in tex


def test_files_of_an_earlier_report_are_removed_and_others_left(tmp_path, files):
    store = paired(tmp_path / "runs", {"gru": [0.1]})
    report = built(store)
    folder = tmp_path / "report"
    (folder / "figures").mkdir(parents=True)
    for name in ("runs-older.svg", "notes.txt"):
        (folder / "figures" / name).write_text("")
    written = write_report(report, folder)
    assert all(path.is_file() for path in written)
    assert not (folder / "figures" / "runs-older.svg").exists()
    assert (folder / "figures" / "notes.txt").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    report = built(paired(tmp_path / "runs", {"gru": [0.1]}))
    with pytest.raises(UserError, match=r"^out=\S*file/x: the report cannot be written: Not a directory$"):
        write_report(report, tmp_path / "file" / "x")


@pytest.mark.slow
def test_a_thousand_runs_make_less_than_ten_megabytes(tmp_path):
    store = large(tmp_path)
    assert len(store.results()) == 1000
    assert len(built(store, baseline="variant0").files["index.html"]) < 10_000_000
