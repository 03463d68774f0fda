"""The pages that explain writes, whole, in a real browser: a silent console, whole on a phone, dark where asked."""

import numpy as np
import pytest
import torch

import gatelab
from gatelab.cli.explain import explain
from tests.api.tiny import TINY
from tests.report.test_browser import browser, keep, pytestmark

__all__ = ["browser", "pytestmark"]

PHONE = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}


def of_a_run():
    run = gatelab.train("variant=lstm", "task=adding", *TINY)
    return [f"run={run.identity}"]


def of_two_runs():
    runs = [gatelab.train(f"variant={name}", "task=adding", *TINY) for name in ("lstm_1997", "elman")]
    return [f"run={','.join(run.identity for run in runs)}"]


def of_weights():
    torch.save(torch.nn.GRU(3, 4, num_layers=2, bidirectional=True).state_dict(), "model.pt")
    np.savez("data.npz", np.random.default_rng(0).normal(size=(6, 3, 3)))
    return ["weights=model.pt", "data=data.npz", "layer=l1", "direction=backward"]


def of_a_variant():
    return ["variant=ltc"]


PAGES = {"run": of_a_run, "runs": of_two_runs, "weights": of_weights, "variant": of_a_variant}


@pytest.fixture(params=PAGES)
def page(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explain([*PAGES[request.param](), "out=page.html"])
    return tmp_path / "page.html"


@pytest.mark.slow
def test_a_page_says_nothing_and_fits(browser, page):
    """What the console says is looked at when the browser ends."""
    drawings = browser.find_elements("css selector", "section svg")
    assert drawings and all(drawing.size["height"] > 50 for drawing in drawings)
    light = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") != light
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    assert browser.execute_script("return document.documentElement.scrollWidth") == PHONE["width"]
    keep(browser, f"{browser.title}.png")
