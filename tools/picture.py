"""Draws a page as a PNG in headless Chromium: `picture.py page.html picture.png --height 900`.

For the pictures in the documentation, which show a page written by a command in a real browser.
Needs the Debian packages chromium and chromium-driver (`tools/install-browser`).
"""

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

COLOURS = 128
"""Enough for flat areas and smooth letters, at a third of the size."""
READY_SECONDS = 20


def draw(page: Path, width: int, height: int) -> Image.Image:
    """Return the PNG of a page on a screen of this size."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get(page.resolve().as_uri())
        WebDriverWait(browser, READY_SECONDS).until(
            lambda one: one.execute_script("return !!window.lowtide")
        )
        return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    finally:
        browser.quit()


def main() -> int:
    """Write the picture; return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=900)
    options = parser.parse_args()
    picture = draw(options.page, options.width, options.height)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(options.picture, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
