# ruff: noqa: E501 - tables of values, one kind to a line
"""Malformed inputs of every verb, made from a seed: the same seed gives the same call.

A case takes a valid input, spoils one place of it (a field, a byte, a cell, an answer) and says how
the command is called. Nothing here knows how the command reads.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml
from standins.copies import copied

HOSTILE: Sequence[Any] = (
    None, True, False, 0, -1, -0.0, 1.5, 10**400, -(10**30), 2**63, 1e308, -1e308, 5e-324,
    float("nan"), float("inf"), float("-inf"), "", " ", "nan", "inf", "-inf", "1e9999999",
    "-1", "1,5", "1_000", "1.234.567,8", "０", "x" * 5000, "a\x00b", "\x1b[31m", "\u202eabc", "\ud83d\ude00",
    "2026-13-45T00:00:00Z", "2026-02-30", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00-14:00",
    [], {}, [None], [[]], {"a": None}, [1, "x", {}], {"": ""}, [[[[[[]]]]]], "NO", "A", "F", "=1+1",
)  # fmt: skip
BYTES = (b"\x00", b"\xff", b"\xef\xbb\xbf", b"\"", b"'", b",", b";", b"\n", b"\r", b"{", b"[", b"&a",
         b"*a", b"NaN", b"1e999", b"- - ", b": ", b"\xe2\x80\xae", b"\t", b"!!", b"%", b"|")  # fmt: skip

JOB: dict[str, Any] = {
    "apiVersion": "lowtide.dev/v1alpha1", "kind": "TrainingJob",
    "metadata": {"name": "densenet121", "namespace": "ml", "annotations": {"a": "b"},
                 "uid": "25c78b6d-0f1e-4d5c-8a5e-0c1b2a3d4e5f",
                 "creationTimestamp": "2026-03-02T00:30:00Z", "generation": 1},
    "spec": {"template": {}, "suspend": False, "policy": "CarbonOptimal",
             "schedule": {"deadline": "2026-03-02T18:00:00Z", "expectedDurationSeconds": 212},
             "price": {"perHour": "1.204", "perKilowattHour": "0.3", "currency": "USD"},
             "metrics": {"sam": {"alpha": "5", "beta": "5", "unit": "Wh"},
                         "apc": {"alpha": "0.1", "beta": "0.1"}, "targetAccuracy": "0.8"},
             "functionalUnit": {"kind": "TrainingJob"}, "grid": {"zone": "DE"}},
    "status": {
        "display": {"state": "Completed", "energy": "4.31 Wh"},
        "conditions": [{"type": "Measured", "status": "True", "reason": "Measured",
                        "message": "m", "lastTransitionTime": "2026-03-02T01:00:00Z"}],
        "plan": {"start": "2026-03-02T01:00:00Z", "latestStart": "2026-03-02T11:40:00Z",
                 "segments": [{"start": "2026-03-02T01:00:00Z", "end": "2026-03-02T01:02:00Z"}],
                 "expectedSavingPercent": "62", "plannedGramsPerKwh": "112",
                 "runNowGramsPerKwh": "297", "expectedDurationSeconds": 212,
                 "forecastGeneratedAt": "2026-03-02T00:00:00Z", "explanation": "waits"},
        "attempts": [{"number": 1, "name": "d-1", "start": "2026-03-02T01:00:00Z",
                      "end": "2026-03-02T01:02:00Z", "outcome": "Paused", "energyJoules": 9000,
                      "operationalGrams": "0.28", "pods": [{"name": "p", "uid": "u",
                                                            "joules": 9000}]},
                     {"number": 2, "name": "d-2", "start": "2026-03-02T03:00:00Z",
                      "end": "2026-03-02T03:01:32Z", "outcome": "Complete",
                      "energyJoules": 6516, "operationalGrams": "0.20"}],
        "training": {"model": "DenseNet-121", "dataset": "digits", "accuracy": "0.861",
                     "accuracyTop5": "0.99", "epochs": 2, "epochsPlanned": 10,
                     "parameters": 8000000, "framework": "PyTorch 2.5", "seed": "1",
                     "history": [{"epoch": 1, "end": "2026-03-02T01:00:20Z", "seconds": "15",
                                  "accuracy": "0.7", "joules": 5000},
                                 {"epoch": 2, "end": "2026-03-02T01:00:35Z", "seconds": "30",
                                  "accuracy": "0.8", "joules": 5001}]},
        "energy": {"totalJoules": 15516, "kind": "Measured", "mock": False,
                   "energyCoverage": "0.98", "timeCoverage": "1", "meanPowerWatts": "73.2",
                   "runSeconds": "212", "gpuModel": "NVIDIA T4", "gpuCount": 1,
                   "gpuSeconds": "212", "final": True, "unavailable": ["dram"],
                   "components": [{"component": "gpu", "part": "active", "method": "exclusive",
                                   "quality": "counter", "joules": 15516}]},
        "carbon": {"operationalGrams": "0.48", "embodiedGrams": "0.11", "totalGrams": "0.59",
                   "meanGramsPerKwh": "111.4", "signal": "Average", "zone": "DE",
                   "source": "file", "resolutionSeconds": 3600, "provisional": False,
                   "embodiedSource": "default", "embodiedGramsPerGpu": "150000",
                   "embodiedLifespanSeconds": 189216000},
        "sci": {"gramsPerUnit": "0.59", "functionalUnit": "TrainingJob",
                "functionalUnitCount": "1", "boundary": "gpu", "warnings": ["pue_not_included"],
                "uncertainty": {"low": "0.5", "high": "0.7", "energyRatio": "0.05",
                                "intensityRatio": "0.1", "embodiedLowGrams": "0.05",
                                "embodiedHighGrams": "0.22", "basis": "energy"}},
        "counterfactual": {"runNowGrams": "1.19", "avoidedGrams": "0.71",
                           "avoidedPercent": "59.66"},
        "efficiency": {"metrics": [{"name": "SAM5[Wh]", "value": "3.73"}], "label": "C",
                       "reference": "team", "referenceRows": 7,
                       "ratings": [{"property": "training_energy", "letter": "B",
                                    "index": "0.8", "value": "1", "weight": "0.7"}]},
        "cost": {"currency": "USD", "instance": "0.0709", "energy": "0.0013"},
    },
}  # fmt: skip
REPORT: dict[str, Any] = {
    "kind": "JobFigures", "name": "inceptionv3", "accuracy": 0.9375, "energy_joules": 16524.0,
    "duration_seconds": 190.0, "run_seconds": 190.0, "cost_amount": 0.06, "cost_currency": "USD",
    "cost_kind": "instance", "operational_grams": 0.37, "embodied_grams": 0.1,
    "sci_grams_per_unit": 0.47, "sci_low": 0.4, "sci_high": 0.6,
    "functional_unit": "TrainingJob", "functional_units": 1, "avoided_grams": 0.5,
    "avoided_percent": 57, "metrics": [{"name": "SAM5[Wh]", "value": 5.67, "warnings": []}],
    "letters": {"training_energy": "B"}, "label": "B", "energy_kind": "Measured",
    "boundary": ["gpu"], "qualities": ["counter"], "signal": "Average", "zone": "DE",
    "coverage_ratio": 0.98, "final": True, "model": "InceptionV3", "dataset": "digits",
    "environment": "NVIDIA T4 x1 - PyTorch 2.5", "uid": "25c78b6d-0f1e-4d5c-8a5e-0c1b2a3d4e50",
    "started_at": "2026-03-02T01:00:00Z", "finished_at": "2026-03-02T01:03:10Z", "epochs": 3,
    "epochs_planned": 10, "epoch_joules": [5000, 5500, 6024], "run_now_grams": 0.87,
    "shares": [{"component": "gpu", "part": "active", "method": "exclusive",
                "quality": "counter", "energy_joules": 16524}],
    "unavailable": ["dram"], "properties": {"parameters": 25.6, "accuracy_top5": 0.99},
}  # fmt: skip
TABLES: dict[str, str] = {
    "own.csv": "name,model,accuracy,energy_joules,duration_seconds,epochs,parameters\n"
    + "".join(f"a{n},m{n % 2},0.9{n},{7000000 + n},{5400 + n},3,25.6\n" for n in range(6)),
    "hand.csv": "run,accuracy,energy (kWh),time (h),CO2 (g)\nA,91.2,1.9,1.5,720\nB,91.8,1.8,1.4,690\n",
    "emissions.csv": "timestamp,project_name,run_id,duration,emissions,energy_consumed,gpu_count,"
    "gpu_model,pue\n2026-03-01T10:00:00,r,u1,5400,0.7,1.9,1,1 x T4,1.0\n"
    "2026-03-01T11:00:00,s,u2,5300,0.6,1.8,1,1 x T4,1.2\n",
    "mlflow.csv": "run_id,status,start_time,end_time,metrics.accuracy,metrics.energy_kwh,"
    "params.epochs,tags.mlflow.runName\n"
    "a,FINISHED,2026-03-01 10:00:00+00:00,2026-03-01 11:00:00+00:00,0.9,1.5,3,r1\n"
    "b,FINISHED,2026-03-01 10:00:00+00:00,2026-03-01 11:30:00+00:00,0.8,1.4,3,r2\n",
    "page.csv": "Start Time,Duration,Run ID,Name,Status,accuracy,energy_kwh\n"
    "2026-03-01 10:00:00,1.0h,a,r1,FINISHED,0.9,1.5\n2026-03-01 10:00:00,1.1h,b,r2,FINISHED,0.9,1\n",
    "wandb.csv": "Name,State,Runtime,energy_kwh,val_acc\na,finished,60,1,0.9\nb,finished,61,2,0.8\n",
    "other.csv": "name;accuracy;energy_kwh\na;0,91;1,5\nb;0,9;2\n",
    "card.md": "---\nmodel-index:\n- name: bert\n  results:\n  - dataset:\n      name: imdb\n"
    "    metrics:\n    - type: accuracy\n      value: 0.93\nco2_eq_emissions:\n"
    "  emissions: 149.2\n  source: x\n---\n",
    "run.log": "CarbonTracker: \nActual consumption for 3 epoch(s):\n\tTime:\t1:02:03\n"
    "\tEnergy:\t0.5 kWh\n\tCO2eq:\t140.25 g\n",
    "trainer.json": '{"schemaVersion": 1, "epochs": 3, "accuracy": 0.9, "model": "r"}',
}  # fmt: skip
SET: dict[str, Any] = {
    "name": "team", "task": "training", "dataset": "digits",
    "environment": "NVIDIA T4 x1 - PyTorch 2.5", "reference": "best", "rows": 7, "source": "s",
    "values": {"training_energy": 1.0, "accuracy_top1": 0.95},
    "boundaries": {"training_energy": [0.9, 0.7, 0.5, 0.3], "accuracy_top1": [0.9, 0.8, 0.7, 0.6]},
    "weights": {"training_energy": "0.7", "accuracy_top1": "0.8"},
}  # fmt: skip
CLOSEST = "seconds,accuracy,consumption\n60,0.52,8.9\n120,0.71,8.9\n360,0.944,8.9\n"
VECTOR: dict[str, Any] = {
    "status": "success",
    "data": {"resultType": "vector", "result": [
        {"metric": {"namespace": "ml", "pod": "densenet121-1-abcde", "zone": "DE",
                    "signal": "Average"}, "value": [1772413200, "73.2"],
         "values": [[1772413200, "73.2"], [1772413260, "74"]]}]},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One call: its words, its files, and the answers of the programs that it asks."""

    words: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    kubectl: bytes = b"{}"
    prometheus: bytes = b"{}"

    def write(self, folder: Path) -> None:
        """Write the files of the call."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def spoiled(value: Any, draw: Random) -> Any:
    """Return a copy of a document with one place replaced, removed, added or repeated."""
    made = copied(value)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        places = list(_places(made))
        if not places:
            return copied(draw.choice(HOSTILE))
        holder, key = draw.choice(places)
        action = draw.random()
        if action < 0.8:
            holder[key] = copied(draw.choice(HOSTILE))
        elif action < 0.9:
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw.choice(("x", "kind", "name", "\u202e", ""))] = copied(draw.choice(HOSTILE))
        else:
            holder.extend(copied(holder))
    return made


def _places(value: Any) -> Any:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in entries:
        yield value, key
        if isinstance(item, dict | list) and item:
            yield from _places(item)


def as_bytes(value: Any, draw: Random) -> bytes:
    """Return a document as JSON, as Python writes it: with NaN and Infinity."""
    text = json.dumps(value, ensure_ascii=draw.random() < 0.5)
    return _bytes(text, draw)


def _bytes(text: str, draw: Random) -> bytes:
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    if draw.random() < 0.3:
        for _ in range(draw.choice((1, 1, 3))):
            at = draw.randrange(len(raw) + 1)
            piece = draw.choice(BYTES)
            raw[at : at + draw.choice((0, 0, 1, 4))] = piece
        if draw.random() < 0.2:
            del raw[draw.randrange(len(raw) + 1) :]
    return bytes(raw)


def spoiled_table(text: str, draw: Random) -> bytes:
    """Return a table with a cell replaced, a row cut or repeated, or bytes changed."""
    lines = text.splitlines()
    for _ in range(draw.choice((1, 1, 2))):
        at = draw.randrange(len(lines))
        mark = ";" if ";" in lines[at] else ","
        cells = lines[at].split(mark)
        cells[draw.randrange(len(cells))] = str(draw.choice(HOSTILE))[:6000]
        action = draw.random()
        if action < 0.7:
            lines[at] = mark.join(cells)
        elif action < 0.8:
            lines[at] = mark.join(cells[:-1])
        elif action < 0.9:
            lines[at] += f"{mark}1"
        else:
            lines.append(lines[at])
    return _bytes("\n".join(lines) + "\n", draw)


@cache
def _yaml_texts() -> tuple[str, str]:
    """Return job and report as YAML."""
    job, report = (yaml.safe_dump(copied(one), allow_unicode=True) for one in (JOB, REPORT))
    return job, report


def _document(draw: Random) -> tuple[str, bytes]:
    """Return the name and content of a spoiled file that holds jobs."""
    kind = draw.random()
    if kind < 0.35:
        return "job.json", as_bytes(spoiled(JOB, draw), draw)
    if kind < 0.6:
        return "report.json", as_bytes(spoiled(REPORT, draw), draw)
    if kind < 0.7:
        text = draw.choice(_yaml_texts())
        return "job.yaml", spoiled_table(text, draw) if draw.random() < 0.5 else _bytes(text, draw)
    name = draw.choice(list(TABLES))
    return name, spoiled_table(TABLES[name], draw)


def _compare(draw: Random) -> Case:
    name, content = _document(draw)
    words = [
        "compare",
        name,
        "good.json",
        "-o",
        draw.choice(("json", "json", "json", "table", "csv", "latex", "yaml", "bibtex")),
    ]
    if draw.random() < 0.3:
        words += ["--group-by", draw.choice(("model", "dataset", "environment", "epochs"))]
    if draw.random() < 0.2:
        words += ["--baseline", draw.choice(("inceptionv3", "a0", "x", ""))]
    if draw.random() < 0.3:
        words += ["--by", draw.choice(("sci", "cost", "accuracy", "sam", "operational"))]
    if draw.random() < 0.2:
        words.append("--allow-mismatch")
    good = {**REPORT, "name": "good"}
    return Case(tuple(words), {name: content, "good.json": json.dumps(good).encode()})


def _explain(draw: Random) -> Case:
    name, content = _document(draw)
    return Case(("explain", name, "-o", draw.choice(("table", "json"))), {name: content})


def _disclose(draw: Random) -> Case:
    name, content = _document(draw)
    form = draw.choice(
        ("yaml", "json", "markdown", "impact-framework", "impact-framework-csv", "report")
    )
    words = ("disclose", name, "-o", form, "--contact-name", "x", "--contact-email", "a@b.c",
             "--entity-version", "1")  # fmt: skip
    return Case(words, {name: content})


def _label(draw: Random) -> Case:
    name, content = _document(draw)
    words = ("label", name, "-o", "label.svg")
    if draw.random() < 0.5:
        return Case(words, {name: content})
    reference = spoiled(SET, draw) if draw.random() < 0.5 else SET
    return Case((*words, "--reference", "set.json"),
                {name: content, "set.json": as_bytes(reference, draw)})  # fmt: skip


def _reference(draw: Random) -> Case:
    name, content = _document(draw)
    return Case(("reference", name, "--name", "t", "-o", "json"), {name: content})


def _explore(draw: Random) -> Case:
    name, content = _document(draw)
    return Case(("explore", "--from", name, "-o", "page.html"), {name: content})


def _rating(draw: Random) -> Case:
    value = str(draw.choice(HOSTILE))[:50]
    words = ("calc", "rating", "--value", f"accuracy_top1={value}", "--reference", "set.json",
             "-o", "json")  # fmt: skip
    return Case(words, {"set.json": as_bytes(spoiled(SET, draw), draw)})


def _closest(draw: Random) -> Case:
    words = ("calc", "ttcapc", "--trace", "trace.csv", "-o", "json")
    return Case(words, {"trace.csv": spoiled_table(CLOSEST, draw)})


def _numbers(draw: Random) -> Case:
    def number() -> str:
        return str(draw.choice(HOSTILE))[:400].replace("\x00", "0")

    words = draw.choice(
        (
            ("calc", "sam", "--accuracy", number(), "--energy", number(), "--unit", "Wh"),
            ("calc", "apc", "--accuracy", number(), "--consumption", number(), "--per", "hour"),
            ("calc", "sci", "--energy-kwh", number(), "--intensity", number(),
             "--embodied-grams", number(), "--functional-units", number()),
            ("calc", "embodied", "--total-grams", number(), "--hours", number(),
             "--lifespan-hours", number()),
            ("calc", "predict", *(w for _ in range(4) for w in ("--epoch", number())),
             "--planned", number()),
            ("calc", "ttcapc", "--checkpoint", f"{number()},{number()},{number()}",
             "--delta-accuracy", number()),
        )
    )  # fmt: skip
    return Case((*words, "-o", "json"))


def _cluster(draw: Random) -> Case:
    several = draw.random() < 0.5
    items = [
        spoiled(JOB, draw) if draw.random() < 0.7 else JOB for _ in range(draw.choice((0, 1, 3)))
    ]
    answer: Any = {"kind": "List", "items": items} if several else spoiled(JOB, draw)
    if draw.random() < 0.2:
        answer = spoiled(answer, draw) if isinstance(answer, dict) else answer
    many = (("status",), ("status", "-o", "json"), ("watch", "--once"), ("status", "-o", "yaml"),
            ("explore", "--from", "cluster", "-o", "page.html"))  # fmt: skip
    one = (("explain", "densenet121"), ("compare", "densenet121", "other", "-o", "json"),
           ("disclose", "densenet121", "-o", "markdown"), ("run-now", "densenet121"),
           ("suspend", "densenet121"), ("resume", "densenet121"),
           ("label", "densenet121", "-o", "label.svg"))  # fmt: skip
    return Case(draw.choice(many if several else one), kubectl=as_bytes(answer, draw))


def _prometheus(draw: Random) -> Case:
    words = draw.choice(
        (
            ("watch", "--once", "--prometheus", "http://localhost:1"),
            ("dashboard", "-o", "page.html", "--prometheus", "http://localhost:1", "--to",
             "2026-03-02T02:00Z", "--from", "1h"),
        )
    )  # fmt: skip
    kubectl = json.dumps({"kind": "List", "items": [JOB]}).encode()
    return Case(words, kubectl=kubectl, prometheus=as_bytes(spoiled(VECTOR, draw), draw))


def _observed(draw: Random) -> Case:
    words = draw.choice(
        (
            ("energy", "-o", draw.choice(("table", "json", "csv"))),
            ("energy", "-n", "ml", "--by", "namespace"),
            ("report", "-n", "ml"),
            ("explain", "deployment/densenet121"),
            ("explain", "pod/densenet121-1-abcde", "-o", "json"),
            ("release", "--all", "--timeout", "0"),
        )
    )
    kubectl = {"kind": "List", "items": [spoiled(JOB, draw) if draw.random() < 0.5 else JOB]}
    series = json.loads(json.dumps(VECTOR))
    if draw.random() < 0.5:
        series["data"]["resultType"] = "matrix"
    return Case(
        words, kubectl=as_bytes(kubectl, draw), prometheus=as_bytes(spoiled(series, draw), draw)
    )


def _trace(draw: Random, days: int = 2) -> bytes:
    """Return a spoiled trace of some days from the second of March on."""
    lines = ["time,g_per_kwh,forecast"]
    for hour in range(24 * days):
        at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hour)
        lines.append(f"{at:%Y-%m-%dT%H:%M:%SZ},{300 - hour % 48},{305 - hour % 48}")
    return spoiled_table("\n".join(lines) + "\n", draw)


def _priced(draw: Random) -> bytes:
    """Return spoiled prices of two days."""
    lines = ["time,eur_per_mwh"]
    lines += [f"2026-03-{2 + n // 24:02d}T{n % 24:02d}:00:00Z,{80 - n}" for n in range(48)]
    return spoiled_table("\n".join(lines) + "\n", draw)


def _duration(draw: Random) -> str:
    if draw.random() < 0.7:
        return draw.choice(("2h", "30m", "1d"))
    return str(draw.choice(HOSTILE))[:400].replace("\x00", "0")


def _plan(draw: Random) -> Case:
    words = ["plan", "--zone", "DE", "--duration", _duration(draw), "--trace", "t.csv",
             "--at", "2026-03-02T12:00Z", "-o", draw.choice(("json", "table"))]  # fmt: skip
    files = {"t.csv": _trace(draw)}
    if draw.random() < 0.3:
        words += ["--prices", "p.csv", "--objective", draw.choice(("cost", "carbon"))]
        files["p.csv"] = _priced(draw)
    if draw.random() < 0.3:
        words += draw.choice((["--utc"], ["--factor", "direct"], ["--interruptible"],
                              ["--slack", _duration(draw)]))  # fmt: skip
    return Case(tuple(words), files)


def _where(draw: Random) -> Case:
    words = ["where", "--zone", "DE", "--zone", "FR", "--duration", _duration(draw),
             "--trace", "DE=de.csv", "--trace", "FR=fr.csv", "--at", "2026-03-02T12:00Z",
             "-o", draw.choice(("json", "table"))]  # fmt: skip
    return Case(tuple(words), {"de.csv": _trace(draw), "fr.csv": _trace(draw)})


def _backtest(draw: Random) -> Case:
    words = ["backtest", "t.csv", "--processes", "1", "-o", draw.choice(("json", "table"))]
    if draw.random() < 0.3:
        words += ["--length", _duration(draw)]
    # The first 30 days are history; with fewer there is nothing to replay.
    return Case(tuple(words), {"t.csv": _trace(draw, days=draw.choice((2, 34)))})


def _export(draw: Random) -> Case:
    name, content = _document(draw)
    form = draw.choice(("huggingface", "mlflow", "wandb", "codecarbon", "cyclonedx", "spdx",
                        "github", "openmetrics", "csv-hourly"))  # fmt: skip
    return Case(("export", name, "--to", form), {name: content})


MAKERS: Sequence[tuple[int, Callable[[Random], Case]]] = (
    (30, _compare), (12, _explain), (10, _disclose), (3, _label), (6, _reference), (2, _explore),
    (8, _rating), (6, _closest), (8, _numbers), (12, _cluster), (3, _prometheus),
    (6, _plan), (3, _where), (3, _backtest), (8, _export), (6, _observed),
)  # fmt: skip


def case_of(seed: int) -> Case:
    """Return the call of a seed."""
    draw = Random(seed)
    weights = [weight for weight, _ in MAKERS]
    maker = draw.choices([maker for _, maker in MAKERS], weights)[0]
    return maker(draw)
