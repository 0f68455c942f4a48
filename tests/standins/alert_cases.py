"""Cases of every alert: the samples that lead to it, when it fires, and when it has resolved.

Times are minutes; a sample is a minute.
"""

from dataclasses import dataclass, field

from standins.promtool import selector

PRESENT = {"lowtide_operator_info": "1x200"}
"""Without this, OperatorDown would fire in every case."""

OPERATOR = {"namespace": "tide", "pod": "op"}
JOB = {"namespace": "team", "trainingjob": "bert"}
GPU = {"node": "n1", "uuid": "GPU-1"}
ZONE = {"zone": "DE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCase:
    """One alert, the samples that lead to it, and when it is silent, fires and resolves."""

    alert: str
    page: str
    series: dict[str, str]
    fires_minute: int
    resolved_minute: int
    description: str
    labels: dict[str, str] = field(default_factory=dict)


CASES = [
    # The series ends at minute 5, so the rule holds from then on.
    AlertCase(
        alert="OperatorDown",
        page="operator-down",
        series={"lowtide_operator_info": "1x4 stale _x14 1x10"},
        fires_minute=10,
        resolved_minute=20,
        description="Prometheus has had no metrics of the operator for 5 minutes. "
        "Running jobs go on; waiting jobs do not start.",
    ),
    AlertCase(
        alert="QueueStuck",
        page="queue-stuck",
        series={
            selector("lowtide_operator_queue_oldest_age_seconds", **OPERATOR): "0x9 400x20 0x5"
        },
        labels=OPERATOR,
        fires_minute=15,
        resolved_minute=31,
        description="The oldest entry of the queue of op is 6m 40s old.",
    ),
    AlertCase(
        alert="EventLoopLate",
        page="event-loop-late",
        series={selector("lowtide_operator_loop_lag_seconds", **OPERATOR): "0x9 3x20 0x5"},
        labels=OPERATOR,
        fires_minute=15,
        resolved_minute=31,
        description="The event loop of op was late by 3s.",
    ),
    # Two samples make a rate, so the rule holds from minute 1 on: 3 of 10 looks fail.
    AlertCase(
        alert="ReconcileErrors",
        page="reconcile-errors",
        series={
            selector("lowtide_operator_reconciliations_total", **OPERATOR, outcome="error"): (
                "0+3x30 90x40"
            ),
            selector("lowtide_operator_reconciliations_total", **OPERATOR, outcome="ok"): "0+7x70",
        },
        labels=OPERATOR,
        fires_minute=11,
        resolved_minute=45,
        description="30% of the reconciliations of op ended in an error.",
    ),
    AlertCase(
        alert="StatusWriteFailures",
        page="status-write-failures",
        series={
            selector("lowtide_operator_status_writes_total", **OPERATOR, outcome="error"): (
                "0+6x30 180x30"
            )
        },
        labels=OPERATOR,
        fires_minute=11,
        resolved_minute=45,
        description="op failed to write 60 statuses in 10 minutes.",
    ),
    AlertCase(
        alert="SettingsRefused",
        page="settings-refused",
        series={
            selector("lowtide_operator_settings_reload_failures_total", **OPERATOR): "0x4 1x60"
        },
        labels=OPERATOR,
        fires_minute=5,
        resolved_minute=25,
        description="op refused a settings file in the last 15 minutes; "
        "its log names the field.",
    ),
    AlertCase(
        alert="ForecastStale",
        page="forecast-stale",
        series={selector("lowtide_operator_forecast_age_seconds", **ZONE): "100x9 30000x40 100x5"},
        labels=ZONE,
        fires_minute=25,
        resolved_minute=51,
        description="The forecast of zone DE was made 8h 20m 0s ago.",
    ),
    AlertCase(
        alert="ForecastMissing",
        page="forecast-missing",
        series={selector("lowtide_operator_forecast_available", **ZONE): "1x9 0x40 1x5"},
        labels=ZONE,
        fires_minute=40,
        resolved_minute=51,
        description="Jobs in zone DE are planned with the zone's own history.",
    ),
    AlertCase(
        alert="PricesMissing",
        page="prices-missing",
        series={selector("lowtide_operator_prices_available", **ZONE): "1x9 0x40 1x5"},
        labels=ZONE,
        fires_minute=40,
        resolved_minute=51,
        description="Jobs in zone DE are planned by carbon alone.",
    ),
    AlertCase(
        alert="DeadlineAtRisk",
        page="deadline-at-risk",
        series={selector(
                "lowtide_trainingjob_condition", **JOB, type="DeadlineAtRisk", status="True"
            ): "_x10 1x20 stale"},
        labels=JOB,
        fires_minute=15,
        resolved_minute=31,
        description="team/bert may not finish before its deadline.",
    ),
    AlertCase(
        alert="JobOverBudget",
        page="job-over-budget",
        series={selector(
                "lowtide_trainingjob_condition", **JOB, type="OverBudget", status="True"
            ): "_x10 1x20 stale"},
        labels=JOB,
        fires_minute=10,
        resolved_minute=31,
        description="team/bert exceeds a limit of its spec.budget, or surely will.",
    ),
    AlertCase(
        alert="PauseAtRisk",
        page="pause-at-risk",
        series={selector(
                "lowtide_trainingjob_condition", **JOB, type="PauseAtRisk", status="True"
            ): "_x10 1x20 stale"},
        labels=JOB,
        fires_minute=10,
        resolved_minute=31,
        description="team/bert saves its checkpoints too slowly for its grace period.",
    ),
    AlertCase(
        alert="GpuHeldIdle",
        page="gpu-held-idle",
        series={
            selector(
                "lowtide_pod_energy_joules_total",
                namespace="team", pod="bert-1-abcde", component="gpu", part="idle_held",
            ): "0+600x80",
            selector(
                "lowtide_pod_energy_joules_total",
                namespace="team", pod="bert-1-abcde", component="gpu", part="active",
            ): "0x40 0+6000x40",
        },
        labels={"namespace": "team", "pod": "bert-1-abcde"},
        fires_minute=31,
        resolved_minute=58,
        description="100% of the GPU energy of team/bert-1-abcde was idle power.",
    ),
    AlertCase(
        alert="ExporterDown",
        page="exporter-down",
        series={selector("lowtide_source_up", node="n1", source="nvml"): "1x70 stale _x8 1x20"},
        labels={"node": "n1"},
        fires_minute=76,
        resolved_minute=80,
        description="The exporter of node n1 answered an hour ago and does not answer now; "
        "energy used there is not counted.",
    ),
    AlertCase(
        alert="ExporterMissing",
        page="exporter-missing",
        series={
            selector(
                "kube_node_status_allocatable", node="n1", resource="nvidia_com_gpu"
            ): "8x60",
            selector("lowtide_source_up", node="n1", source="nvml"): "_x30 1x30",
        },
        labels={"node": "n1"},
        fires_minute=15,
        resolved_minute=30,
        description="Node n1 offers 8 GPUs, but no exporter answers there; "
        "their energy is not counted.",
    ),
    AlertCase(
        alert="MeasurementGap",
        page="measurement-gap",
        series={selector("lowtide_source_up", node="n1", source="nvml"): "1x9 0x20 1x5"},
        labels={"node": "n1", "source": "nvml"},
        fires_minute=15,
        resolved_minute=31,
        description="The exporter of node n1 has not read nvml for 5 minutes.",
    ),
    # Half of the ten minutes must be stuck, which is so from minute 6 on.
    AlertCase(
        alert="EnergyCounterStalled",
        page="energy-counter-stalled",
        series={
            selector("lowtide_gpu_energy_stuck_seconds_total", **GPU): "0+60x30 1800x30"
        },
        labels=GPU,
        fires_minute=16,
        resolved_minute=45,
        description="The counter of GPU-1 on n1 stood still for 100% of the time; "
        "its energy is integrated from power.",
    ),
    AlertCase(
        alert="EnergyCounterSuspect",
        page="energy-counter-suspect",
        series={selector("lowtide_gpu_energy_quality", **GPU, quality="suspect"): "0x9 1x30 0x5"},
        labels=GPU,
        fires_minute=25,
        resolved_minute=41,
        description="The two meters of GPU-1 on n1 disagree; jobs on it are marked suspect.",
    ),
    AlertCase(
        alert="GpuUnmetered",
        page="gpu-unmetered",
        series={selector("lowtide_gpu_energy_quality", **GPU, quality="unmetered"): "0x9 1x30 0x5"},
        labels=GPU,
        fires_minute=25,
        resolved_minute=41,
        description="Nothing is counted for GPU-1 on n1; jobs on it have no GPU energy.",
    ),
    # A sample a minute: right for ten, seven seconds ahead for thirty, then right again.
    AlertCase(
        alert="NodeClockWrong",
        page="node-clock-wrong",
        series={
            selector("lowtide_node_clock_timestamp_seconds", node="n1"): (
                "0+60x9 607+60x29 2400+60x5"
            )
        },
        labels={"node": "n1"},
        fires_minute=15,
        resolved_minute=40,
        description="The clock of node n1 and that of Prometheus differ by 7s; "
        "times of pods there are put right by as much.",
    ),
    AlertCase(
        alert="EnergyNotConserved",
        page="energy-not-conserved",
        series={
            selector("lowtide_attribution_residual_joules", node="n1", component="gpu"): (
                "0x9 -5x20 0x5"
            )
        },
        labels={"node": "n1", "component": "gpu"},
        fires_minute=15,
        resolved_minute=31,
        description="On node n1 5 J of gpu energy are unaccounted for.",
    ),
    # 600 of 3000 J a minute; over an hour the share falls below a tenth half an hour after the end.
    AlertCase(
        alert="UnattributedEnergyHigh",
        page="unattributed-energy-high",
        series={
            selector(
                "lowtide_node_unallocated_energy_joules_total",
                node="n1", component="gpu", reason="foreign",
            ): "0+600x60 36000x60",
            selector("lowtide_gpu_energy_joules_total", **GPU): "0+3000x120",
        },
        fires_minute=31,
        resolved_minute=95,
        description="20% of the GPU energy went to processes that no pod explains.",
    ),
    AlertCase(
        alert="FinalEnergyEvicted",
        page="final-energy-evicted",
        series={selector("lowtide_retained_pods_evicted_total", node="n1"): "0x4 2x90"},
        labels={"node": "n1"},
        fires_minute=5,
        resolved_minute=70,
        description="2 ended pods of node n1 were dropped early; if Prometheus had not scraped "
        "them, their last joules are lost.",
    ),
    # 2.5 kWh are 9 MJ.
    AlertCase(
        alert="JobEnergyBudgetExceeded",
        page="job-energy-budget-exceeded",
        series={
            selector("lowtide_trainingjob_energy_joules", **JOB): "9000000x9 10000000x20 stale"
        },
        labels=JOB,
        fires_minute=10,
        resolved_minute=31,
        description="team/bert has used 10MJ.",
    ),
    AlertCase(
        alert="JobCarbonBudgetExceeded",
        page="job-carbon-budget-exceeded",
        series={
            selector("lowtide_trainingjob_operational_grams", **JOB): "800x9 900x20 stale",
            selector("lowtide_trainingjob_embodied_grams", **JOB): "200x29 stale",
        },
        labels=JOB,
        fires_minute=10,
        resolved_minute=31,
        description="team/bert has emitted 1.1kg CO2eq.",
    ),
]  # fmt: skip
