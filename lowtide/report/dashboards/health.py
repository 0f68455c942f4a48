"""Health: can I trust these numbers?"""

from lowtide.report.dashboards.model import Dashboard, Panel, PanelKind, PanelUnit, Query, stat


def _lines(title: str, description: str, unit: PanelUnit, *queries: Query) -> Panel:
    return Panel(
        title=title,
        description=description,
        kind=PanelKind.TIMESERIES,
        unit=unit,
        width=8,
        queries=queries,
    )


HEALTH = Dashboard(
    uid="lowtide-health",
    title="Lowtide / Health",
    question="Can I trust these numbers?",
    panels=(
        stat(
            "Residual",
            "Energy of devices less all that was attributed. Anything but 0 is a fault.",
            PanelUnit.JOULES,
            Query("max(abs(lowtide_attribution_residual_joules))"),
        ),
        stat(
            "Sources down",
            "Drivers, kubelets and other sources that exporters cannot read.",
            PanelUnit.COUNT,
            Query('count(lowtide_source_up{source=~"nvml|kubelet|dcgm"} == 0) or vector(0)'),
        ),
        stat(
            "Unattributed share",
            "GPU energy of the last hour used by processes outside any known pod.",
            PanelUnit.RATIO,
            Query(
                "sum(rate(lowtide_node_unallocated_energy_joules_total"
                '{component="gpu", reason!="free"}[1h]))'
                " / (sum(rate(lowtide_gpu_energy_joules_total[1h])) > 0) or vector(0)"
            ),
        ),
        stat(
            "Oldest in the queue",
            "How long the first job has waited for the operator.",
            PanelUnit.SECONDS,
            Query("max(lowtide_operator_queue_oldest_age_seconds)"),
        ),
        stat(
            "Forecast age",
            "Time since the provider made the forecast in use.",
            PanelUnit.SECONDS,
            Query("lowtide_operator_forecast_age_seconds", "{{zone}}"),
        ),
        stat(
            "Stand-ins",
            "GPUs whose figures come from a stand-in and measure nothing real.",
            PanelUnit.COUNT,
            Query('count(lowtide_gpu_info{source="mock"}) or vector(0)'),
        ),
        _lines(
            "Counter against power",
            "Integrated power over the energy counter of each GPU; 1 is agreement.",
            PanelUnit.NONE,
            Query("lowtide_gpu_energy_power_ratio", "{{uuid}}"),
        ),
        _lines(
            "Quality of the joules",
            "GPUs by how their energy is metered at present.",
            PanelUnit.COUNT,
            Query("sum by (quality) (lowtide_gpu_energy_quality)", "{{quality}}"),
        ),
        _lines(
            "Residual by component",
            "Over time; must be a line at 0.",
            PanelUnit.JOULES,
            Query("lowtide_attribution_residual_joules", "{{node}} {{component}}"),
        ),
        _lines(
            "Age of sources",
            "Time since the last good read.",
            PanelUnit.SECONDS,
            Query("max by (source) (lowtide_source_age_seconds)", "{{source}}"),
        ),
        _lines(
            "Exporter behind schedule",
            "How late the reading of the counters is.",
            PanelUnit.SECONDS,
            Query("max by (node) (lowtide_poll_lag_seconds)", "{{node}}"),
        ),
        _lines(
            "Event loop of the operator",
            "How late the operator's event loop runs.",
            PanelUnit.SECONDS,
            Query("max(lowtide_operator_loop_lag_seconds)", "lag"),
        ),
        _lines(
            "Looks at jobs",
            "By outcome.",
            PanelUnit.PER_SECOND,
            Query(
                "sum by (outcome) (rate(lowtide_operator_reconciliations_total[$__rate_interval]))",
                "{{outcome}}",
            ),
        ),
        _lines(
            "Status writes",
            "By outcome.",
            PanelUnit.PER_SECOND,
            Query(
                "sum by (outcome) (rate(lowtide_operator_status_writes_total[$__rate_interval]))",
                "{{outcome}}",
            ),
        ),
        _lines(
            "Failures of providers",
            "Refreshes at which a provider could not answer; 0 while none has failed.",
            PanelUnit.PER_SECOND,
            Query(
                "sum by (zone, provider, reason) "
                "(rate(lowtide_operator_provider_failures_total[$__rate_interval]))"
                ' or on() label_replace(vector(0), "reason", "none", "", "")',
                "{{zone}} {{provider}} {{reason}}",
            ),
        ),
        _lines(
            "Forecast score",
            "Share of the best plans' saving that plans from a provider's forecasts reach.",
            PanelUnit.RATIO,
            Query(
                "max by (zone, provider, band) (lowtide_operator_provider_realised_saving_ratio)",
                "{{zone}} {{provider}} {{band}}",
            ),
        ),
        _lines(
            "Forecast error",
            "Mean distance of a provider's forecasts from what came true, by lead.",
            PanelUnit.GRAMS_PER_KWH,
            Query(
                "max by (zone, provider, band) (lowtide_operator_provider_error_grams_per_kwh)",
                "{{zone}} {{provider}} {{band}}",
            ),
        ),
        _lines(
            "Order of providers",
            "1 is asked first; better scores move a provider up.",
            PanelUnit.COUNT,
            Query(
                "max by (zone, provider) (lowtide_operator_provider_place)", "{{zone}} {{provider}}"
            ),
        ),
    ),
)
