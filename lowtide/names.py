"""Names that two parts of Lowtide share, each written once.

Standard library only: the exporter imports this module and must stay light. It holds the API
group, labels, annotations, environment variables, file paths inside the training pod and metric
names. A name that only one module uses does not belong here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

GROUP: Final = "lowtide.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "TrainingJob"
PLURAL: Final = "trainingjobs"
SINGULAR: Final = "trainingjob"
SHORT_NAME: Final = "tj"
NAME_MAX_LENGTH: Final = 52

FIELD_MANAGER: Final = "lowtide-operator"
MANAGED_BY: Final = "lowtide"
CLAIM: Final = "lowtide-writer"
"""Lease in each namespace that an operator serves: only its holder writes there."""

LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_TRAININGJOB: Final = "lowtide.dev/trainingjob"
LABEL_TRAININGJOB_UID: Final = "lowtide.dev/trainingjob-uid"
LABEL_ATTEMPT: Final = "lowtide.dev/attempt"

LABEL_SCHEDULE: Final = "lowtide.dev/schedule"
"""Of a workload that somebody wrote: `true` asks Lowtide to schedule it."""
LABEL_HELD: Final = "lowtide.dev/held"
"""Of a workload that Lowtide keeps from running, or has paused; `lowtide release` finds it."""
LABEL_MADE_FOR: Final = "lowtide.dev/made-for"
"""Of a TrainingJob that the operator made for a labelled workload: the workload's uid."""

ANNOTATION_RUN_NOW: Final = "lowtide.dev/run-now"
ANNOTATION_LATEST_START: Final = "lowtide.dev/latest-start"
"""Of a held workload: when it starts at the latest."""
ANNOTATION_PAUSED_IN_QUEUE: Final = "lowtide.dev/paused-in-queue"
"""Of a paused workload that Kueue manages: the name of Kueue's object, which is not active."""
ANNOTATION_RESIZED: Final = "lowtide.dev/resized"
"""Of a workload that does not have its own size: that and the one it was given, as `2->4`."""
ANNOTATION_PARKED_IN_QUEUE: Final = "lowtide.dev/parked-in-queue"
"""Of a workload that is paused by an admission check: Kueue's object, a slash, and the check."""
ANNOTATION_QUEUE: Final = "lowtide.dev/queue-name"
"""On the Job of a TrainingJob: the Kueue queue that it enters once its start is recorded."""
ANNOTATION_VALUE_SOURCES: Final = "lowtide.dev/value-sources"
"""Of a TrainingJob that the operator made: where its values come from, as JSON."""
ANNOTATION_FAULT: Final = "lowtide.dev/annotation-fault"
"""Of a TrainingJob that the operator made: which annotation cannot be used, in one sentence."""

# Read from a labelled workload and from its namespace.
ANNOTATION_DEADLINE: Final = "lowtide.dev/deadline"
ANNOTATION_MAX_DELAY: Final = "lowtide.dev/max-delay"
ANNOTATION_EXPECTED_DURATION: Final = "lowtide.dev/expected-duration"
ANNOTATION_INTERRUPTIBLE: Final = "lowtide.dev/interruptible"
ANNOTATION_RESTART_COST: Final = "lowtide.dev/restart-cost"
ANNOTATION_MIN_REPLICAS: Final = "lowtide.dev/min-replicas"
ANNOTATION_MAX_REPLICAS: Final = "lowtide.dev/max-replicas"
ANNOTATION_EFFICIENCY: Final = "lowtide.dev/efficiency"
ANNOTATION_ZONE: Final = "lowtide.dev/zone"
"""Also of a MultiKueueCluster: the grid zone that it stands in."""
ANNOTATION_DATA: Final = "lowtide.dev/data-gigabytes"
ANNOTATION_DATA_ZONE: Final = "lowtide.dev/data-zone"
ANNOTATION_ENERGY: Final = "lowtide.dev/energy-kilowatt-hours"
ANNOTATION_SERIES: Final = "lowtide.dev/series"
ANNOTATION_POLICY: Final = "lowtide.dev/policy"

