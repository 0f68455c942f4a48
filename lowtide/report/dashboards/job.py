"""Job: what is this run doing and costing?"""

from lowtide.report.dashboards.model import Dashboard, Panel, PanelKind, PanelUnit, Query, stat

_JOB = '{namespace=~"$namespace", trainingjob=~"$trainingjob"}'
_PODS = '{namespace=~"$namespace", pod=~"($trainingjob)-[0-9]+(-[0-9]+)?-[a-z0-9]{5}"}'


def _figure(title: str, description: str, unit: PanelUnit, name: str) -> Panel:
    return stat(
        title, description, unit, Query(f"lowtide_trainingjob_{name}{_JOB}", "{{trainingjob}}")
    )


JOB = Dashboard(
    uid="lowtide-job",
    title="Lowtide / Job",
    question="What is this run doing and costing?",
    variables=("namespace", "trainingjob"),
    panels=(
        stat(
            "Power now",
            "Power of the job's pods.",
            PanelUnit.WATTS,
            Query(f"sum(rate(lowtide_pod_energy_joules_total{_PODS}[$__rate_interval]))"),
        ),
        _figure("Energy", "Of all attempts, as in the status.", PanelUnit.JOULES, "energy_joules"),
        _figure(
            "Operational carbon",
            "Energy times the intensity of the time it was used.",
            PanelUnit.GRAMS,
            "operational_grams",
        ),
        _figure(
            "SCI",
            "Software Carbon Intensity, grams per functional unit.",
            PanelUnit.GRAMS,
            "sci_grams_per_unit",
        ),
        _figure(
            "Avoided",
            "Against running at submission. May be negative.",
            PanelUnit.GRAMS,
            "avoided_grams",
        ),
        _figure("Accuracy", "On the validation data.", PanelUnit.RATIO, "accuracy_ratio"),
        Panel(
            title="Power",
            description="Active: what the work needs. idle_held: what holding the GPU costs.",
            kind=PanelKind.STACKED,
            unit=PanelUnit.WATTS,
            queries=(
                Query(
                    "sum by (component, part) "
                    f"(rate(lowtide_pod_energy_joules_total{_PODS}[$__rate_interval]))",
                    "{{component}} {{part}}",
                ),
            ),
        ),
        Panel(
            title="Carbon intensity",
            description="Of the zones that jobs of this choice run in.",
            kind=PanelKind.TIMESERIES,
            unit=PanelUnit.GRAMS_PER_KWH,
            queries=(
                Query(
                    "lowtide_operator_intensity_grams_per_kwh and on (zone) "
                    f"group by (zone) (lowtide_trainingjob_info{_JOB})",
                    "{{zone}} {{signal}} {{factor}}",
                ),
            ),
        ),
        Panel(
            title="Epochs",
            description="Finished and planned; scraped from the training pod while it runs.",
            kind=PanelKind.TIMESERIES,
            unit=PanelUnit.COUNT,
            width=8,
            queries=(
                Query(f"sum by (pod) (lowtide_trainer_epochs_total{_PODS})", "{{pod}}"),
                Query(f"max(lowtide_trainer_epochs_planned{_PODS})", "planned"),
            ),
        ),
        Panel(
            title="Accuracy",
            description="On the validation data, after each epoch.",
            kind=PanelKind.TIMESERIES,
            unit=PanelUnit.RATIO,
            width=8,
            queries=(Query(f"max by (pod) (lowtide_trainer_accuracy_ratio{_PODS})", "{{pod}}"),),
        ),
        Panel(
            title="Loss",
            description="Training loss.",
            kind=PanelKind.TIMESERIES,
            unit=PanelUnit.NONE,
            width=8,
            queries=(Query(f"max by (pod) (lowtide_trainer_loss{_PODS})", "{{pod}}"),),
        ),
        Panel(
            title="Replicas",
            description="Of an elastic job, 0 while it rests; beside the power that they draw.",
            kind=PanelKind.TIMESERIES,
            unit=PanelUnit.COUNT,
            width=24,
            queries=(Query(f"lowtide_trainingjob_replicas{_JOB}", "{{trainingjob}}"),),
        ),
        Panel(
            title="Predicted energy",
            description="Of the whole run, with its 90 % interval, beside what was used so far.",
            kind=PanelKind.TIMESERIES,
            unit=PanelUnit.JOULES,
            width=24,
            queries=(
                Query(f"lowtide_trainingjob_predicted_energy_joules{_JOB}", "predicted"),
                Query(f"lowtide_trainingjob_predicted_energy_low_joules{_JOB}", "low"),
                Query(f"lowtide_trainingjob_predicted_energy_high_joules{_JOB}", "high"),
                Query(f"lowtide_trainingjob_energy_joules{_JOB}", "used"),
            ),
        ),
        Panel(
            title="Plan against what happened",
            description="Planned, latest and actual start, end and deadline.",
            kind=PanelKind.TABLE,
            unit=PanelUnit.TIME,
            width=24,
            queries=tuple(
                Query(f"lowtide_trainingjob_{name}_timestamp_seconds{_JOB}", label)
                for name, label in (
                    ("predicted_end", "predicted end"),
                    ("planned_start", "planned start"),
                    ("start", "start"),
                    ("end", "end"),
                    ("latest_start", "latest start"),
                    ("deadline", "deadline"),
                )
            ),
        ),
        Panel(
            title="Conditions",
            description="What holds for the job now; True or False as the condition says.",
            kind=PanelKind.TABLE,
            unit=PanelUnit.NONE,
            width=24,
            queries=(
                Query(
                    f"lowtide_trainingjob_condition{_JOB} == 1",
                    "{{trainingjob}} {{type}}={{status}}",
                ),
            ),
        ),
    ),
)
