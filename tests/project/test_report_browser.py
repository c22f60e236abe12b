"""A report in a real browser: no error, no request, clicks, keys, paper. scripts/test --all runs it.

MUSTER_SCREENSHOTS=DIR keeps what was seen, to be looked at."""

import base64
import json
import os
import tempfile
import time
import unittest
from pathlib import Path

import project
import samples
from project import PYTHON, ROOT

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None

DRIVER = Path("/usr/bin/chromedriver")
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@unittest.skipUnless(webdriver and DRIVER.exists(), "needs scripts/packages-all.txt: scripts/test --all installs it")
class InABrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        samples.write_reproduction(cls.folder / "reproduced")
        (cls.folder / "reproduced/micro").mkdir()
        (cls.folder / "reproduced/micro/append.json").write_text(json.dumps(samples.google_benchmarks()), encoding="utf-8")
        done = project.run(PYTHON, "-B", ROOT / "scripts/report", cls.folder / "reproduced", "--out", cls.folder / "report.html")
        assert done.returncode == 0, done.stderr
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"):
            options.add_argument(word)
        options.add_experimental_option("prefs", {"download.default_directory": str(cls.folder)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        cls.browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        cls.addClassCleanup(cls.browser.quit)
        cls.kept = Path(os.environ.get("MUSTER_SCREENSHOTS", cls.folder / "screenshots"))
        cls.kept.mkdir(parents=True, exist_ok=True)

    def setUp(self):
        self.resize("desktop")
        self.browser.get_log("performance")
        self.browser.get_log("browser")
        self.browser.get(f"file://{self.folder}/report.html")

    def resize(self, name):
        width, height = WIDTHS[name]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": name == "phone"}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def wait_for(self, condition, what):
        end = time.monotonic() + 20
        while not (found := condition()):
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)
        return found

    def draw_all(self):
        """As printing does, and as it is afterwards."""
        self.browser.execute_script("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'))")

    def click(self, element):
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def test_nothing_fails_and_nothing_is_requested(self):
        self.draw_all()
        drawn = "return [...document.querySelectorAll('figure[data-figure]')].map((f) => f.querySelectorAll('.plot .dot, .plot .line').length)"
        counts = self.browser.execute_script(drawn)
        self.assertGreater(len(counts), 5)
        self.assertNotIn(0, counts)
        self.assertEqual(self.browser.get_log("browser"), [])
        sent = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = {e["params"]["request"]["url"][:5] for e in sent if e["method"] == "Network.requestWillBeSent"}
        self.assertLessEqual(urls, {"file:", "data:"})
        own = [e for e in sent if e["method"] == "Network.requestWillBeSent" and e["params"]["request"]["url"].startswith("file:")]
        self.assertEqual(len(own), 1, "the file alone")

    def test_the_theme_changes_by_a_click(self):
        colour = "return getComputedStyle(document.body).backgroundColor"
        before = self.browser.execute_script(colour)
        self.click(self.find("#theme"))
        self.assertNotEqual(self.browser.execute_script(colour), before)
        self.click(self.find("#theme"))
        self.assertEqual(self.browser.execute_script(colour), before)

    def test_a_legends_button_hides_a_series(self):
        figure = self.find("figure[data-figure]")
        self.browser.execute_script("arguments[0].scrollIntoView()", figure)
        self.wait_for(lambda: figure.find_elements(By.CSS_SELECTOR, ".legend button"), "a legend")
        shown = lambda: len(figure.find_elements(By.CSS_SELECTOR, ".plot g.s"))  # noqa: E731
        before, button = shown(), figure.find_element(By.CSS_SELECTOR, ".legend [aria-pressed=true]")
        self.click(button)
        self.assertEqual((shown(), button.get_attribute("aria-pressed")), (before - 1, "false"))
        button.send_keys(Keys.ENTER)
        self.assertEqual((shown(), button.get_attribute("aria-pressed")), (before, "true"))

    def test_a_figure_is_zoomed_and_moved_by_keys(self):
        figure = self.find("figure[data-figure]")
        self.browser.execute_script("arguments[0].scrollIntoView()", figure)
        plot = figure.find_element(By.CSS_SELECTOR, ".plot")
        help_text, reset = figure.find_element(By.CSS_SELECTOR, ".keys"), figure.find_element(By.CSS_SELECTOR, ".reset")
        self.wait_for(lambda: plot.find_elements(By.CSS_SELECTOR, ".dot"), "points")
        seen = lambda: self.browser.execute_script(  # noqa: E731  where the first point is drawn
            "return arguments[0].querySelector('.dot').getAttribute('transform')", plot)
        press = lambda *keys: webdriver.ActionChains(self.browser).send_keys(*keys).perform()  # noqa: E731
        self.assertIn("0 shows the whole range", self.find("#keys").text)
        while self.browser.switch_to.active_element != plot:
            press(Keys.TAB)
        self.assertTrue(help_text.is_displayed())
        whole = seen()
        page = self.browser.execute_script("return scrollY")
        press("+")
        zoomed = seen()
        self.assertNotEqual(zoomed, whole)
        self.assertTrue(reset.is_displayed())
        for there, back in ((Keys.ARROW_RIGHT, Keys.ARROW_LEFT), (Keys.ARROW_UP, Keys.ARROW_DOWN)):
            press(there)
            self.assertNotEqual(seen(), zoomed)
            press(back)
            self.assertEqual(seen(), zoomed)
        self.assertEqual(self.browser.execute_script("return scrollY"), page, "arrows move the figure, not the page")
        self.browser.save_screenshot(str(self.kept / "zoomed.png"))
        press(*[Keys.ARROW_LEFT] * 9)
        at_the_edge = seen()
        press(Keys.ARROW_LEFT)
        self.assertEqual(seen(), at_the_edge, "what is empty is not shown")
        press("-", "-")
        self.assertEqual(seen(), whole)
        self.assertFalse(reset.is_displayed())
        press("+", "+", "0")
        self.assertEqual(seen(), whole)
        self.assertEqual(self.browser.switch_to.active_element, plot, "the figure keeps the focus")

    def test_disturbed_points_are_hollow(self):
        self.draw_all()
        self.assertTrue(self.browser.find_elements(By.CSS_SELECTOR, ".plot .hollow"))

    def test_a_table_and_a_figure_are_downloaded(self):
        for selector, first in (("[data-csv=claims-table-t]", "figure,claim,verdict"), ("[data-points='0']", "series,threads,")):
            before = set(self.folder.glob("*.csv"))
            self.click(self.find(selector))
            (path,) = self.wait_for(lambda: set(self.folder.glob("*.csv")) - before, "a download")
            lines = path.read_text(encoding="utf-8").splitlines()
            self.assertTrue(lines[0].startswith(first), lines[0])
            self.assertGreater(len(lines), 2)

    def test_the_keyboard_reaches_everything_and_focus_is_seen(self):
        reached = []
        for _ in range(12):
            self.find("body") if not reached else None
            webdriver.ActionChains(self.browser).send_keys(Keys.TAB).perform()
            focus = self.browser.switch_to.active_element
            style = self.browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focus)
            self.assertNotEqual(style, "none", focus.get_attribute("outerHTML")[:100])
            reached.append(focus.get_attribute("class") or focus.get_attribute("id") or focus.tag_name)
        self.assertEqual(reached[:2], ["skip", "theme"])
        self.assertIn("scroll", reached)
        self.assertIn("button", reached)

    def test_it_fits_desktop_phone_and_paper_in_both_themes(self):
        for name in WIDTHS:
            self.resize(name)
            for theme in ("light", "dark"):
                self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]})
                self.browser.refresh()
                self.assertEqual(self.browser.execute_script("return document.documentElement.dataset.theme"), theme)
                self.draw_all()
                wide = self.browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
                self.assertLessEqual(wide, 0, "it scrolls sideways")
                shot = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
                (self.kept / f"{name}-{theme}.png").write_bytes(base64.b64decode(shot["data"]))
                self.browser.execute_script("document.querySelector('figure[data-figure]').scrollIntoView()")
                self.browser.save_screenshot(str(self.kept / f"{name}-{theme}-figures.png"))
        widths = "return [...document.querySelectorAll('.plot svg')].map((s) => s.viewBox.baseVal.width)"
        self.browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        self.assertEqual(set(self.browser.execute_script(widths)), {350}, "one size of letters on paper")
        self.browser.execute_script("dispatchEvent(new Event('afterprint'))")
        pdf = base64.b64decode(self.browser.print_page())
        (self.kept / "paper.pdf").write_bytes(pdf)
        self.assertEqual(pdf[:5], b"%PDF-")
        self.assertGreater(len(pdf), 20_000)


if __name__ == "__main__":
    unittest.main()
