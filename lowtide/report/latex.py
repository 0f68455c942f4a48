"""The comparison of runs for a paper: a LaTeX table and the BibTeX entries that it cites.

The table needs booktabs and siunitx from version 3 on and compiles with pdfLaTeX: what it cannot
set is written as its code point. A column has one unit, that of its largest value.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final

import lowtide
from lowtide.metrics.comparison import Comparison
from lowtide.metrics.group_comparison import GroupComparison
from lowtide.metrics.groups import TEST
from lowtide.metrics.job_figures import JobFigures
from lowtide.metrics.quantities import QUANTITIES, Quantity, quantity
from lowtide.report.comparison import ordered
from lowtide.report.verdict import verdict_of_groups, verdict_of_runs
from lowtide.units import format_significant

SPECIAL: Final = {
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "–": "--",
    "—": "---",
    "±": r"$\pm$",
    "…": r"\dots{}",
    "·": r"$\cdot$",
    "₂": r"\textsubscript{2}",
}
MASS: Final = (("t", 1e6), ("kg", 1e3), ("g", 1.0), ("mg", 1e-3))
UNITS: Final = {
    "energy": (("MWh", 3.6e9), ("kWh", 3.6e6), ("Wh", 3.6e3), ("J", 1.0)),
    "time": (("h", 3600.0), ("min", 60.0), ("s", 1.0)),
    "mean power": (("kW", 1e3), ("W", 1.0)),
    "operational": MASS,
    "carbon": MASS,
    "SCI": MASS,
}
"""Units of a quantity, the largest first, each with its factor from base units."""
PERCENT: Final = r"\unit{\percent}"
SETUP: Final = (
    r"% \usepackage[T1]{fontenc} \usepackage{booktabs} \usepackage{siunitx}  % siunitx 3",
    "% entries of the citations: --output bibtex",
)
LOWTIDE: Final = f"""@software{{lowtide,
  title = {{Lowtide: carbon-aware training on Kubernetes with measured energy}},
  version = {{{lowtide.__version__}}},
  year = {{2026}},
}}
"""
SCI: Final = """@techreport{gsf-sci,
  title = {Software Carbon Intensity ({SCI}) Specification},
  author = {{Green Software Foundation}},
  institution = {Green Software Foundation},
  year = {2024},
  number = {1.1},
  note = {ISO/IEC 21031:2024},
}
"""
WATT: Final = """@misc{gowda2023watt,
  title = {Watt For What: Rethinking Deep Learning's Energy-Performance Relationship},
  author = {Gowda, Shreyank N and Hao, Xinyue and Li, Gen and Gowda, Shashank Narayana
            and Jin, Xiaobo and Sevilla-Lara, Laura},
  year = {2023},
  eprint = {2310.06522},
  archiveprefix = {arXiv},
}
"""
WELCH: Final = """@article{welch1947generalization,
  title = {The generalization of `{Student}'s' problem when several different population
           variances are involved},
  author = {Welch, Bernard L.},
  journal = {Biometrika},
  volume = {34},
  number = {1--2},
  pages = {28--35},
  year = {1947},
}
"""


def to_latex(comparison: Comparison, by: Quantity) -> str:
    """Return the runs as a tabular, the best first, with the verdict as its note."""
    jobs = ordered(comparison, by)
    shown = [one for one in QUANTITIES if any(one.read(job) is not None for job in jobs)]
    scales = {one.name: _scale(one, [one.read(job) for job in jobs]) for one in shown}
    head = ["run"]
    for one in shown:
        head += [_head(one, scales[one.name][0], comparison), r"change"]
    rows = []
    for job in jobs:
        row = [escaped(job.name)]
        for one in shown:
            value = _value(one, one.read(job), scales[one.name][1])
            row += [value, _change(comparison, one, job)]
        rows.append(row)
    cites = _cites([one.name for one in shown])
    note = f"Change against {escaped(comparison.baseline.name)}. "
    note += f"{escaped(verdict_of_runs(comparison, by))}. {cites}"
    return _tabular(head, rows, note)


def groups_to_latex(comparison: GroupComparison, by: Quantity) -> str:
    """Return the groups as a tabular: mean, standard deviation, change with its 95 % range."""
    shown = [
        one
        for one in QUANTITIES
        if any(comparison.figure(one, group).sample is not None for group in comparison.groups)
    ]
    scales = {
        one.name: _scale(one, [one.read(job) for g in comparison.groups for job in g.jobs])
        for one in shown
    }
    head = [escaped(comparison.grouping), "runs"]
    for one in shown:
        head += [_title(one, scales[one.name][0]), "change"]
    rows = []
    for group in comparison.groups:
        row = [escaped(group.name), str(len(group.jobs))]
        for one in shown:
            figure = comparison.figure(one, group)
            sample, change = figure.sample, figure.difference
            factor = scales[one.name][1]
            mean = "--" if sample is None else _value(one, sample.mean, factor)
            if sample is not None and sample.deviation is not None:
                mean += rf" $\pm$ {_value(one, sample.deviation, factor)}"
            text = "--" if change is None else _difference(one, change.value)
            if change is not None and change.low is not None and change.high is not None:
                text += rf" (\num{{{change.low:+.1f}}} to \num{{{change.high:+.1f}}})"
            if change is not None and figure.named:
                text += f" ({escaped(', '.join(c.short for c in figure.named))})"
            row += [mean, text]
        rows.append(row)
    cites = _cites([one.name for one in shown])
    note = f"Change against {escaped(comparison.baseline.name)} with its "
    note += rf"\qty{{95}}{{\percent}} range, {TEST} "
    note += rf"\cite{{welch1947generalization}}. {escaped(verdict_of_groups(comparison, by))}. "
    return _tabular(head, rows, note + cites)


def to_bibtex(jobs: Sequence[JobFigures], *, groups: bool) -> str:
    """Return the entries that the table cites: method, test, and the sources of intensity."""
    entries = [LOWTIDE]
    if any(job.score_grams_per_unit is not None for job in jobs):
        entries.append(SCI)
    if any(job.metric("SAM") is not None for job in jobs):
        entries.append(WATT)
    if groups:
        entries.append(WELCH)
    sources = dict.fromkeys(job.intensity_source for job in jobs if job.intensity_source)
    for number, source in enumerate(sources, start=1):
        zones = sorted({job.zone for job in jobs if job.intensity_source == source and job.zone})
        of = f" of {', '.join(zones)}" if zones else ""
        entries.append(
            f"@misc{{intensity{number},\n  title = {{Carbon intensity{escaped(of)}}},\n"
            f"  author = {{{{{escaped(source)}}}}},\n}}\n"
        )
    return "\n".join(entries)


def escaped(text: str) -> str:
    """Return a text that pdfLaTeX sets as it is; a character that it cannot set as `U+4E2D`."""
    return "".join(SPECIAL.get(c) or _settable(c) for c in text)


def _settable(character: str) -> str:
    if character.isascii() or "\u00a1" <= character <= "\u017e":
        return character
    flat = unicodedata.normalize("NFKD", character)
    if flat != character and flat.isascii():
        return "".join(SPECIAL.get(c, c) for c in flat)
    return f"U+{ord(character):04X}"


def _scale(one: Quantity, values: Sequence[float | None]) -> tuple[str, float]:
    """Return the unit of a column and its factor: the largest unit that its values reach."""
    most = max((abs(value) for value in values if value is not None), default=0.0)
    steps = UNITS.get(one.name, (("", 1.0),))
    return next((step for step in steps if most >= step[1]), steps[-1])


def _title(one: Quantity, unit: str) -> str:
    if one.name == "accuracy":
        return f"accuracy ({PERCENT})"
    return rf"{escaped(one.name)} (\unit{{{unit}}})" if unit else escaped(one.name)


def _head(one: Quantity, unit: str, comparison: Comparison) -> str:
    jobs = comparison.jobs
    if one.name == "SAM":
        return escaped(next((m.name for j in jobs if (m := j.metric("SAM")) is not None), "SAM"))
    if one.name == "cost":
        return f"cost ({escaped(', '.join(sorted({j.cost_currency or '?' for j in jobs})))})"
    if one.name == "SCI":
        units = sorted({j.functional_unit or "?" for j in jobs if quantity("SCI").read(j)})
        return rf"SCI (\unit{{{unit}}}/{escaped(', '.join(units))})"
    return _title(one, unit)


def _value(one: Quantity, value: float | None, factor: float) -> str:
    if value is None:
        return "--"
    if one.name == "accuracy":
        return rf"\num{{{value * 100:.1f}}}"
    return rf"\num{{{format_significant(value / factor)}}}"


def _change(comparison: Comparison, one: Quantity, job: JobFigures) -> str:
    if job is comparison.baseline:
        return ""
    if one.name == "accuracy":
        change = comparison.points(job)
    else:
        change = comparison.difference(one, job).percent.value
    if change is None:
        return "--"
    touching = comparison.likeness(one, job).touching
    named = f" ({escaped(', '.join(touching))})" if touching else ""
    return _difference(one, change) + named


def _difference(one: Quantity, change: float) -> str:
    if one.name == "accuracy":
        return rf"\num{{{change:+.1f}}} points"
    return rf"\qty{{{change:+.1f}}}{{\percent}}"


def _cites(names: Sequence[str]) -> str:
    keys = ["lowtide"]
    if "SCI" in names:
        keys.append("gsf-sci")
    if "SAM" in names:
        keys.append("gowda2023watt")
    return rf"Compared with Lowtide \cite{{{','.join(keys)}}}."


def _tabular(head: Sequence[str], rows: Sequence[Sequence[str]], note: str) -> str:
    columns = "l" + "r" * (len(head) - 1)
    body = [" & ".join(row) + r" \\" for row in rows]
    return "\n".join(
        [
            *SETUP,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
            rf"\smallskip{{\footnotesize {note}}}",
            "",
        ]
    )
