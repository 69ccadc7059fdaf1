"""The page in a browser: draws, quiet console, clicks, keyboard, light and dark, narrow, offline."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import B0, SETUP, write_device_run, write_run

from hwsearch.report import write_devices_report, write_family_report, write_report
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


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices")
    runs = [write_run(folder / "cpu"), *(write_device_run(folder / n, f"Synthetic {n}") for n in ("NPU", "GPU"))]
    return write_devices_report([run.path for run in runs], folder / "devices.html")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("family")
    run = write_run(folder / "run")
    (folder / "measured.json").write_bytes(run.measured.read_bytes())
    (folder / "synthetic.family.json").write_bytes(run.family.read_bytes())
    write_family_report(folder, folder / "family.html")
    return folder / "family.html"


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


TRACES = "p.querySelectorAll('.scatterlayer .trace').length"
PLOTS = f"return [...document.querySelectorAll('.plot')].map((p) => [p.id, {TRACES}])"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_several_devices_are_drawn_without_a_word(viewer: Viewer, devices: Path, width: int, dark: bool) -> None:
    viewer.show(devices, width, dark)
    drawn = dict(viewer(PLOTS))
    assert set(drawn) == {"plot-fronts", "plot-cross-same_top1", "plot-cross-same_latency"}
    assert min(drawn.values()) >= 6
    assert viewer("return document.querySelectorAll('.side-by-side td.cell .block').length") > 100
    assert viewer("return document.documentElement.scrollWidth") <= width
    assert viewer.complaints == []


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_a_family_is_drawn_without_a_word(viewer: Viewer, family: Path, width: int, dark: bool) -> None:
    viewer.show(family, width, dark)
    assert dict(viewer(PLOTS))["plot-family"] >= 5
    assert viewer("return document.querySelectorAll('#plot-family .textpoint text').length") >= 8
    assert viewer("return document.documentElement.scrollWidth") <= width
    assert viewer.complaints == []


def picked(viewer: Viewer) -> list[str]:
    return viewer("return [...document.querySelectorAll('tr.picked')].map((row) => row.dataset.row)")


def rings(viewer: Viewer, plot: str) -> int:
    script = (
        "return document.getElementById(arguments[0]).data.filter((t) => t.meta === 'ring').flatMap((t) => t.x).length"
    )
    return viewer(script, plot)


def test_a_row_and_its_marks_find_each_other(viewer: Viewer, devices: Path) -> None:
    viewer.show(devices)
    viewer(
        "document.getElementById('plot-fronts').emit('plotly_click', {points: [{customdata: 'winner-1-same_top1'}]})"
    )
    assert picked(viewer) == ["winner-1-same_top1"]
    assert rings(viewer, "plot-fronts") == 1
    assert rings(viewer, "plot-cross-same_top1") == 3  # on every device
    assert rings(viewer, "plot-cross-same_latency") == 0
    viewer("document.querySelector('[data-pick=\"winner-2-same_latency\"]').click()")
    assert picked(viewer) == ["winner-2-same_latency"]
    assert rings(viewer, "plot-cross-same_top1") == 0
    assert rings(viewer, "plot-cross-same_latency") == 3
    assert viewer("return document.getElementById('said').textContent").startswith("Chosen: synthetic-gpu-as-fast")
    assert viewer.complaints == []


def test_a_mouse_that_points_at_a_mark_is_told_of_it(viewer: Viewer, family: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    viewer.show(family)
    mark = viewer.driver.find_element("css selector", "#plot-family .trace .point")
    viewer("arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", mark)
    ActionChains(viewer.driver).move_to_element(mark).perform()
    viewer.wait("return document.querySelectorAll('#plot-family .hovertext').length > 0")
    assert "MACs" in viewer("return document.querySelector('#plot-family .hovertext').textContent")
    ActionChains(viewer.driver).click().perform()
    viewer.wait("return document.querySelectorAll('tr.picked').length === 1")
    assert viewer.complaints == []


@pytest.mark.parametrize("plot", ["plot-front", "plot-family", "plot-history", "plot-errors"])
def test_arrow_keys_go_from_mark_to_mark(viewer: Viewer, page: Path, plot: str) -> None:
    from selenium.webdriver.common.keys import Keys

    viewer.show(page)
    place = viewer.driver.find_element("id", plot)
    viewer("arguments[0].focus()", place)
    said = []
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.END, Keys.ARROW_LEFT, Keys.HOME):
        place.send_keys(key)
        viewer.wait(f"return document.querySelectorAll('#{plot} .hovertext').length > 0")
        said.append(viewer("return document.getElementById('said').textContent"))
    assert said[0] == said[-1] != ""
    assert len(set(said)) >= 3
    assert viewer("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    place.send_keys(Keys.ESCAPE)
    viewer.wait(f"return document.querySelectorAll('#{plot} .hovertext').length === 0")
    assert viewer.complaints == []


def test_enter_chooses_what_a_click_chooses(viewer: Viewer, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    viewer.show(page)
    place = viewer.driver.find_element("id", "plot-family")
    viewer("arguments[0].focus()", place)
    place.send_keys(Keys.ARROW_RIGHT)
    place.send_keys(Keys.ENTER)
    assert len(picked(viewer)) == 1
    assert rings(viewer, "plot-family") >= 1
    before = viewer("return document.querySelector('#chosen h4').textContent")
    place = viewer.driver.find_element("id", "plot-front")
    viewer("arguments[0].focus()", place)
    place.send_keys(Keys.END)
    place.send_keys(Keys.ENTER)
    assert viewer("return document.querySelector('#chosen h4').textContent") != before


CLICKABLE = "a[href], button, select, summary, [data-copy], [data-pick], [data-choose], .plot, .scroll"


@pytest.mark.parametrize("name", ["page", "devices", "family"])
def test_the_tab_key_reaches_everything(viewer: Viewer, name: str, request: pytest.FixtureRequest) -> None:
    viewer.show(request.getfixturevalue(name))
    unreachable = (
        f"return [...document.querySelectorAll('{CLICKABLE}')].filter((e) => e.tabIndex < 0).map((e) => e.outerHTML)"
    )
    assert viewer(unreachable) == []
    unnamed = (
        "return [...document.querySelectorAll('button')].filter((b) => !(b.textContent.trim() || b.ariaLabel)).length"
    )
    assert viewer(unnamed) == 0


@pytest.mark.parametrize("name", ["page", "devices"])
def test_paper_holds_the_charts(viewer: Viewer, name: str, request: pytest.FixtureRequest) -> None:
    viewer.show(request.getfixturevalue(name), dark=True)
    viewer("dispatchEvent(new Event('beforeprint'))")
    widths = (
        "Math.max(...[...document.querySelectorAll('.plot svg.main-svg')].map((s) => s.getBoundingClientRect().width))"
    )
    viewer.wait(f"return {widths} <= 700")
    assert viewer("return document.documentElement.dataset.theme") == "light"
    viewer("dispatchEvent(new Event('afterprint'))")
    viewer.wait(f"return {widths} > 700")
    assert viewer.complaints == []
