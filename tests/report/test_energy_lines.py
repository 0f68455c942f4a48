"""The picture of a model's energy against its epochs and its share of the data."""

import pytest

from lowtide.report.drawing import Polygon, Text, to_svg
from lowtide.report.energy_lines import LINE, SIDE, EnergyPoint, energy_lines

RUNS = [
    EnergyPoint(2, 1.0, 20.0),
    EnergyPoint(4, 1.0, 40.0),
    EnergyPoint(8, 1.0, 80.0),
    EnergyPoint(4, 0.5, 25.0),
    EnergyPoint(4, 0.25, 17.5),
]


def lines(drawing):
    """Return the lines: of all that has their colour, what is no point of 6 by 6."""
    coloured = [one for one in drawing.shapes if isinstance(one, Polygon) and one.fill == LINE]
    return [one.points for one in coloured if one.points[1][0] - one.points[0][0] > 6]


def test_each_panel_has_its_runs_and_the_line_through_them():
    """Energy is 10 J an epoch, and 10 J and 0.3 J for each percent of the data.

    The scales begin at zero and end at 80 J, so both lines are known: over the epochs from 20 to
    80 J, over the data from 17.5 J to 40 J.
    """
    drawing = energy_lines(RUNS, "ResNet-50")
    texts = [one.text for one in drawing.shapes if isinstance(one, Text)]
    assert {"epochs, with 100 % of the data", "% of the data, in 4 epochs"} <= set(texts)
    # Runs at four epochs with all data stand in both panels.
    assert (texts.count("40"), texts.count("17.5"), texts.count("80")) == (2, 1, 1)

    joule = SIDE * 0.92 / 80
    by_epochs, by_share = lines(drawing)
    assert by_epochs[0][1] - by_epochs[1][1] == pytest.approx(60 * joule)
    assert by_share[0][1] - by_share[1][1] == pytest.approx(22.5 * joule)
    # From 2 of 8 epochs, and from 25 of 100 percent, to the whole.
    assert by_epochs[1][0] - by_epochs[0][0] == pytest.approx(SIDE * 0.95 * 6 / 8)
    assert by_share[1][0] - by_share[0][0] == pytest.approx(SIDE * 0.95 * 75 / 100)
    assert "ResNet-50" in to_svg(drawing)


def test_one_run_is_a_point_without_a_line():
    """No line follows from one run, and a run without energy is drawn too."""
    assert lines(energy_lines([EnergyPoint(4, 1.0, 0.0)], "one")) == []


def test_no_runs_are_refused():
    with pytest.raises(ValueError, match="there are no runs to draw"):
        energy_lines([], "none")
