"""The page of a run in a real browser: no word on the console, no scrolling aside on a phone, dark where asked."""

import numpy as np
import pytest

from gatelab.probes.diagnostics.time_scales import TimeScales
from gatelab.report.gates.gates_page import gates_page
from tests.report.test_browser import browser, pytestmark

__all__ = ["browser", "pytestmark"]


@pytest.fixture
def page(tmp_path):
    scales = TimeScales("f", np.array([3.0, 2.0]), np.ones(2), np.array([2.0, 2.0]), None)
    facts = {"run": "0123456789abcdef" * 8}
    file = tmp_path / "explained.html"
    found = {"time_scales": {"trained": scales, "untrained": scales}}
    equations = {"mine": "h_t = " + "x_t + " * 80}
    file.write_text(gates_page("a run", [facts], "few", equations, found, ["Credit: not defined"]))
    return file


def test_it_fits_a_phone(browser):
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390


def test_drawings_are_dark_where_the_page_is(browser):
    colours = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        script = "return [document.body, document.querySelector('figure svg path')].map(one => getComputedStyle(one))"
        colours.append(browser.execute_script(f"{script}.map(style => style.backgroundColor + style.fill)"))
    (body_light, paper_light), (body_dark, paper_dark) = colours
    assert body_light != body_dark and paper_light != paper_dark
    assert "23, 24, 27" in body_dark and "23, 24, 27" in paper_dark
