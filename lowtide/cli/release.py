"""`lowtide release`: let held workloads run, with or without a living operator.

It ends when each is seen to be free, or at its deadline with the name of each that is not.
"""

import time
from typing import Final

import click

from lowtide.cli.held_workloads import HeldWorkload, held_workloads, let_go, tell_operator
from lowtide.cli.jobs import JobsNotFoundError, KubectlTarget
from lowtide.cli.options import cluster_options
from lowtide.trainingjob.workload_kinds import KINDS

APART_SECONDS: Final = 1.0
"""Distance between two looks at what is still held."""
AGAIN: Final = "something holds it again"
LISTED_AT_LEAST: Final = 2
"""Looks at least: the second shows that what the first let go is free."""


@click.command("release")
@click.argument("workloads", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="all held workloads of all namespaces")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(min=0, max=86_400),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="longest wait for the last pods of paused workloads, and until all are seen to be free",
)
@click.option(
    "--at-once",
    is_flag=True,
    help="also those whose old pods are still there: two pods may then write one checkpoint, and a "
    "PyTorchJob may be Failed for ever",
)
@cluster_options
def command(
    workloads: tuple[str, ...],
    every: bool,
    timeout_seconds: float,
    at_once: bool,
    cluster: KubectlTarget,
) -> None:
    r"""Let held workloads run: those with these names, or all.

    \b
    Examples:
      lowtide release bert
      lowtide release --all
      lowtide release --all --timeout 600

    For workloads that somebody else wrote (Job, JobSet, …) and that Lowtide holds or has paused. It
    works without Lowtide: the workload itself says that it is held. A living operator is told first
    (annotation run-now of the TrainingJob), so that it does not hold the workload again. A paused
    workload goes on when its last pod is gone. The exit code is 1 where one is still held at the
    end of the time, or could not be looked for; the others are let go all the same.
    """
    if every == bool(workloads):
        raise click.UsageError("name workloads, or give --all")
    wanted = frozenset(workloads)
    look = _Release(cluster, wanted, every=every, at_once=at_once)
    deadline = time.monotonic() + timeout_seconds
    look.again()
    while look.waiting and (look.looks < LISTED_AT_LEAST or time.monotonic() < deadline):
        if look.looks >= LISTED_AT_LEAST:
            time.sleep(APART_SECONDS)
        look.again()
    look.say_end()


class _Release:
    """Held workloads of one command: what was let go, and why the others are not."""

    def __init__(
        self, cluster: KubectlTarget, wanted: frozenset[str], *, every: bool, at_once: bool
    ) -> None:
        self._cluster = cluster
        self._wanted = wanted
        self._every = every
        self._at_once = at_once
        self._seen: dict[str, HeldWorkload] = {}
        self._faults: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        """Why a workload is still held or not yet seen to be free, by its uid."""
        self.looks = 0

    def again(self) -> None:
        """Look at what is held now, and let go of what may run.

        Raises:
            JobsNotFoundError: the first look finds no cluster that answers.
        """
        self.looks += 1
        try:
            found, self._faults = held_workloads(self._cluster, every=self._every)
        except JobsNotFoundError as error:
            if self.looks == 1:
                raise
            # The cluster answered before: it is asked again until the deadline.
            self._faults = {kind.kind: str(error) for kind in KINDS}
            return
        held = {one.uid: one for one in found if self._every or one.name in self._wanted}
        for uid in self.waiting.keys() - held.keys():
            # Where its kind could not be listed this time, nothing was seen of it.
            if self._seen[uid].kind.kind not in self._faults:
                del self.waiting[uid]
                click.echo(f"{self._seen[uid]} is free", err=True)
        new = [one for uid, one in held.items() if uid not in self._seen]
        self._seen |= held
        self._tell(new)
        for uid, one in held.items():
            self._let_go(uid, one)

    def _tell(self, workloads: list[HeldWorkload]) -> None:
        try:
            tell_operator(workloads, self._cluster, every=self._every)
        except JobsNotFoundError as error:
            click.echo(f"the operator is not told: {error}", err=True)

    def _let_go(self, uid: str, one: HeldWorkload) -> None:
        try:
            why = let_go(one, self._cluster, at_once=self._at_once)
        except JobsNotFoundError as error:
            why = str(error)
        if why and self.waiting.get(uid) != why:
            click.echo(f"{one} waits: {why}", err=True)
        self.waiting[uid] = why or AGAIN

    def say_end(self) -> None:
        """Say what is missing.

        Raises:
            JobsNotFoundError: a workload is still held, was not found, or could not be looked for.
        """
        missing = sorted(self._wanted - {one.name for one in self._seen.values()})
        said = [f"{self._seen[uid]} is still held: {why}" for uid, why in self.waiting.items()]
        said += [f"no held workload is called {', '.join(missing)}"] if missing else []
        said += [f"{kind}s could not be listed: {why}" for kind, why in self._faults.items()]
        if said:
            raise JobsNotFoundError("\n".join(said))
        if not self._seen:
            click.echo("nothing is held", err=True)
