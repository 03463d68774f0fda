"""The page in a real browser, from a file: its buttons, its console, its width on a phone.

It needs Chromium and its driver (on Debian: apt install chromium chromium-driver), which .ci/run installs: there, and
wherever else CI is set, their absence is a failure. With GATELAB_SCREENSHOTS=FOLDER the pictures stay there.
"""

import os
import shutil
from pathlib import Path

import pytest

from gatelab.evidence.collected import read_evidence
from gatelab.evidence.question import Question
from gatelab.report.report import build_report, write_report
from gatelab.store import Store
from tests.report.made import add, paired

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    (CHROMIUM is None or DRIVER is None) and "CI" not in os.environ, reason="there is no chromium with its driver"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    store = paired(tmp_path_factory.mktemp("runs"), {"gru": [0.1 + 0.01 * seed for seed in range(8)]})
    add(store, label="gru", seed=8, failed=True)
    add(store, label="<b>cifg</b>", seed=0, test=0.55)
    folder = tmp_path_factory.mktemp("report")
    evidence = read_evidence(Store(store.runs_dir), Question(baseline="lstm"), store.results())
    write_report(build_report(evidence, "python scripts/compare.py baseline=lstm"), folder)
    return folder / "index.html"


@pytest.fixture
def many(tmp_path):
    """Return a function that writes the page of so many tasks, whose names are long."""

    def written(count):
        store = Store(tmp_path / "runs")
        for place in range(count):
            for seed in range(6):
                add(store, task=f"temporal_order_{place}", seed=seed, test=0.5 + 0.01 * seed)
                add(store, task=f"temporal_order_{place}", label="gru", seed=seed, test=0.6 + 0.02 * seed)
        evidence = read_evidence(Store(store.runs_dir), Question(baseline="lstm"), store.results())
        write_report(build_report(evidence, "python scripts/compare.py baseline=lstm"), tmp_path / "report")
        return tmp_path / "report" / "index.html"

    return written


@pytest.fixture
def browser(page, tmp_path):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1280,900",
        "--disable-dev-shm-usage",
    ):
        options.add_argument(word)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.get(page.as_uri())
    yield driver
    said = driver.get_log("browser")
    driver.quit()
    assert said == []


def every(browser, selector):
    return browser.find_elements("css selector", selector)


def one(browser, selector):
    return browser.find_element("css selector", selector)


def keep(browser, name):
    folder = os.environ.get("GATELAB_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        assert browser.save_screenshot(str(Path(folder) / name))


def test_the_page_says_what_it_is(browser):
    assert browser.title == "<b>cifg</b> and gru against lstm on adding"
    assert one(browser, "h1").text == browser.title
    keep(browser, "desktop.png")


def test_a_variant_is_hidden_everywhere_and_shown_again(browser):
    chip = next(chip for chip in every(browser, ".chip") if chip.text == "gru")
    name = chip.get_attribute("data-variant")
    shown = [element for element in every(browser, f".{name}") if element.is_displayed()]
    assert {element.tag_name for element in shown} == {"g", "tr", "p"}
    chip.click()
    assert chip.get_attribute("aria-pressed") == "false"
    assert not any(element.is_displayed() for element in every(browser, f".{name}"))
    assert every(browser, "#table-headline tbody tr.v0")[0].is_displayed()
    chip.click()
    assert all(element.is_displayed() for element in shown)


def test_curves_switch_between_steps_and_time(browser):
    steps, seconds = (one(browser, f"figure[data-view={view}]") for view in ("steps", "seconds"))
    assert (steps.is_displayed(), seconds.is_displayed()) == (True, False)
    one(browser, "button[data-view=seconds]").click()
    assert (steps.is_displayed(), seconds.is_displayed()) == (False, True)
    one(browser, "button[data-view=steps]").click()
    assert (steps.is_displayed(), seconds.is_displayed()) == (True, False)


def test_a_heading_sorts_its_table_by_number(browser):
    heading = next(each for each in every(browser, "#table-power th") if each.text.startswith("pairs"))
    column = [each.text for each in every(browser, "#table-power th")].index(heading.text)

    def values():
        return [row.find_elements("css selector", "td")[column].text for row in every(browser, "#table-power tbody tr")]

    heading.find_element("css selector", "button").click()
    assert values() == ["1", "8"]
    heading.find_element("css selector", "button").click()
    assert values() == ["8", "1"]
    assert heading.get_attribute("aria-sort") == "descending"


def test_a_run_under_the_pointer_says_what_it_is(browser):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    dot = one(browser, "#figure-runs-adding [data-run] use")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", dot)
    tip = one(browser, "#tip")

    def pointed(_):
        # the page may still move after the first time, on a busy machine
        ActionChains(browser).move_to_element(one(browser, "h2")).move_to_element(dot).perform()
        return tip.is_displayed()

    WebDriverWait(browser, 60).until(pointed)
    assert " on adding, seed " in tip.text
    assert "0" * 12 in tip.text  # the identity
    keep(browser, "run.png")
    ActionChains(browser).move_to_element(one(browser, "h2")).perform()
    WebDriverWait(browser, 60).until(lambda _: not tip.is_displayed())


def test_commands_can_be_copied_by_hand_where_there_is_no_clipboard(browser):
    button = one(browser, "#methods .copy")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert browser.execute_script("return getSelection().toString()").startswith("We trained 3 variants")
    assert button.text in ("copied", "selected")


def test_a_phone_shows_it_without_scrolling_sideways(browser):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
    assert all(svg.size["width"] <= 360 for svg in every(browser, "figure svg"))
    keep(browser, "phone.png")
    # the verdict is whole: nothing of it lies beyond the edge
    cells = every(browser, ".verdict td")
    assert cells
    assert all(cell.rect["x"] + cell.rect["width"] <= 360 for cell in cells)


def background(browser):
    script = "return getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)"
    return browser.execute_script(script)


def test_a_dark_screen_has_a_dark_page_and_light_letters(browser):
    assert background(browser) == [255, 255, 255]
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert max(background(browser)) < 60
    paper = browser.execute_script("return getComputedStyle(document.querySelector('figure svg path')).fill")
    assert paper == one(browser, "body").value_of_css_property("background-color").replace("rgba", "rgb").replace(
        ", 1)", ")"
    )
    keep(browser, "dark.png")
    # paper stays white
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", **dark})
    assert background(browser) == [255, 255, 255]


def test_one_task_uses_the_width(browser):
    gains, runs = (one(browser, f"#{name} figure").rect for name in ("gains", "runs"))
    assert gains["x"] + gains["width"] <= runs["x"]
    assert gains["y"] < runs["y"] + runs["height"]


@pytest.mark.parametrize(
    "count, width, height",
    [(12, 1280, 900), (6, 360, 740), *(pytest.param(6, wide, 900, marks=pytest.mark.slow) for wide in (800, 1280))],
)
def test_the_verdict_of_many_tasks_is_whole(count, width, height, many, browser):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(many(count).as_uri())
    cells = every(browser, ".verdict td")
    assert len(cells) == count
    assert all(cell.rect["x"] + cell.rect["width"] <= width for cell in cells)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    keep(browser, f"tasks-{count}-{width}.png")
