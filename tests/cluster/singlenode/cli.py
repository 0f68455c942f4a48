"""The command line: `python tests/cluster build|kinds|up|down|status|env|images|base|torch`."""

import argparse
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType

from singlenode import (
    archive,
    baseimage,
    binaries,
    cluster,
    hosttorch,
    images,
    ownership,
    packages,
    processes,
    ready,
)
from singlenode.errors import ClusterError
from singlenode.layout import PROMETHEUS_URL, Layout
from singlenode.processes import Identity
from singlenode.progress import Progress


def main() -> int:
    """Run one command; return 0 when done, 1 when it failed, 2 on wrong use (argparse)."""
    arguments = _parser().parse_args()
    layout = Layout.default(arguments.state)
    progress = Progress(silent=arguments.quiet)
    # A request to end is like Ctrl-C: what was started is removed on the way out. SIGINT is
    # named too, because a shell starts what it puts in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return _COMMANDS[arguments.command](layout, arguments, progress)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python tests/cluster",
        description="A real single-node Kubernetes on this machine, for tests and the demo.",
    )
    parser.add_argument("--state", type=Path, help="state directory (default: XDG_STATE_HOME)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser(
        "build",
        help="fetch and build what the cluster, the images and other tests need, start nothing",
    )
    build.add_argument(
        "--kinds", action="store_true", help="also the programs that `make test-kinds` needs"
    )
    commands.add_parser(
        "kinds",
        help="say whether the programs that `make test-kinds` needs are built; status 1 if not",
    )
    up = commands.add_parser("up", help="start the cluster; it stays until `down`")
    up.add_argument("--gpus", type=int, default=cluster.Settings().gpus, help="GPUs of the node")
    up.add_argument(
        "--scrape-interval-seconds",
        type=int,
        default=cluster.Settings().scrape_interval_seconds,
        help="how often Prometheus asks each pod",
    )
    stay = up.add_mutually_exclusive_group()
    stay.add_argument(
        "--foreground", action="store_true", help="stay, and remove the cluster on Ctrl-C"
    )
    stay.add_argument(
        "--bound-to", type=int, metavar="PID", help="give the cluster up when this process ends"
    )
    commands.add_parser("down", help="remove the cluster and everything that it left")
    commands.add_parser("status", help="say whether a cluster runs; status 1 if none does")
    commands.add_parser("env", help="print shell assignments for using the cluster")
    commands.add_parser(
        "images",
        help="build the project's images, load them into the running cluster, print their names",
    )
    base = commands.add_parser(
        "base", help="make a base image from Debian packages, print the archive that it is in"
    )
    base.add_argument(
        "--machine",
        choices=list(archive.ARCHITECTURES),
        help="another kind than this one, which needs an emulator (qemu-user-static)",
    )
    commands.add_parser("torch", help="print what a pod needs to use this environment's torch")
    return parser


def _build(layout: Layout, arguments: argparse.Namespace, progress: Progress) -> int:
    ready.provide(layout, progress)
    binaries.build_companions(layout, progress, kinds=arguments.kinds)
    progress.step(f"everything is in {layout.cache}")
    return 0


def _kinds(layout: Layout, _arguments: argparse.Namespace, _progress: Progress) -> int:
    missing = binaries.missing_for_kinds(layout)
    print(f"not built: {', '.join(missing)}" if missing else "the programs of all kinds are built")
    return 1 if missing else 0


def _up(layout: Layout, arguments: argparse.Namespace, progress: Progress) -> int:
    settings = cluster.Settings(arguments.gpus, arguments.scrape_interval_seconds)
    bound = Identity.of(os.getpid()) if arguments.foreground else None
    if arguments.bound_to is not None:
        bound = Identity.of(arguments.bound_to)
        if bound is None:
            raise ClusterError(f"process {arguments.bound_to} of --bound-to does not run")
    cluster.up(layout, settings, progress, bound=bound)
    print(layout.kubeconfig, flush=True)
    if arguments.foreground:
        try:
            signal.pause()
        finally:
            cluster.down(layout, progress)
    return 0


def _down(layout: Layout, _arguments: argparse.Namespace, progress: Progress) -> int:
    if not cluster.down(layout, progress):
        progress.step("there was no cluster")
    return 0


def _status(_layout: Layout, _arguments: argparse.Namespace, _progress: Progress) -> int:
    owner = ownership.current()
    if owner is None:
        print("no test cluster on this machine")
        return 1
    layout = Layout(state=Path(owner.state), cache=Path())
    alive = processes.running(layout.pids.glob("*.pid"))
    lines = [
        f"a test cluster is on this machine, {owner}",
        f"complete: {'yes' if owner.complete else 'no'}",
    ]
    for file in sorted(layout.pids.glob("*.pid")):
        identity = alive.get(file.stem)
        state = f"process {identity.pid}" if identity else "not running"
        lines.append(f"  {file.stem:24} {state}")
    print("\n".join(lines))
    return 0 if owner.complete and alive else 1


def _env(layout: Layout, _arguments: argparse.Namespace, progress: Progress) -> int:
    owner = ownership.current()
    if owner is not None:
        layout = Layout(state=Path(owner.state), cache=layout.cache)
    programs = binaries.provide(layout, progress)
    path = f"{programs.clients}:{programs.debian / 'usr/bin'}:$PATH"
    print(f"export KUBECONFIG={shlex.quote(str(layout.kubeconfig))}")
    print(f'export PATH="{path}"')
    print(f"export LOWTIDE_PROMETHEUS_URL={PROMETHEUS_URL}")
    return 0


def _images(layout: Layout, _arguments: argparse.Namespace, progress: Progress) -> int:
    made = images.build(images.RECIPES, layout, progress)
    made["base"] = images.base(layout, progress)
    owner = ownership.current()
    if owner is not None and owner.complete:
        progress.step("loading the images into the cluster")
        programs = binaries.provide(layout, progress)
        images.load(made.values(), Layout(Path(owner.state), layout.cache), programs)
    print(json.dumps({name: image.reference for name, image in made.items()}, indent=2))
    return 0


def _base(layout: Layout, arguments: argparse.Namespace, progress: Progress) -> int:
    packages.install(progress)
    print(baseimage.provide(layout, progress, arguments.machine).archive)
    return 0


def _torch(_layout: Layout, _arguments: argparse.Namespace, _progress: Progress) -> int:
    print(hosttorch.host_torch().to_json())
    return 0


_COMMANDS = {
    "build": _build,
    "kinds": _kinds,
    "up": _up,
    "down": _down,
    "status": _status,
    "env": _env,
    "images": _images,
    "base": _base,
    "torch": _torch,
}
