"""Catalogue of the exporter's metrics: name, type, labels, unit, meaning.

The collector and the reference page are made from this table, so neither can name a metric that
the other does not know. Names that other parts of Lowtide use come from `lowtide.names`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lowtide import names


class MetricType(StrEnum):
    """Type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; a counter's name ends in `_total`."""

    name: str
    kind: MetricType
    labels: tuple[str, ...]
    unit: str
    text: str


_POD: Final = ("namespace", "pod", "pod_uid", "container")
_POD_ID: Final = ("namespace", "pod", "pod_uid")

BUILD_INFO: Final = Family(
    "lowtide_build_info", MetricType.GAUGE, ("version",), "", "Always 1; the version of Lowtide"
)
GPU_INFO: Final = Family(
    names.METRIC_GPU_INFO,
    MetricType.GAUGE,
    ("gpu", "uuid", "model", "architecture", "driver", "source"),
    "",
    "Always 1; a GPU of this node (source mock: a stand-in that measures nothing real)",
)
GPU_ENERGY: Final = Family(
    names.METRIC_GPU_ENERGY,
    MetricType.COUNTER,
    ("uuid",),
    "joules",
    "Energy of the GPU since the exporter first read it",
)
GPU_UP: Final = Family(
    "lowtide_gpu_up", MetricType.GAUGE, ("uuid",), "", "1 where the last read of the GPU worked"
)
GPU_POWER: Final = Family(
    names.METRIC_GPU_POWER,
    MetricType.GAUGE,
    ("uuid", "kind"),
    "watts",
    "Power of the GPU, last reading: the mean of one second or an instant",
)
GPU_POWER_LIMIT: Final = Family(
    "lowtide_gpu_power_limit_watts", MetricType.GAUGE, ("uuid",), "watts", "Power limit in force"
)
GPU_CLOCK: Final = Family(
    "lowtide_gpu_clock_hertz",
    MetricType.GAUGE,
    ("uuid", "domain"),
    "hertz",
    "Clock of the multiprocessors or the memory, some seconds old",
)
GPU_THROTTLED: Final = Family(
    "lowtide_gpu_throttled",
    MetricType.GAUGE,
    ("uuid", "reason"),
    "",
    "1 where this reason keeps the clocks down, some seconds old",
)
GPU_IDLE_POWER: Final = Family(
    "lowtide_gpu_idle_power_watts",
    MetricType.GAUGE,
    ("uuid",),
    "watts",
    "Power that the GPU draws while no pod holds it, learnt from free time",
)
GPU_RATIO: Final = Family(
    "lowtide_gpu_energy_power_ratio",
    MetricType.GAUGE,
    ("uuid",),
    "ratio",
    "Integrated power over counter in the last five minutes; 1 where both meters agree",
)
UNMETERED: Final = "unmetered"
"""Stands in place of a quality where a GPU tells neither energy nor power."""
GPU_QUALITY: Final = Family(
    "lowtide_gpu_energy_quality",
    MetricType.GAUGE,
    ("uuid", "quality"),
    "",
    "1 for the quality of the joules that the meters give now; unmetered where they give none",
)
GPU_RESETS: Final = Family(
    "lowtide_gpu_energy_resets_total",
    MetricType.COUNTER,
    ("uuid",),
    "",
    "Restarts and implausible jumps of the GPU's energy counter",
)
GPU_STUCK: Final = Family(
    "lowtide_gpu_energy_stuck_seconds_total",
    MetricType.COUNTER,
    ("uuid",),
    "seconds",
    "Time for which the energy counter stood still while power was drawn",
)
CPU_ENERGY: Final = Family(
    "lowtide_cpu_energy_joules_total",
    MetricType.COUNTER,
    ("package", "domain"),
    "joules",
    "Energy of a CPU package or its memory since the exporter first read it",
)
POD_ENERGY: Final = Family(
    names.METRIC_POD_ENERGY,
    MetricType.COUNTER,
    (*_POD, "component", "part", "method", "quality"),
    "joules",
    "Energy of a pod's container since the start of its segment; final once the end is marked",
)
POD_SHARE: Final = Family(
    names.METRIC_POD_GPU_SHARE,
    MetricType.GAUGE,
    (*_POD, "uuid"),
    "ratio",
    "Share of the GPU that the container holds now",
)
POD_HELD: Final = Family(
    names.METRIC_POD_GPU_HELD_SECONDS,
    MetricType.COUNTER,
    (*_POD, "model"),
    "seconds",
    "Time for which the container held GPUs, times the share of each",
)
POD_SEGMENT: Final = Family(
    names.METRIC_POD_SEGMENT_START,
    MetricType.GAUGE,
    _POD_ID,
    "seconds",
    "Unix time since when the pod's counters count",
)
POD_OWNER: Final = Family(
    names.METRIC_POD_OWNER,
    MetricType.GAUGE,
    (*_POD_ID, "trainingjob_uid", "owner_kind", "owner_name", "owner_uid"),
    "",
    "Always 1; the TrainingJob that a pod works for and the object at the top of its owners, "
    "as the API server says; empty while not known",
)
POD_END: Final = Family(
    names.METRIC_POD_END,
    MetricType.GAUGE,
    _POD_ID,
    "seconds",
    "Unix time at which the pod ended; present only when its values are final",
)
NODE_POWER: Final = Family(
    "lowtide_node_power_watts",
    MetricType.GAUGE,
    ("source",),
    "watts",
    "Power of the whole node by a meter of its own, as a cross-check; never attributed",
)
NODE_GPU_RATIO: Final = Family(
    "lowtide_node_gpu_power_ratio",
    MetricType.GAUGE,
    ("source",),
    "ratio",
    "Power of all GPUs over that of the node; above 1 a meter is wrong or does not cover them",
)
UNALLOCATED: Final = Family(
    names.METRIC_UNALLOCATED_ENERGY,
    MetricType.COUNTER,
    ("component", "part", "reason"),
    "joules",
    "Energy of the node's devices that belongs to no pod",
)
RETIRED: Final = Family(
    names.METRIC_RETIRED_ENERGY,
    MetricType.COUNTER,
    ("component",),
    "joules",
    "Energy of pods that are no longer exported",
)
RESIDUAL: Final = Family(
    names.METRIC_RESIDUAL,
    MetricType.GAUGE,
    ("component",),
    "joules",
    "Energy of the devices less all that was handed out; anything but 0 is a fault",
)
NODE_CLOCK: Final = Family(
    names.METRIC_NODE_CLOCK,
    MetricType.GAUGE,
    (),
    "seconds",
    "Unix time of the node as the page was made; beside the time of the scrape it shows a clock "
    "that is wrong",
)
SOURCE_UP: Final = Family(
    names.METRIC_SOURCE_UP,
    MetricType.GAUGE,
    ("source",),
    "",
    "1 where the last read of the source worked and none hangs",
)
SOURCE_AGE: Final = Family(
    "lowtide_source_age_seconds",
    MetricType.GAUGE,
    ("source",),
    "seconds",
    "Time since the last good read of the source",
)
CALLS: Final = Family(
    "lowtide_calls_total",
    MetricType.COUNTER,
    ("api", "code"),
    "",
    "Calls into drivers and services",
)
CALL_SECONDS: Final = Family(
    "lowtide_call_seconds_total",
    MetricType.COUNTER,
    ("api",),
    "seconds",
    "Time spent in calls into drivers and services",
)
POLL_LAG: Final = Family(
    "lowtide_poll_lag_seconds",
    MetricType.GAUGE,
    (),
    "seconds",
    "How far the loop is behind its schedule",
)
RETAINED: Final = Family(
    "lowtide_retained_pods",
    MetricType.GAUGE,
    (),
    "",
    "Ended pods whose final values are still exported",
)
EVICTED: Final = Family(
    "lowtide_retained_pods_evicted_total",
    MetricType.COUNTER,
    (),
    "",
    "Ended pods dropped before their time because there were too many",
)

FAMILIES: Final = (
    *(BUILD_INFO, GPU_INFO, GPU_ENERGY, GPU_UP, GPU_POWER, GPU_POWER_LIMIT, GPU_CLOCK),
    *(GPU_THROTTLED, GPU_IDLE_POWER, NODE_POWER, NODE_GPU_RATIO),
    *(GPU_RATIO, GPU_QUALITY, GPU_RESETS, GPU_STUCK, CPU_ENERGY, POD_ENERGY, POD_SHARE),
    *(
        POD_HELD,
        POD_SEGMENT,
        POD_END,
        POD_OWNER,
        UNALLOCATED,
        RETIRED,
        RESIDUAL,
        SOURCE_UP,
        SOURCE_AGE,
    ),
    *(NODE_CLOCK, CALLS, CALL_SECONDS, POLL_LAG, RETAINED, EVICTED),
)
