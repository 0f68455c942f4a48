"""Lives of pods: who holds what now, who has ended, and whose values may be shown or are final.

Each sample says that all was counted up to it, so a pod in doubt is not shown meanwhile, and one
that ended becomes final only when no open interval can still be its own.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from lowtide_exporter.books.bookings import EnergyBookings
from lowtide_exporter.books.gpu_account import GpuAccount
from lowtide_exporter.books.holders import Holders
from lowtide_exporter.books.pod_accounts import PodAccount, PodBook
from lowtide_exporter.readings import TickReadings

UID_GRACE_SECONDS: Final = 15.0
"""The kubelet may list a pod before the API server's watch has told its UID."""
UNSETTLED_MAX_SECONDS: Final = 120.0
"""An ended pod on a GPU that stays lost is final after this time; the gap becomes unmapped."""


class PodLives:
    """Lives of the pods in the accounts of one node."""

    def __init__(
        self,
        book: PodBook,
        gpus: Mapping[str, GpuAccount],
        holders: Holders,
        bookings: EnergyBookings,
    ) -> None:
        self._book, self._gpus = book, gpus
        self._holders, self._bookings = holders, bookings

    def exported(self, now: float) -> Iterator[PodAccount]:
        """Yield the accounts to show.

        Each sample says that all was counted up to it. So a pod whose energy is missing, or may
        turn out to be, is not shown until it is counted again. One whose UID is about to be known
        waits a little.
        """
        expects_uids = self._holders.expects_uids
        doubtful = self._doubtful(now)
        for account in self._book:
            if not account.is_final and (account.is_cut or account.key in doubtful):
                continue
            is_new = now - account.seen_at < UID_GRACE_SECONDS
            if account.uid or not (expects_uids and is_new):
                yield account

    def _doubtful(self, now: float) -> set[str]:
        """Return the pods that hold a GPU which cannot be counted now."""
        return {
            slot.holder.owner.pod
            for gpu in self._gpus.values()
            if gpu.is_in_doubt(now)
            for slot in gpu.slots.values()
        }

    def follow(self, seen: TickReadings, host_settled_at: float | None) -> None:
        """Note which pods hold what and which have ended, and make final what is settled.

        `host_settled_at` is the monotonic time up to which CPU energy is counted, `None` without.
        """
        self._note_holdings(seen)
        now = {"monotonic_seconds": seen.monotonic_seconds, "unix_seconds": seen.unix_seconds}
        for account in self._book.living.values():
            record = self._holders.records.get((account.namespace, account.name))
            if account.uid and self._holders.uids is not None:
                if record is not None and record.uid == account.uid:
                    if record.is_terminal:
                        self._book.end(account, record.finished_at, **now)
                elif account.uid not in self._holders.uids:
                    self._book.end(account, None, **now)
            elif self._holders.is_absent(account, seen.monotonic_seconds):
                self._book.end(account, None, **now)
        self._book.advance(
            seen.monotonic_seconds,
            lambda account: self._is_settled(account, seen, host_settled_at),
        )

    def _note_holdings(self, seen: TickReadings) -> None:
        is_mapped = self._holders.is_mapped_at(seen.monotonic_seconds)
        for account in self._book.living.values():
            account.shares.clear()
        for uuid, gpu in self._gpus.items():
            for slot in gpu.slots.values():
                holding = self._book.living.get(slot.holder.owner.pod)
                if holding is None:
                    continue
                place = (slot.holder.owner.container, uuid)
                holding.shares[place] = holding.shares.get(place, 0.0) + slot.size_ratio
                if is_mapped and holding.key in self._holders.named:
                    holding.last_held_unix = seen.unix_seconds
                    holding.last_held_monotonic = seen.monotonic_seconds

    def _is_settled(
        self, account: PodAccount, seen: TickReadings, host_settled_at: float | None
    ) -> bool:
        """Return whether no open interval can still belong to the pod."""
        ended = account.ended_at or 0.0
        holding = [gpu for gpu in self._gpus.values() if gpu.is_held_by(account.key)]
        if not holding and (host_settled_at is None or host_settled_at >= ended):
            return True
        if seen.monotonic_seconds - ended < UNSETTLED_MAX_SECONDS:
            return False
        for gpu in holding:
            gpu.forget(account.key)
        if holding:
            self._bookings.cut(account, seen)
        return True
