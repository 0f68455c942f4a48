"""The real operator against a small API server: bad input, faults and restarts."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

# The whole operator, in real time.
pytestmark = [pytest.mark.slow, pytest.mark.waits]

JOBS = ("batch/v1", "jobs")
TRAININGJOBS = ("lowtide.dev/v1alpha1", "trainingjobs")
EVENTS = ("events.k8s.io/v1", "events")
PODS = ("v1", "pods")
AT_ONCE = {"policy": "Immediate"}


def status(api: Any) -> dict[str, Any]:
    """Return the stored status of the job `net`; empty if it is gone."""
    return (api.get(TRAININGJOBS, "net") or {}).get("status") or {}


def condition(api: Any, kind: str) -> dict[str, Any]:
    """Return a condition of the job `net`, or an empty one."""
    return next((c for c in status(api).get("conditions") or [] if c["type"] == kind), {})


def events(api: Any) -> list[str]:
    """Return the reasons of all Events in the order they happened."""
    found = sorted(api.all(EVENTS), key=lambda event: event["eventTime"])
    return [event["reason"] for event in found]


async def test_a_template_that_the_job_api_refuses_is_invalid_with_its_message(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The server's own words are in the condition; a corrected template is accepted."""
    message = 'Job.batch "net-1" is invalid: spec.template.spec.containers: Required value'
    api.job_refusal = lambda manifest: (
        (422, message) if "containers" not in manifest["spec"]["template"]["spec"] else None
    )
    broken = training_job(schedule=AT_ONCE)
    good = broken["spec"]["template"]
    broken["spec"]["template"] = {"spec": {"template": {"spec": {}}}}
    api.create(TRAININGJOBS, broken)
    async with operator():
        await api.until(lambda: condition(api, "Valid").get("status") == "False")
        assert condition(api, "Valid")["reason"] == "InvalidTemplate"
        assert message in condition(api, "Valid")["message"]
        assert status(api)["display"]["state"] == "Invalid"
        assert api.all(JOBS) == []
        api.change(TRAININGJOBS, "net", {"spec": {"template": good}})
        await api.until(lambda: api.get(JOBS, "net-1"))
    assert events(api)[0] == "Invalid"


async def test_a_deadline_that_leaves_too_little_time_is_refused_in_one_sentence(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The sentence says what was wrong, the value seen and what would be right."""
    deadline = datetime.now(UTC) + timedelta(hours=1, minutes=30)
    schedule = {
        "deadline": f"{deadline:%Y-%m-%dT%H:%M:%SZ}",
        "expectedDurationSeconds": 7200,
    }
    api.create(TRAININGJOBS, training_job(schedule=schedule))
    async with operator():
        await api.until(lambda: condition(api, "Valid").get("status") == "False")
        assert condition(api, "Valid")["reason"] == "InvalidSchedule"
        assert re.fullmatch(
            r"spec\.schedule\.deadline \S+Z leaves 1 h \d+ min, the run needs 2 h: move "
            r"the deadline to \S+Z or later, or set policy: Immediate",
            condition(api, "Valid")["message"],
        )
        api.change(TRAININGJOBS, "net", {"spec": {"schedule": {"policy": "Immediate"}}})
        await api.until(lambda: api.get(JOBS, "net-1"))
        await api.until(lambda: condition(api, "DeadlineAtRisk").get("status") == "True")


async def test_an_unknown_zone_is_refused_with_the_known_ones(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    zones: Callable[..., Any],
) -> None:
    """A typing error in the zone is said, not guessed around."""
    api.create(TRAININGJOBS, training_job(grid={"zone": "DEE"}))
    async with operator(zones=zones(3)):
        await api.until(lambda: condition(api, "Valid").get("status") == "False")
    assert condition(api, "Valid")["reason"] == "UnknownZone"
    assert "(known: XX)" in condition(api, "Valid")["message"]


async def test_an_image_that_cannot_be_pulled_is_the_visible_state(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The kubelet's reason shows in the state; alternating words do not rewrite the status."""
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))

    def pulling(reason: str) -> None:
        waiting = {"reason": reason, "message": 'Back-off pulling image "trainer"'}
        api.run_pod(
            "net-1",
            phase="Pending",
            containerStatuses=[
                {"name": "train", "image": "trainer", "state": {"waiting": waiting}}
            ],
        )

    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
        pulling("ImagePullBackOff")
        await api.until(lambda: condition(api, "Running").get("reason") == "ImagePullBackOff")
        assert status(api)["display"]["state"] == "ImagePullBackOff"
        shown = condition(api, "Running")["message"]
        assert (
            shown == "pod net-1-abcde on node node-1 cannot start: image trainer cannot be pulled"
        )
        version = api.get(TRAININGJOBS, "net")["metadata"]["resourceVersion"]
        pulling("ErrImagePull")
        await asyncio.sleep(0.5)
        assert api.get(TRAININGJOBS, "net")["metadata"]["resourceVersion"] == version
        api.run_pod("net-1", containerStatuses=[])
        await api.until(lambda: condition(api, "Running").get("status") == "True")
    assert events(api) == ["Planned", "Started", "ImagePullBackOff"]


