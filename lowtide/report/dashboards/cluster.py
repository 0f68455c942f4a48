"""Cluster: how much, how clean, how much avoided?"""

from lowtide.report.dashboards.model import Dashboard, Panel, PanelKind, PanelUnit, Query, stat

_IN = '{namespace=~"$namespace"}'

_BY_OWNER = "namespace, owner_kind, owner_name"
_OWNER = "{{namespace}} {{owner_kind}}/{{owner_name}}"


def _total_by(labels: str, rule: str) -> str:
    """Return the largest totals in the time shown of a rule that records amounts per second.

    The offset keeps the ends of the range off the minutes, where Prometheus before 3.0 counts one
    more than others do.
    """
    minutes = f"{rule}{_IN}[$__range:1m] offset 7s"
    return f"topk(15, sum by ({labels}) (sum_over_time({minutes})) * 60)"


EVERY_POD = (
    Panel(
        title="Emissions of every pod, by owner",
        description="Labelled or not: operational grams of the object at the top of the pods' "
        "owners, each minute with its own intensity, direct or life-cycle as the name says.",
        kind=PanelKind.BARS,
        unit=PanelUnit.GRAMS,
        width=8,
        queries=(
            Query(
                _total_by(
                    f"{_BY_OWNER}, factor",
                    "node_namespace_owner:lowtide_operational_grams_per_second:rate5m",
                ),
                f"{_OWNER} {{{{factor}}}}",
            ),
        ),
    ),
    Panel(
        title="Electricity cost of every pod, by owner",
        description="Each minute's energy at its own price, fees and taxes included.",
        kind=PanelKind.BARS,
        unit=PanelUnit.NONE,
        width=8,
        queries=(
            Query(
                _total_by(
                    f"{_BY_OWNER}, currency",
                    "node_namespace_owner:lowtide_electricity_cost_per_second:rate5m",
                ),
                f"{_OWNER} {{{{currency}}}}",
            ),
        ),
    ),
    Panel(
        title="Most that waiting a day could have saved",
        description="A bound, known a day later: each joule moved to the cleanest minute of the "
        "day after it. What a planner would have saved is in lowtide report.",
        kind=PanelKind.BARS,
        unit=PanelUnit.GRAMS,
        width=8,
        queries=(
            Query(
                _total_by(
                    f"{_BY_OWNER}, factor",
                    "namespace_owner:lowtide_waiting_bound_grams_per_second:rate5m",
                ),
                f"{_OWNER} {{{{factor}}}}",
            ),
        ),
    ),
    Panel(
        title="Power of every pod, by node",
        description="Mean power of the pods of each node.",
        kind=PanelKind.STACKED,
        unit=PanelUnit.WATTS,
        queries=(
            Query(
                f"sum by (node) (rate(lowtide_pod_energy_joules_total{_IN}[$__rate_interval]))",
                "{{node}}",
            ),
        ),
    ),
    Panel(
        title="Pods whose owner is not known",
        description="Power of the pods that the exporter shows under no owner: it is older, or may "
        "not ask the API server.",
        kind=PanelKind.TIMESERIES,
        unit=PanelUnit.WATTS,
        queries=(
            Query(
                "sum(node_namespace_owner:lowtide_power_watts:rate5m"
                '{owner_kind="unknown", namespace=~"$namespace"}) or vector(0)',
                "unknown owner",
            ),
        ),
    ),
)

