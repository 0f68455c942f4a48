"""Rules that are not arithmetic on intensities: guard, permission, minimum saving, hysteresis.

They turn a job and the proposal of a search into a commitment. Source:
docs/explanation/planning.md#latest-start to docs/explanation/planning.md#shortest-run-and-pause.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from lowtide.planning.costs import CostForecast
from lowtide.planning.guard import (
    is_at_risk,
    latest_start,
    run_seconds,
    size_to_the_end,
    window_end,
)
from lowtide.planning.horizon import Horizon
from lowtide.planning.publication import Commitment, one_segment
from lowtide.planning.search import Proposal
from lowtide.planning.types import PlanReason, Request


def decide_without_search(
    now: datetime, request: Request, costs: CostForecast | None
) -> Commitment | None:
    """Return the decision for a job that has no choice, `None` where a search must decide."""
    begin = max(now, request.earliest)
    reason = _forced_reason(begin, request, costs)
    if reason is None and not _reaches(begin, request, costs):
        # Without a forecast too, an elastic job leaves a slow size when its latest start has come.
        due = begin >= latest_start(request)
        reason = PlanReason.LATEST_START if due else PlanReason.NO_FORECAST
    if reason is None:
        return None
    if begin > now and reason is not PlanReason.DEADLINE_AT_RISK:
        reason = PlanReason.NOT_YET_PERMITTED
    widest = reason is PlanReason.DEADLINE_AT_RISK
    return Commitment(
        run=begin <= now,
        reason=reason,
        segments=one_segment(request, begin, _forced_size(request, reason, widest=widest)),
    )


def _forced_size(request: Request, reason: PlanReason, *, widest: bool) -> int | None:
    """Return the replicas of an elastic job that has no choice."""
    elastic = request.elastic
    if elastic is None:
        return None
    if widest:
        return elastic.sizes[-1]
    if reason is PlanReason.LATEST_START:
        return size_to_the_end(request)
    return None


def _forced_reason(
    begin: datetime, request: Request, costs: CostForecast | None
) -> PlanReason | None:
    """Return why the job must run from `begin` on, `None` where it may wait."""
    if begin >= latest_start(request):
        at_risk = is_at_risk(begin, request)
        if not at_risk and _regains_slack(request):
            return None
        return PlanReason.DEADLINE_AT_RISK if at_risk else PlanReason.LATEST_START
    if request.remaining_seconds <= 0 or (request.running and not request.interruptible):
        return PlanReason.RUN_NOW_IS_BEST
    held_until = _held_until(request, costs.slot_seconds if costs else 0.0)
    if request.running and held_until is not None and begin < held_until:
        return PlanReason.MINIMUM_STRETCH
    return None


def _regains_slack(request: Request) -> bool:
    """Return whether the job has a size faster than that which its deadline counts on."""
    elastic = request.elastic
    return elastic is not None and elastic.guard < elastic.sizes[-1]


def _held_until(request: Request, slot_seconds: float) -> datetime | None:
    """Return the end of the shortest stretch of running or resting: a resume's worth or a slot."""
    if not request.started or request.since is None:
        return None
    return request.since + timedelta(seconds=max(request.restart_cost_seconds, slot_seconds))


def _reaches(begin: datetime, request: Request, costs: CostForecast | None) -> bool:
    """Return whether the forecast covers at least one whole run from `begin` on."""
    if costs is None:
        return False
    need = run_seconds(request, request.remaining_seconds)
    end = min(costs.end, window_end(request))
    return costs.start <= begin and (end - begin).total_seconds() >= need


def decide(now: datetime, request: Request, horizon: Horizon, proposal: Proposal) -> Commitment:
    """Return the decision that follows from a proposal.

    One without stretches says that in whole ticks no later start is left, although the latest
    start itself is some minutes away.
    """
    sizes = proposal.sizes or (None,) * len(proposal.stretches)
    segments = tuple(
        replace(horizon.segment(*stretch), replicas=size)
        for stretch, size in zip(proposal.stretches, sizes, strict=True)
    )
    if not segments:
        runs = horizon.begin <= now
        reason = PlanReason.LATEST_START if runs else PlanReason.NOT_YET_PERMITTED
        size = _forced_size(request, PlanReason.LATEST_START, widest=False)
        return Commitment(
            run=runs, reason=reason, segments=one_segment(request, horizon.begin, size)
        )
    if horizon.begin > now:
        waits = segments[0].start > horizon.begin
        reason = PlanReason.CLEANEST_WINDOW if waits else PlanReason.NOT_YET_PERMITTED
        return Commitment(run=False, reason=reason, segments=segments)
    rest_until = _rest_until(now, request, horizon.step_seconds)
    if rest_until is not None:
        return Commitment(
            run=False,
            reason=PlanReason.MINIMUM_STRETCH,
            segments=one_segment(request, rest_until) if proposal.run else segments,
            wake=rest_until,
        )
    if not proposal.run and _saves_too_little(request, proposal):
        return Commitment(
            run=True, reason=PlanReason.SAVING_TOO_SMALL, segments=one_segment(request, now)
        )
    at_best = proposal.run and len(segments) == 1 and not (request.waited or request.started)
    reason = PlanReason.RUN_NOW_IS_BEST if at_best else PlanReason.CLEANEST_WINDOW
    return Commitment(run=proposal.run, reason=reason, segments=segments)


def _rest_until(now: datetime, request: Request, slot_seconds: float) -> datetime | None:
    """Return until when a paused job keeps resting, `None` where it may resume."""
    until = None if request.running else _held_until(request, slot_seconds)
    return until if until is not None and now < until <= latest_start(request) else None


def _saves_too_little(request: Request, proposal: Proposal) -> bool:
    """Return whether waiting saves less than the minimum that is asked once, at submission.

    The saving that counts is the one the decision expects, the freedom to change the plan
    included. Counting the published plan alone gives away three times as much
    (docs/explanation/planning-figures.md#minimum-saving).
    """
    if request.started or request.waited or proposal.at_once is None:
        return False
    saved = proposal.at_once - proposal.expected
    # A cost may be negative where prices are.
    return saved <= 0 or saved < request.minimum_saving_ratio * abs(proposal.at_once)