async def test_a_training_that_exits_1_is_failed_and_still_accounted_for(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """Failed carries the Job controller's reason; measuring is tried all the same."""
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
        api.run_pod("net-1")
        await api.until(lambda: condition(api, "Running").get("status") == "True")
        api.end_job("net-1", "Failed")
        await api.until(lambda: condition(api, "Measured").get("status") == "False")
    assert condition(api, "Failed")["reason"] == "BackoffLimitExceeded"
    assert condition(api, "Complete")["status"] == "False"
    assert status(api)["attempts"][0]["outcome"] == "Failed"
    assert condition(api, "Measured")["reason"] == "NoSampleSource"


async def test_both_pods_are_remembered_when_one_is_deleted_by_hand(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The replacement runs on; the deleted pod's uid stays, so its energy is found."""
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
        first = api.run_pod("net-1")
        await api.until(lambda: status(api).get("attempts", [{}])[0].get("pods"))
        api.delete(PODS, "net-1-abcde")
        second = api.run_pod("net-1", name="net-1-fghij")
        await api.until(lambda: len(status(api)["attempts"][0]["pods"]) == 2)
    uids = {pod["uid"] for pod in status(api)["attempts"][0]["pods"]}
    assert uids == {first["metadata"]["uid"], second["metadata"]["uid"]}


@pytest.mark.parametrize("running", [False, True])
async def test_a_deleted_training_job_leaves_nothing_behind(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any], running: bool
) -> None:
    """Deleted while waiting or running, nothing is created or written any more."""
    schedule = AT_ONCE if running else {"startNoEarlierThan": "2999-01-01T00:00:00Z"}
    api.create(TRAININGJOBS, training_job(schedule=schedule))
    async with operator():
        await api.until(lambda: condition(api, "Planned").get("status") == "True")
        if running:
            await api.until(lambda: status(api).get("attempts"))
        api.delete(TRAININGJOBS, "net")
        marker = api.create(TRAININGJOBS, training_job("other", schedule=AT_ONCE))
        await api.until(lambda: api.get(JOBS, "other-1"))
        assert api.get(JOBS, "net-1") is None
        assert marker["metadata"]["name"] == "other"


async def test_a_job_deleted_by_a_user_is_not_started_again(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """Energy is spent once: the TrainingJob fails and says what happened."""
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
        api.run_pod("net-1")
        await api.until(lambda: condition(api, "Running").get("status") == "True")
        api.delete(JOBS, "net-1")
        await api.until(lambda: condition(api, "Failed").get("status") == "True")
        assert condition(api, "Failed")["reason"] == "JobDeleted"
        await api.until(lambda: condition(api, "Measured").get("status") == "False")
    assert api.get(JOBS, "net-1") is None


async def test_a_changed_spec_is_planned_again_while_the_job_waits(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """A waiting job whose policy becomes Immediate starts at once."""
    later = datetime.now(UTC) + timedelta(hours=2)
    schedule = {"startNoEarlierThan": f"{later:%Y-%m-%dT%H:%M:%SZ}"}
    api.create(TRAININGJOBS, training_job(schedule=schedule))
    async with operator():
        await api.until(lambda: condition(api, "Planned").get("status") == "True")
        assert api.all(JOBS) == []
        patch = {"spec": {"schedule": {"policy": "Immediate", "startNoEarlierThan": None}}}
        api.change(TRAININGJOBS, "net", patch)
        await api.until(lambda: api.get(JOBS, "net-1"))
        await api.until(lambda: status(api).get("observedGeneration") == 2)


async def test_run_now_starts_a_waiting_job(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The annotation counts more than every plan."""
    api.create(TRAININGJOBS, training_job(schedule={"startNoEarlierThan": "2999-01-01T00:00:00Z"}))
    async with operator():
        await api.until(lambda: condition(api, "Planned").get("status") == "True")
        annotations = {"lowtide.dev/run-now": "true"}
        api.change(TRAININGJOBS, "net", {"metadata": {"annotations": annotations}})
        await api.until(lambda: api.get(JOBS, "net-1"))
        await api.until(lambda: condition(api, "Planned").get("reason") == "RunNowRequested")


async def test_a_name_that_is_taken_is_said_and_tried_again(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """A foreign Job of the same name is left alone; once it is gone the job starts."""
    api.create(JOBS, {"metadata": {"name": "net-1"}, "spec": {}})
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: condition(api, "Running").get("reason") == "NameTaken")
        assert status(api).get("attempts") is None
        api.delete(JOBS, "net-1")
        await api.until(lambda: condition(api, "Running").get("reason") == "PodsPending")
    owners = api.get(JOBS, "net-1")["metadata"]["ownerReferences"]
    assert owners[0]["name"] == "net"


async def test_a_quota_that_is_used_up_delays_and_never_loses_a_job(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The server's words are visible meanwhile."""
    api.job_refusal = lambda manifest: (403, "exceeded quota: jobs")
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: condition(api, "Running").get("reason") == "CreateRefused")
        assert "exceeded quota" in condition(api, "Running")["message"]
        api.job_refusal = lambda manifest: None
        await api.until(lambda: api.get(JOBS, "net-1"))


@pytest.mark.parametrize(
    ("code", "body", "reason"),
    [
        (401, "{}", "Unauthorized"),
        (500, "oops", "Unavailable"),
        (200, "<html>hello</html>", "BadAnswer"),
        (200, '{"zone":"XX","forecast":[]}', "NoData"),
        (200, '{"zone":"XX","forecast":[{"carbonIntensity":null,"datetime":"x"}]}', None),
        (0, "", "Unavailable"),
    ],
)
async def test_a_grid_service_that_fails_never_keeps_a_job_waiting(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    body: str,
    reason: str | None,
) -> None:
    """The job starts by policy, and the condition says what the service answered."""
    monkeypatch.setenv("GRID_TOKEN", "token")
    api.grid_answer = (code, body)
    url = f"{api.url}/v4" if code else "http://127.0.0.1:9/v4"
    provider = {"kind": "electricity-maps", "url": url, "tokenEnv": "GRID_TOKEN"}
    api.create(TRAININGJOBS, training_job())
    async with operator(zones={"XX": {"providers": [provider]}}):
        await api.until(lambda: api.get(JOBS, "net-1"))
        await api.until(lambda: condition(api, "ForecastAvailable").get("status") == "False")
    if reason is not None:
        assert condition(api, "ForecastAvailable")["reason"] == reason
    assert condition(api, "Planned")["reason"] == "NoForecast"


async def test_a_killed_start_is_finished_by_the_next_operator_without_a_second_job(
    api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """The process dies after creating the Job and before any other write: the Job is adopted."""

    def after_the_job(method: str, path: str) -> int | None:
        if method == "GET" or api.get(JOBS, "net-1") is None:
            return None
        return 500

    api.fail_next = [after_the_job] * 50
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
    uid = api.get(JOBS, "net-1")["metadata"]["uid"]
    assert status(api) == {}
    api.fail_next = []
    async with operator():
        await api.until(lambda: status(api).get("attempts"))
        api.run_pod("net-1")
        await api.until(lambda: condition(api, "Running").get("status") == "True")
    assert [job["metadata"]["uid"] for job in api.all(JOBS)] == [uid]
    assert len(status(api)["attempts"]) == 1


async def test_a_restart_with_nothing_to_do_writes_nothing(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    zones: Callable[..., Any],
) -> None:
    """Waiting, running, failed and refused jobs are found as they should be."""
    section = zones(200)
    names = ["waits", "runs", "ended", "refused"]
    waiting = {"expectedDurationSeconds": 30, "maxDelaySeconds": 300}
    api.create(TRAININGJOBS, training_job("waits", schedule=waiting))
    api.create(TRAININGJOBS, training_job("runs", schedule=AT_ONCE))
    api.create(TRAININGJOBS, training_job("ended", schedule=AT_ONCE))
    api.create(TRAININGJOBS, training_job("refused", grid={"zone": "YY"}))

    def states() -> list[str]:
        found = [api.get(TRAININGJOBS, name).get("status") or {} for name in names]
        return [(one.get("display") or {}).get("state", "") for one in found]

    def measured() -> bool:
        conditions = api.get(TRAININGJOBS, "ended")["status"]["conditions"]
        return any(c["type"] == "Measured" and c["status"] == "False" for c in conditions)

    async with operator(zones=section):
        await api.until(lambda: api.get(JOBS, "runs-1") and api.get(JOBS, "ended-1"))
        api.run_pod("runs-1")
        api.end_job("ended-1", "Failed")
        await api.until(lambda: states() == ["Waiting", "Running", "Failed", "Invalid"])
        await api.until(measured)
    before = [api.get(TRAININGJOBS, name)["status"] for name in names]
    api.requests.clear()
    async with operator(zones=section):
        async with asyncio.timeout(120):
            while not any("/pods" in path for _, path in api.requests):
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
    writes = [path for _, path in api.writes() if "/jobs" not in path]
    assert writes == []
    assert before == [api.get(TRAININGJOBS, name)["status"] for name in names]


async def test_a_suspended_job_goes_on_later_and_counts_two_attempts(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
) -> None:
    """spec.suspend suspends the batch Job and its pods go; the next attempt has its own number."""
    api.create(TRAININGJOBS, training_job(schedule=AT_ONCE))
    async with operator():
        await api.until(lambda: api.get(JOBS, "net-1"))
        api.run_pod("net-1")
        await api.until(lambda: condition(api, "Running").get("status") == "True")
        api.change(TRAININGJOBS, "net", {"spec": {"suspend": True}})
        await api.until(lambda: api.get(JOBS, "net-1")["spec"].get("suspend"))
        api.delete(PODS, "net-1-abcde")
        api.change(JOBS, "net-1", {"status": {"active": 0, "ready": 0}})
        await api.until(lambda: condition(api, "Paused").get("status") == "True")
        await api.until(lambda: status(api)["attempts"][0].get("outcome") == "Paused")
        assert status(api)["display"]["state"] == "Paused"
        api.change(TRAININGJOBS, "net", {"spec": {"suspend": False}})
        await api.until(lambda: not api.get(JOBS, "net-1")["spec"]["suspend"])
        api.run_pod("net-1", name="net-1-fghij")
        await api.until(lambda: condition(api, "Running").get("status") == "True")
    attempts = status(api)["attempts"]
    assert [attempt["number"] for attempt in attempts] == [1, 2]
    assert [len(attempt["pods"]) for attempt in attempts] == [1, 1]
    told = [reason for reason in events(api) if reason != "SpecChanged"]
    assert told == ["Planned", "Started", "Paused", "Resumed"]


async def test_an_interruptible_job_rests_through_the_dirty_hours(
    api: Any,
    operator: Callable[..., Any],
    training_job: Callable[..., Any],
    zone_of: Callable[..., Any],
) -> None:
    """The plan's pause suspends the batch Job, and its next stretch resumes it, unasked."""
    schedule = {
        "expectedDurationSeconds": 60,
        "maxDelaySeconds": 250,
        "interruption": {"allowed": True, "restartCostSeconds": 0},
    }
    api.create(TRAININGJOBS, training_job(schedule=schedule))
    section = zone_of(lambda _: 100)
    async with operator(zones=section, schedule={"lookAgainSeconds": 0.5}):
        await api.until(lambda: api.get(JOBS, "net-1"))
        api.run_pod("net-1")
        await api.until(lambda: condition(api, "Running").get("status") == "True")
        zone_of(lambda second: 400 if second < 100 else 100)
        await api.until(lambda: api.get(JOBS, "net-1")["spec"].get("suspend"))
        api.delete(PODS, "net-1-abcde")
        api.change(JOBS, "net-1", {"status": {"active": 0, "ready": 0}})
        await api.until(lambda: condition(api, "Paused").get("reason") == "CleanerLater")
        zone_of(lambda _: 100)
        await api.until(lambda: not api.get(JOBS, "net-1")["spec"]["suspend"])
        await api.until(lambda: len(status(api)["attempts"]) == 2)
    assert events(api)[:4] == ["Planned", "Started", "Paused", "Resumed"]


@pytest.mark.parametrize("levels", [400, 1_200])
async def test_a_template_that_is_nested_too_deep_gets_a_condition_and_stops_no_other(
    levels: int, api: Any, operator: Callable[..., Any], training_job: Callable[..., Any]
) -> None:
    """Listed or watched: reading it takes a stack frame a level."""
    deep: dict[str, Any] = {}
    for _ in range(levels):
        deep = {"x": deep}
    broken = training_job(schedule=AT_ONCE)
    broken["spec"]["template"] = {"spec": deep}
    async with operator():
        api.create(TRAININGJOBS, training_job("first", schedule=AT_ONCE))
        await api.until(lambda: api.get(JOBS, "first-1"))
        api.create(TRAININGJOBS, broken)
        await api.until(lambda: condition(api, "Valid").get("status") == "False")
        assert "nested more than 100 levels deep" in condition(api, "Valid")["message"]
        api.create(TRAININGJOBS, training_job("second", schedule=AT_ONCE))
        await api.until(lambda: api.get(JOBS, "second-1"))
    async with operator():
        api.create(TRAININGJOBS, training_job("third", schedule=AT_ONCE))
        await api.until(lambda: api.get(JOBS, "third-1"))
