"""The documentation builds without a warning. A browser shows its pages, equations too, and asks no other host."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from docs._site import equations
from docs._site.menu import menu
from tests.packaging.ranges import ROOT

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
CI = "CI" in os.environ
needs_katex = pytest.mark.skipif(not equations.FOLDER.exists() and not CI, reason="`make docs` fetches KaTeX first")
needs_browser = pytest.mark.skipif(
    (CHROMIUM is None or DRIVER is None) and not CI, reason="no chromium with its driver"
)


def sphinx(pages, folder, builder):
    options = ["--fail-on-warning", "--keep-going", "-q", "-b", builder, "-c", str(ROOT / "docs")]
    words = [sys.executable, "-m", "sphinx", *options, "-d", str(folder / "trees"), str(pages), str(folder / "site")]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    ended = sphinx(ROOT / "docs", folder, "html")
    assert (ended.returncode, ended.stderr) == (0, "")
    return folder / "site"


@needs_katex
def test_every_page_is_built_and_none_names_another_host(site):
    for page in (ROOT / "docs").rglob("*.md"):
        built = site / page.relative_to(ROOT / "docs").with_suffix(".html")
        assert built.is_file(), built
        loaded = re.findall(r"<(?:script|link|img|iframe)[^>]* (?:src|href)=\"(?!#)([^\"]+)\"", built.read_text())
        assert loaded
        assert [address for address in loaded if "//" in address] == []


WRONG = {
    "[nowhere](nowhere.md)": "'nowhere.md'",
    "[no anchor](#nowhere)": "'nowhere'",
    "[not there](index.md#there)": "'there'",
    "[outside](../README.md)": "'../README.md'",
    "![no picture](no.png)": "no.png",
}


def test_what_leads_nowhere_is_an_error(tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.md").write_text("# A page\n\n- [gone](gone.md)\n\n" + "\n\n".join(WRONG))
    (pages / "lost.md").write_text("# Not in the menu\n")
    ended = sphinx(pages, tmp_path, "dummy")
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    for said in [*WRONG.values(), "'gone.md'", "lost.md: WARNING: document isn't included in any toctree"]:
        assert len([line for line in lines if said in line and "WARNING" in line]) == 1, (said, lines)
    assert sum("WARNING" in line for line in lines) == len(WRONG) + 2


def test_the_menu_is_the_list_of_the_first_page():
    text = (
        "# A\n\n- [no](no.md)\n\n## One\n\n- [a](a.md): first\n  - [b](sub/b.md)\n- [c](c.md)\n\n## No\n\n[d](d.md)\n"
    )
    assert menu(text) == {
        "index": "\n```{toctree}\n:hidden:\n:caption: One\n\n/a\n/c\n```\n",
        "a": "\n```{toctree}\n:hidden:\n\n/sub/b\n```\n",
    }


@pytest.mark.parametrize(
    "npm, said",
    [
        (None, "there is no npm to fetch it"),
        ("echo 'no such host' >&2; exit 1", "npm cannot fetch katex@0.19.1: no such host"),
        ('touch "$5/katex.tgz"', "has another hash"),
    ],
)
def test_equations_that_cannot_be_fetched_are_one_line(npm, said, tmp_path, monkeypatch):
    monkeypatch.setattr(equations, "FOLDER", tmp_path / "venv" / "katex")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin" if npm else str(tmp_path))
    if npm:
        (tmp_path / "npm").write_text(f"#!/bin/sh\n{npm}\n")
        (tmp_path / "npm").chmod(0o755)
    with pytest.raises(SystemExit) as ended:
        equations.fetch()
    assert said in str(ended.value.code) and "\n" not in str(ended.value.code)
    assert list((tmp_path / "venv").iterdir()) == []


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.get("about:blank")
    driver.get_log("performance")
    yield driver
    driver.quit()


def opened(browser, page):
    """Open a page on a phone; return its equations, what the console said, and what was asked that is no file."""
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in asked
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360, page
    shown = "return [...document.querySelectorAll('.math')].map(each => each.querySelectorAll('.katex-html').length)"
    outside = [address for address in asked if not address.startswith(("file:", "data:"))]
    return browser.execute_script(shown), browser.get_log("browser"), outside


@needs_katex
@needs_browser
def test_pages_show_their_equations_and_ask_nobody(site, browser):
    for name in ("index.html", "catalogue/dynamical.html", "probes.html"):
        equations_of, said, outside = opened(browser, site / name)
        assert (set(equations_of) <= {1}, said, outside) == (True, [], []), name
        assert bool(equations_of) == (name != "index.html")


@needs_katex
@needs_browser
def test_the_search_needs_no_server(site, browser):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{(site / 'search.html').as_uri()}?q=mogrifier")
    found = WebDriverWait(browser, 60).until(lambda one: one.find_elements("css selector", "#search-results li a"))
    assert "mogrifier_lstm" in found[0].text
    assert browser.get_log("browser") == []


@needs_katex
@needs_browser
def test_a_link_to_a_heading_leads_there_whatever_equations_stand_above(site, browser):
    opened(browser, site / "catalogue" / "lstm.html")
    browser.get(f"{(site / 'catalogue' / 'lstm.html').as_uri()}#peephole")
    browser.refresh()  # the same page with another fragment would not be loaded anew
    top = "const done = arguments[0]; document.fonts.ready.then(() => requestAnimationFrame(() => done("
    top += "document.getElementById('peephole').getBoundingClientRect().top)))"
    assert 0 <= browser.execute_async_script(top) < 200


@needs_katex
@needs_browser
@pytest.mark.slow
def test_every_page_shows_its_equations_and_asks_nobody(site, browser):
    for page in sorted(site.rglob("*.html")):
        equations_of, said, outside = opened(browser, page)
        assert (set(equations_of) <= {1}, said, outside) == (True, [], []), page
