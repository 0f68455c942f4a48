"""The kubelet's answers: decoded as protobuf encodes them, refused where they are garbage."""

import contextlib
import threading

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowtide.meters.errors import MalformedAnswerError, SourceError
from lowtide_exporter.owners.kubelet import (
    Kubelet,
    parse_allocations,
    parse_replicas,
    split_device_id,
)
from lowtide_exporter.readings import Allocation

GPU = frozenset({"nvidia.com/gpu", "nvidia.com/gpu.shared"})


@pytest.fixture
def client(kubelet):
    """A connected client of the stand-in."""
    connected = Kubelet(str(kubelet.socket), GPU)
    yield connected
    connected.close()


def test_every_form_of_device_id_is_read(kubelet, client):
    """Whole GPUs, replicas and MIG instances as NVIDIA names them, and GKE's paths."""
    kubelet.give("ml", "whole", "GPU-a", "GPU-b")
    kubelet.give("ml", "replica", "GPU-c::0", resource="nvidia.com/gpu.shared")
    kubelet.give("ml", "mig", "MIG-d", resource="nvidia.com/mig-1g.10gb")
    kubelet.give("ml", "path", "nvidia0", "nvidia0/gi0", "nvidia0/vgpu3", "nvidia1/gi2/vgpu0")

    found = client.allocations()

    assert [item.device_ids for item in found] == [
        ("GPU-a", "GPU-b"),
        ("GPU-c::0",),
        ("MIG-d",),
        ("nvidia0", "nvidia0/gi0", "nvidia0::3", "nvidia1/gi2::0"),
    ]
    assert found[0] == Allocation("ml", "whole", "trainer", ("GPU-a", "GPU-b"))


def test_other_resources_and_pods_without_devices_are_left_out(kubelet, client):
    """A network card is not a GPU."""
    kubelet.give("ml", "nic", "nic-0", resource="example.com/nic")
    kubelet.give("ml", "web")

    assert client.allocations() == ()


def test_exclusive_cpus_are_read_packed_and_unpacked(kubelet_messages):
    """Protobuf may send repeated numbers either way."""
    box = kubelet_messages["ContainerResources"](name="c", cpu_ids=[1, 2, 300])
    pod = kubelet_messages["PodResources"](namespace="n", name="p", containers=[box])
    packed = kubelet_messages["ListPodResourcesResponse"](pod_resources=[pod]).SerializeToString()
    unpacked_box = b"\x0a\x01c" + b"\x18\x01" + b"\x18\x02"
    unpacked_pod = b"\x0a\x01p\x12\x01n\x1a" + bytes([len(unpacked_box)]) + unpacked_box
    unpacked = b"\x0a" + bytes([len(unpacked_pod)]) + unpacked_pod

    assert parse_allocations(packed, GPU) == (Allocation("n", "p", "c", (), (1, 2, 300)),)
    assert parse_allocations(unpacked, GPU) == (Allocation("n", "p", "c", (), (1, 2)),)


def test_replicas_on_offer_are_counted_by_device(kubelet, client, kubelet_messages):
    """Four replicas of one GPU; a whole GPU is not replicated."""
    kubelet.allocatable = [
        kubelet_messages["ContainerDevices"](
            resource_name="nvidia.com/gpu.shared", device_ids=[f"GPU-a::{i}" for i in range(4)]
        ),
        kubelet_messages["ContainerDevices"](
            resource_name="nvidia.com/gpu", device_ids=["GPU-b", "nvidia0/vgpu0", "nvidia0/vgpu1"]
        ),
    ]

    assert client.advertised_replicas() == {"GPU-a": 4, "nvidia0": 2}


