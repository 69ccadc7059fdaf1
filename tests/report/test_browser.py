"""The page in a browser: draws, quiet console, clicks, keyboard, light and dark, narrow, offline."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import B0, SETUP, write_run

from hwsearch.report import write_report
from hwsearch.run_directory import load_summary, save_summary

selenium = pytest.importorskip("selenium", reason="selenium is not installed")

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver")

ATTACK = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=1><b>bold</b>"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars"
)
DRAWN_WITHIN_S = 60.0


class Viewer:
    """A browser that shows one file at a time."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def show(self, path: Path, width: int = 1280, dark: bool = False) -> None:
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.scheme(dark)
        self.driver.get_log("browser")
        self.driver.get(path.as_uri())
        self.wait("return document.documentElement.dataset.drawn === 'yes'")

    def scheme(self, dark: bool) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def wait(self, condition: str) -> None:
        end = time.monotonic() + DRAWN_WITHIN_S
        while not self(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.05)

    def __call__(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    @property
    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = BROWSER or ""
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield Viewer(driver)
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    return write_report(write_run(folder / "run"), folder / "report.html")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_draws_everything_without_a_word_and_without_sideways_scrolling(
    viewer: Viewer, page: Path, width: int, dark: bool
) -> None:
    viewer.show(page, width, dark)
    assert viewer("return document.querySelectorAll('.plot svg.main-svg').length") >= 5
    assert viewer("return document.querySelectorAll('.drawing .block').length") > 30
    assert viewer("return document.documentElement.scrollWidth") <= width
    assert viewer.complaints == []


def test_nothing_is_loaded(viewer: Viewer, page: Path) -> None:
    viewer.show(page)
    loaded = viewer("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in loaded if not name.startswith(("data:", "blob:"))] == []


def test_boxes_of_the_drawing_hold_their_words(viewer: Viewer, page: Path) -> None:
    for width in (1280, 390):
        viewer.show(page, width)
        spilled = "[...document.querySelectorAll('.block')].filter((b) => b.scrollWidth > b.clientWidth + 1).length"
        assert viewer(f"return {spilled}") == 0


def test_blocks_say_what_the_stages_are(viewer: Viewer, page: Path) -> None:
    viewer.show(page)
    columns = "return [...document.querySelector('.drawing').children].map((c) => c.querySelectorAll('.block').length)"
    assert viewer(columns) == [1, *(stage.num_repeats for stage in B0.stages), 1]
    label = viewer("return document.querySelector('.drawing').children[3].getAttribute('aria-label')")
    assert label.startswith("stage 2: 2 × MBConv, expansion 6, kernel 5×5, stride 2, input 56 px, 40 channels")


def test_a_click_on_a_mark_shows_its_network(viewer: Viewer, page: Path) -> None:
    viewer.show(page)
    viewer("document.getElementById('plot-front').emit('plotly_click', {points: [{customdata: 0}]})")
    assert viewer("return document.querySelector('#chosen h4').textContent") == "EfficientNet-B0 reference"
    copied = viewer("return [...document.querySelectorAll('#chosen .copy')].map((button) => button.dataset.copy)")
    assert copied == [B0.text, f"hwsearch export '{B0.text}' --to timm"]


def test_the_keyboard_reaches_every_network(viewer: Viewer, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    viewer.show(page)
    before = viewer("return document.querySelector('#chosen h4').textContent")
    following = viewer.driver.find_element("id", "next")
    following.send_keys(Keys.ENTER)
    assert viewer("return document.querySelector('#chosen h4').textContent") != before
    names = viewer("return document.getElementById('chooser').options.length")
    assert names == viewer("return JSON.parse(document.getElementById('report-data').textContent).networks.length")


def test_copying_says_so(viewer: Viewer, page: Path) -> None:
    viewer.show(page)
    button = viewer.driver.find_element("css selector", "#provenance .copy")
    viewer("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", button)
    button.click()
    viewer.wait("return document.getElementById('said').textContent.startsWith('Copied hwsearch run')")
    assert viewer.complaints == []


def test_charts_follow_the_colour_scheme(viewer: Viewer, page: Path) -> None:
    colour = "return document.getElementById('plot-front').layout.font.color"
    viewer.show(page)
    light = viewer(colour)
    viewer.scheme(dark=True)
    viewer.wait(f"{colour} !== '{light}'")
    assert viewer.complaints == []


def test_texts_stay_texts(viewer: Viewer, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    summary = load_summary(run.summary)
    hostile = tuple(dataclasses.replace(each, name=ATTACK, warnings=(ATTACK,)) for each in summary.networks)
    long = "unbroken" * 40
    device = dataclasses.replace(SETUP.device, name=long)
    changed = dataclasses.replace(
        summary,
        networks=hostile,
        command=ATTACK + long,
        warnings=(ATTACK, long),
        table=long,
        setup=dataclasses.replace(SETUP, device=device),
        seconds={long: 1.0},
    )
    save_summary(changed, run.summary)
    viewer.show(write_report(run, tmp_path / "report.html"))
    assert viewer("return document.documentElement.scrollWidth") <= 1280
    viewer.show(tmp_path / "report.html", width=390)
    assert viewer("return document.documentElement.scrollWidth") <= 390
    viewer("document.getElementById('next').click()")
    assert viewer("return window.hurt") is None
    assert viewer("return document.querySelectorAll('main img').length") == 0
    assert viewer("return document.querySelector('#chosen h4').textContent").startswith(ATTACK)
    assert viewer.complaints == []