# Written by the operator into the first container of a training pod.
ENV_TRAININGJOB: Final = "LOWTIDE_TRAININGJOB"
ENV_NAMESPACE: Final = "LOWTIDE_NAMESPACE"
ENV_ATTEMPT: Final = "LOWTIDE_ATTEMPT"

# Read by the trainer.
ENV_REPORT_PATH: Final = "LOWTIDE_REPORT_PATH"
ENV_METRICS_PORT: Final = "LOWTIDE_METRICS_PORT"
DEFAULT_REPORT_PATH: Final = "/dev/termination-log"
TERMINATION_MESSAGE_MAX_BYTES: Final = 4096

# Ports of the programs' own HTTP servers.
OPERATOR_METRICS_PORT: Final = 9090
OPERATOR_HEALTH_PORT: Final = 8080
EXPORTER_PORT: Final = 9400
TRAINER_METRICS_PORT: Final = 9401
TRAINER_REPORT_PATH: Final = "/report"
"""Page of the running training that the operator reads."""

# The exporter's series (design: metric catalogue). Metric names without `_total` are what the
# client library is given; it appends the suffix of counters itself.
METRIC_POD_ENERGY: Final = "lowtide_pod_energy_joules_total"
METRIC_POD_SEGMENT_START: Final = "lowtide_pod_segment_start_timestamp_seconds"
METRIC_POD_END: Final = "lowtide_pod_end_timestamp_seconds"
METRIC_POD_OWNER: Final = "lowtide_pod_owner_info"
METRIC_POD_GPU_HELD_SECONDS: Final = "lowtide_pod_gpu_held_seconds_total"
METRIC_POD_GPU_SHARE: Final = "lowtide_pod_gpu_share_ratio"
METRIC_GPU_ENERGY: Final = "lowtide_gpu_energy_joules_total"
METRIC_GPU_INFO: Final = "lowtide_gpu_info"
METRIC_GPU_POWER: Final = "lowtide_gpu_power_watts"
METRIC_UNALLOCATED_ENERGY: Final = "lowtide_node_unallocated_energy_joules_total"
METRIC_RETIRED_ENERGY: Final = "lowtide_node_retired_energy_joules_total"
METRIC_RESIDUAL: Final = "lowtide_attribution_residual_joules"
METRIC_NODE_CLOCK: Final = "lowtide_node_clock_timestamp_seconds"
METRIC_SOURCE_UP: Final = "lowtide_source_up"

# The operator's series about the grid, which the command line reads back from Prometheus.
METRIC_INTENSITY: Final = "lowtide_operator_intensity_grams_per_kwh"
METRIC_FORECAST: Final = "lowtide_operator_forecast_grams_per_kwh"
METRIC_FORECAST_SPREAD: Final = "lowtide_operator_forecast_spread_grams_per_kwh"
METRIC_PRICE: Final = "lowtide_operator_price_per_kwh"
METRIC_JOB_INFO: Final = "lowtide_trainingjob_info"
METRIC_DEFAULT_ZONE: Final = "lowtide_operator_default_zone_info"

# The trainer's series; every one carries no label but those the scrape adds.
METRIC_TRAINER_EPOCHS: Final = "lowtide_trainer_epochs_total"
METRIC_TRAINER_EPOCHS_PLANNED: Final = "lowtide_trainer_epochs_planned"
METRIC_TRAINER_SAMPLES: Final = "lowtide_trainer_samples_total"
METRIC_TRAINER_ACCURACY: Final = "lowtide_trainer_accuracy_ratio"
METRIC_TRAINER_LOSS: Final = "lowtide_trainer_loss"
METRIC_TRAINER_EPOCH_DURATION: Final = "lowtide_trainer_epoch_duration_seconds"
METRIC_TRAINER_CHECKPOINTS: Final = "lowtide_trainer_checkpoints_total"
METRIC_TRAINER_CHECKPOINT_FAILURES: Final = "lowtide_trainer_checkpoint_failures_total"

# Exit code of a trainer that saved a checkpoint after SIGTERM and stopped on purpose.
EXIT_CODE_PAUSED: Final = 75

# How a run stands at the time of its report.
OUTCOME_RUNNING: Final = "Running"
OUTCOME_FINISHED: Final = "Finished"
OUTCOME_PAUSED: Final = "Paused"
OUTCOME_FAILED: Final = "Failed"