def test_an_answer_of_five_megabytes_is_read(kubelet, client):
    """The default limit of gRPC is 4 MiB; nodes with many replicas exceed it."""
    for index in range(120):
        ids = [f"GPU-{index:08x}-0000-4000-8000-{index:012x}::{j}" for j in range(950)]
        kubelet.give("ml", f"pod-{index}", *ids)

    found = client.allocations()

    assert sum(len(item.device_ids) for item in found) == 120 * 950


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xff" * 50, id="a number without end"),
        pytest.param(b"\x0a\xff\x01", id="a length beyond the end"),
        pytest.param(b"\x0b\x00", id="a wire type out of use"),
        pytest.param(b"\x02\x00", id="field number zero"),
        pytest.param(b"\x0a\x04\x0a\x02\xff\xfe", id="a name that is not UTF-8"),
        pytest.param(b"\x08\x01", id="a number where a pod belongs"),
        pytest.param(b"\x0a\x00", id="a pod without name"),
    ],
)
def test_garbage_is_refused_with_a_reason(kubelet, client, raw):
    """A malformed answer is a failed read, not an empty node."""
    kubelet.raw = raw

    with pytest.raises(MalformedAnswerError):
        client.allocations()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_crash_the_decoder(data):
    """Any bytes are either decoded or refused."""
    for parse in (parse_allocations, parse_replicas):
        try:
            parse(data, GPU)
        except MalformedAnswerError:
            continue


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_decoder_agrees_with_protobuf(kubelet_messages, data):
    """Names of any alphabet, unknown fields included, decode to what was encoded."""
    name = st.text(min_size=1, max_size=20)
    rows = data.draw(st.lists(st.tuples(name, name, name, st.lists(name, max_size=3)), max_size=5))
    pods = [
        kubelet_messages["PodResources"](
            namespace=namespace,
            name=pod,
            containers=[
                kubelet_messages["ContainerResources"](
                    name=container,
                    devices=[
                        kubelet_messages["ContainerDevices"](
                            resource_name="nvidia.com/gpu",
                            device_ids=ids,
                            topology={"nodes": [{"id": 1}]},
                        )
                    ],
                )
            ],
        )
        for namespace, pod, container, ids in rows
    ]
    answer = kubelet_messages["ListPodResourcesResponse"](pod_resources=pods).SerializeToString()

    expected = tuple(
        Allocation(namespace, pod, container, tuple(ids))
        for namespace, pod, container, ids in rows
        if ids
    )
    assert parse_allocations(answer, GPU) == expected


def test_a_vanished_socket_is_an_error_and_heals_on_the_same_channel(kubelet, client):
    """A kubelet restart replaces the socket; the kept channel finds the new one."""
    kubelet.give("ml", "job", "GPU-a")
    client.allocations()
    kubelet.stop()
    with pytest.raises(SourceError, match="kubelet: List failed"):
        client.allocations()

    kubelet.start()
    pause, found = threading.Event(), None
    for _ in range(2_400):  # gRPC reconnects after its own backoff, here at most two seconds
        with contextlib.suppress(SourceError):
            found = client.allocations()
            break
        pause.wait(0.05)

    assert found is not None
    assert found[0].pod == "job"


def test_a_refusal_is_an_error_with_the_kubelets_words(kubelet, client):
    """The reason ends up in the log."""
    kubelet.failure = (grpc.StatusCode.UNAVAILABLE, "restarting")

    with pytest.raises(SourceError, match="UNAVAILABLE: restarting"):
        client.allocations()


def test_a_kubelet_that_hangs_is_given_up(kubelet, client, monkeypatch):
    """The deadline bounds a tick."""
    monkeypatch.setattr("lowtide_exporter.owners.kubelet.DEADLINE_SECONDS", 0.2)
    kubelet.hold.clear()

    with pytest.raises(SourceError, match="DEADLINE_EXCEEDED"):
        client.allocations()


@pytest.mark.parametrize(
    ("device_id", "parts"),
    [
        ("GPU-1", ("GPU-1", None)),
        ("GPU-1::3", ("GPU-1", "3")),
        ("MIG-1::0", ("MIG-1", "0")),
        ("::", ("", "")),
    ],
)
def test_a_replica_id_names_its_device(device_id, parts):
    """The part behind the double colon is the replica."""
    assert split_device_id(device_id) == parts
