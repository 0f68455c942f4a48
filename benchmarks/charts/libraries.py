"""Times of chart libraries beside the explorer's own drawing: 10,000 points in headless Chromium.

`python benchmarks/charts/libraries.py SITE_PACKAGES`, where SITE_PACKAGES belongs to an environment
with `pip install plotly bokeh`. Every page is one file under the explorer's content security
policy. Printed per page: its size, the time from navigation to the first picture, the time of the
picture itself and of one with other colours (the best of three). Needs Chromium, see
`tools/install-browser`.
"""

import argparse
import json
import random
import shutil
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
)
COLOURS = '["#1a7f37","#74b62e","#ffd60a","#f48c06","#c1121f"]'
TURN = "P.forEach((p) => { p.letter = (p.letter + 1) % 5; });"
DRAWN = """
const paint = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
const timed = async (draw) => {
  const t = performance.now(); await draw(); await paint(); return performance.now() - t;
};
timed(first).then((ms) => { window.first = ms; window.open_ = performance.now(); });
window.again = () => { TURN return timed(next); };
""".replace("TURN", TURN)
PLOTLY = """
const C = COLOURS;
const data = () => [0, 1, 2, 3, 4].map((l) => { const q = P.filter((p) => p.letter === l);
  return { type: "KIND", mode: "markers", x: q.map((p) => p.x), y: q.map((p) => p.y),
    text: q.map((p) => p.name), marker: { color: C[l], size: 9, line: { width: 0.7 } } }; });
const layout = { xaxis: { type: "log" } };
const first = () => Plotly.newPlot("c", data(), layout);
const next = () => Plotly.react("c", data(), layout);
""".replace("COLOURS", COLOURS)
BOKEH = """
const C = COLOURS;
const source = new Bokeh.ColumnDataSource({ data: { x: P.map((p) => p.x), y: P.map((p) => p.y),
  c: P.map((p) => C[p.letter]), n: P.map((p) => p.name) } });
const figure = new Bokeh.Plotting.Figure({ width: 900, height: 500, x_axis_type: "log",
  tools: "pan,wheel_zoom,box_zoom,reset,save,hover" });
figure.scatter({ field: "x" }, { field: "y" }, { source, size: 9, fill_color: { field: "c" } });
const first = () => Bokeh.Plotting.show(figure, document.getElementById("c"));
const next = () => { source.data = { ...source.data, c: P.map((p) => C[p.letter]) }; };
""".replace("COLOURS", COLOURS)
OWN = """
const canvas = document.createElement("canvas");
canvas.style.cssText = "width:900px;height:500px";
document.getElementById("c").append(canvas);
const first = () => drawScatter(canvas, { points: P, xLabel: "x", yLabel: "y", xLog: true,
  yLog: false, shade: null, front: [], selected: null, zoom: null, named: [] });
const next = first;
"""


def page(points: int, libraries: list[Path], body: str) -> str:
    """Return one self-contained page."""
    chance = random.Random(7)
    data = [
        {
            "x": 10 ** chance.uniform(-1, 3),
            "y": chance.uniform(0.2, 0.95),
            "letter": chance.randrange(5),
            "kind": chance.randrange(3),
            "name": f"job {number}",
        }
        for number in range(points)
    ]
    scripts = "".join(f"<script>{path.read_text(encoding='utf-8')}</script>" for path in libraries)
    return (
        '<!doctype html><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<body style="margin:0"><div id="c" style="width:900px;height:500px"></div>'
        f"{scripts}<script>const P = {json.dumps(data)};{body}{DRAWN}</script>"
    )


def main() -> None:
    """Print one line per library and number of points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site_packages", type=Path)
    packages = parser.parse_args().site_packages
    plotly = [packages / "plotly" / "package_data" / "plotly.min.js"]
    scripts = packages / "bokeh" / "server" / "static" / "js"
    bokeh = [scripts / "bokeh.min.js", scripts / "bokeh-api.min.js"]
    parts = ROOT / "lowtide" / "report" / "explorer_page"
    own = [parts / name for name in ("model.js", "scales.js", "charts.js")]
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1000,700"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(120)
    with tempfile.TemporaryDirectory() as folder:
        for count in (100, 10_000):
            for name, libraries, body in (
                ("plotly, SVG", plotly, PLOTLY.replace("KIND", "scatter")),
                ("plotly, WebGL", plotly, PLOTLY.replace("KIND", "scattergl")),
                ("bokeh, canvas", bokeh, BOKEH),
                ("own, canvas", own, OWN),
            ):
                text = page(count, libraries, body)
                file = Path(folder) / "page.html"
                file.write_text(text, encoding="utf-8")
                driver.get("about:blank")
                driver.get(file.as_uri())
                WebDriverWait(driver, 120).until(
                    lambda one: one.execute_script("return window.first || 0")
                )
                first, opened = driver.execute_script("return [window.first, window.open_]")
                again = [
                    driver.execute_async_script("window.again().then(arguments[0])")
                    for _ in range(3)
                ]
                print(
                    f"{name:<14} {count:>6} points  {len(text) / 1e6:5.2f} MB  open "
                    f"{opened:5.0f} ms  first {first:4.0f} ms  again {min(again):4.0f} ms",
                    flush=True,
                )
    driver.quit()


if __name__ == "__main__":
    main()
