"""`make demo`: two networks wait for the clean hours of a real German day, train, and are compared.

A real single-node Kubernetes is started on this machine, the chart is installed with the
project's own images, and the GSF test case (DenseNet-121 against InceptionV3) runs as two
TrainingJobs. What is not real says so: the grid is a replayed trace, the GPUs are a stand-in whose
power follows the CPU. Ctrl-C, or any fault, removes everything that was started.

`--workloads` shows a JobSet, a PyTorchJob and a queued Job instead, with their real controllers.
"""

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from demonstration import day, show, stage, workloads
from demonstration.pace import measured_pace
from singlenode import cluster, images, ready
from singlenode.commands import run
from singlenode.errors import ClusterError
from singlenode.layout import Layout
from singlenode.processes import Identity
from singlenode.progress import Progress

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the demo; return 0, 1 when something failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description="Show Lowtide at work, in about four minutes.")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running at the end")
    parser.add_argument(
        "--workloads",
        action="store_true",
        help="show an unchanged JobSet, PyTorchJob and queued Job instead, with their controllers",
    )
    options = parser.parse_args()
    keep = options.keep
    progress = Progress()
    layout = Layout.default()
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    started = False
    try:
        cluster.refuse_second()
        programs, built = ready.provide(layout, progress)
        if options.workloads:
            workloads.require_programs(stage.Stage(layout, programs, Path(sys.executable)))
        settings = cluster.Settings(stage.GPUS, stage.SCRAPE_SECONDS)
        bound = None if keep else Identity.of(os.getpid())
        programs = cluster.up(layout, settings, progress, bound=bound)
        started = True
        on = stage.Stage(layout, programs, Path(sys.executable))
        try:
            (perform_workloads if options.workloads else perform)(on, built, progress)
        except ClusterError:
            print(stage.diagnosis(on), file=sys.stderr)
            raise
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.step("interrupted")
        return 128 + signal.SIGINT
    finally:
        if started and not keep:
            for number in ENDINGS:
                signal.signal(number, signal.SIG_IGN)
            cluster.down(layout, progress)
    if keep:
        progress.step(f"the cluster stays: export KUBECONFIG={layout.kubeconfig}")
        progress.step("remove it with: .venv/bin/python tests/cluster down")
    return 0


def perform(on: stage.Stage, built: dict[str, images.Image], progress: Progress) -> None:
    """Do everything between the start of the cluster and its removal."""
    begun = time.monotonic()
    progress.step("loading the images and starting the mock GPUs")
    images.load(built.values(), on.layout, on.programs)
    mock_nvml = stage.start_mock_gpus(on)
    progress.step("installing the chart")
    stage.install(on, built, mock_nvml)
    progress.step("trying both trainings for some seconds, to set the pace of the replayed day")
    pace = measured_pace(on.python.parent / "lowtide-trainer")
    progress.step(
        f"a run takes about {pace.run_seconds} s here: 1 h of the day lasts {pace.slot_seconds} s"
    )
    replay = day.begin(on.layout, on.python, slot_seconds=pace.slot_seconds)
    day.await_forecast()
    os.environ[show.TOKEN_VARIABLE] = day.TOKEN
    progress.step("kubectl apply: " + " and ".join(stage.EXAMPLES))
    now = datetime.now(UTC)
    on.apply(*(stage.demo_job(name, built["trainer"], now, pace) for name in stage.EXAMPLES))
    show.until_measured(on, replay, limit_seconds=pace.limit_seconds)
    print("\n$ kubectl get tj\n" + on.kubectl("get", "tj", "-n", stage.NAMESPACE))
    print("$ lowtide compare " + " ".join(stage.EXAMPLES))
    print(_comparison(on))
    progress.step(f"done, {time.monotonic() - begun:.0f} s after the cluster was ready")


def perform_workloads(on: stage.Stage, built: dict[str, images.Image], progress: Progress) -> None:
    """Let workloads of three kinds wait for clean power and run; all between start and removal.

    They need twice as many GPUs as the node has, so the operator counts these.
    """
    begun = time.monotonic()
    progress.step("loading the images and starting the mock GPUs")
    images.load(built.values(), on.layout, on.programs)
    image = workloads.base_image(on, progress)
    mock_nvml = stage.start_mock_gpus(on)
    with workloads.controllers(on, progress):
        progress.step("installing the chart")
        stage.install(on, built, mock_nvml, counts_gpus=True)
        replay = day.begin(on.layout, on.python, slot_seconds=workloads.SLOT_SECONDS)
        day.await_forecast()
        os.environ[show.TOKEN_VARIABLE] = day.TOKEN
        progress.step("kubectl apply: a JobSet, a PyTorchJob and a Job of a Kueue queue")
        on.apply(*workloads.manifests(image.reference))
        print("\n$ kubectl get jobs,jobsets,pytorchjobs --show-labels\n" + workloads.held(on))
        show.until_measured(on, replay, limit_seconds=workloads.LIMIT_SECONDS, count=3)
        print("\n$ kubectl get tj\n" + on.kubectl("get", "tj", "-n", stage.NAMESPACE))
        print("$ kubectl get jobs,jobsets,pytorchjobs\n" + workloads.held(on))
        print(workloads.turns(on.trainingjobs()))
        progress.step(f"done, {time.monotonic() - begun:.0f} s after the cluster was ready")


def _comparison(on: stage.Stage) -> str:
    """Return what `lowtide compare` prints for the two jobs."""
    return run(
        [on.python.parent / "lowtide", "compare", *stage.EXAMPLES, "-n", stage.NAMESPACE],
        environment={
            "KUBECONFIG": str(on.layout.kubeconfig),
            "PATH": f"{on.programs.clients}:{os.environ.get('PATH', '')}",
        },
    )


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