CLUSTER = Dashboard(
    uid="lowtide-cluster",
    title="Lowtide / Cluster",
    question="How much, how clean, how much avoided?",
    variables=("namespace",),
    panels=(
        stat(
            "Power now",
            "Power of all pods, GPUs and what else is measured.",
            PanelUnit.WATTS,
            Query(f"sum(rate(lowtide_pod_energy_joules_total{_IN}[$__rate_interval]))"),
        ),
        stat(
            "Energy in this time",
            "Energy of all pods in the time shown; counters that began within it are extrapolated.",
            PanelUnit.JOULES,
            Query(f"sum(increase(lowtide_pod_energy_joules_total{_IN}[$__range]))"),
        ),
        stat(
            "Intensity now",
            "Carbon intensity of each zone; average and marginal are never mixed.",
            PanelUnit.GRAMS_PER_KWH,
            Query("lowtide_operator_intensity_grams_per_kwh", "{{zone}} {{signal}} {{factor}}"),
        ),
        stat(
            "Emitted by finished jobs",
            "Operational and embodied emissions of the measured TrainingJobs that exist.",
            PanelUnit.GRAMS,
            Query(
                f"sum(lowtide_trainingjobs_operational_grams{_IN})"
                f" + sum(lowtide_trainingjobs_embodied_grams{_IN})"
            ),
        ),
        stat(
            "Avoided by waiting",
            "Against running each job at its submission, on actual intensity. May be negative.",
            PanelUnit.GRAMS,
            Query(f"sum(lowtide_trainingjobs_avoided_grams{_IN})"),
        ),
        stat(
            "Jobs",
            "TrainingJobs by state, in all namespaces.",
            PanelUnit.COUNT,
            Query("sum by (state) (lowtide_trainingjobs)", "{{state}}"),
        ),
        Panel(
            title="Power by namespace",
            description="Mean power of the pods of each namespace.",
            kind=PanelKind.STACKED,
            unit=PanelUnit.WATTS,
            queries=(
                Query(
                    "sum by (namespace) "
                    f"(rate(lowtide_pod_energy_joules_total{_IN}[$__rate_interval]))",
                    "{{namespace}}",
                ),
            ),
        ),
        Panel(
            title="Carbon intensity",
            description="What the operator plans with; jobs should run in the valleys.",
            kind=PanelKind.TIMESERIES,
            unit=PanelUnit.GRAMS_PER_KWH,
            queries=(
                Query("lowtide_operator_intensity_grams_per_kwh", "{{zone}} {{signal}} {{factor}}"),
            ),
        ),
        Panel(
            title="Running and waiting jobs",
            description="TrainingJobs by state over time.",
            kind=PanelKind.STACKED,
            unit=PanelUnit.COUNT,
            queries=(Query("sum by (state) (lowtide_trainingjobs)", "{{state}}"),),
        ),
        Panel(
            title="GPU power that belongs to no pod",
            description="free: no pod holds the GPU. foreign, unmapped: used by no known pod.",
            kind=PanelKind.STACKED,
            unit=PanelUnit.WATTS,
            queries=(
                Query(
                    "sum by (reason) (rate(lowtide_node_unallocated_energy_joules_total"
                    '{component="gpu"}[$__rate_interval]))',
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            title="Energy by namespace",
            description="Energy in the time shown.",
            kind=PanelKind.BARS,
            unit=PanelUnit.JOULES,
            width=8,
            queries=(
                Query(
                    "sum by (namespace) "
                    f"(increase(lowtide_pod_energy_joules_total{_IN}[$__range]))",
                    "{{namespace}}",
                ),
            ),
        ),
        Panel(
            title="Emissions by namespace",
            description="Operational emissions of the measured TrainingJobs that exist.",
            kind=PanelKind.BARS,
            unit=PanelUnit.GRAMS,
            width=8,
            queries=(
                Query(
                    f"sum by (namespace) (lowtide_trainingjobs_operational_grams{_IN})",
                    "{{namespace}}",
                ),
            ),
        ),
        Panel(
            title="Cost by namespace",
            description="Instance hours and electricity are different amounts, never added.",
            kind=PanelKind.BARS,
            unit=PanelUnit.NONE,
            width=8,
            queries=(
                Query(
                    "sum by (namespace, currency, kind) (lowtide_trainingjobs_cost"
                    '{namespace=~"$namespace", kind=~"instance|energy"})',
                    "{{namespace}} {{kind}} {{currency}}",
                ),
            ),
        ),
        Panel(
            title="Electricity price",
            description="Price of a kilowatt-hour now, fees and taxes included; never converted.",
            kind=PanelKind.TIMESERIES,
            unit=PanelUnit.NONE,
            queries=(Query("lowtide_operator_price_per_kwh", "{{zone}} {{currency}}"),),
        ),
        Panel(
            title="Electricity bill of finished jobs",
            description="Paid at prices in time, as at submission, and the difference: saved.",
            kind=PanelKind.BARS,
            unit=PanelUnit.NONE,
            queries=(
                Query(
                    "sum by (namespace, currency, kind) (lowtide_trainingjobs_cost"
                    '{namespace=~"$namespace", kind=~"electricity.*"})',
                    "{{namespace}} {{kind}} {{currency}}",
                ),
            ),
        ),
        *EVERY_POD,
        Panel(
            title="Planned starts",
            description="Jobs that have not started, and their planned start.",
            kind=PanelKind.TABLE,
            unit=PanelUnit.TIME,
            links_to_job=True,
            queries=(
                Query(
                    f"lowtide_trainingjob_planned_start_timestamp_seconds{_IN}"
                    " unless on (namespace, trainingjob)"
                    " lowtide_trainingjob_start_timestamp_seconds",
                    "{{namespace}}/{{trainingjob}}",
                ),
            ),
        ),
        Panel(
            title="Avoided by job",
            description="Grams that waiting avoided; negative where it made things worse.",
            kind=PanelKind.TABLE,
            unit=PanelUnit.GRAMS,
            links_to_job=True,
            queries=(
                Query(f"lowtide_trainingjob_avoided_grams{_IN}", "{{namespace}}/{{trainingjob}}"),
            ),
        ),
    ),
)
