"""GPUs that CUDA_VISIBLE_DEVICES names."""

import pytest

from lowtide.local.visible_gpus import choose_gpus
from lowtide.meters.readings import GpuIdentity, GpuReading, MigInstance


def gpu(index: int, *instances: MigInstance, model: str = "X") -> GpuReading:
    identity = GpuIdentity(
        uuid=f"GPU-{index}{index}",
        index=index,
        model=model,
        architecture="hopper",
        driver="1",
        is_mock=False,
        multiprocessors=132,
    )
    return GpuReading(identity=identity, instances=instances)


FOUR = [gpu(index) for index in range(4)]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0", ["GPU-00"]),
        ("2,0", ["GPU-22", "GPU-00"]),
        ("GPU-33", ["GPU-33"]),
        ("GPU-3", ["GPU-33"]),
        ("1,GPU-33", ["GPU-11", "GPU-33"]),
        ("", []),
        ("-1", []),
        ("1,-1,2", ["GPU-11"]),
        ("0,7,1", ["GPU-00"]),
        ("0,0", ["GPU-00"]),
    ],
)
def test_the_list_is_read_as_cuda_reads_it(visible, expected):
    assert [held.uuid for held in choose_gpus(FOUR, visible).gpus] == expected


def test_without_the_variable_all_gpus_are_counted_and_that_is_said():
    choice = choose_gpus(FOUR, None)

    assert len(choice.gpus) == 4
    assert "all 4 GPUs" in choice.notes[0]


def test_an_entry_that_names_nothing_is_said():
    assert "'7' names no GPU" in choose_gpus(FOUR, "0,7").notes[0]


def test_numbers_of_different_gpus_are_doubtful_without_the_order():
    mixed = [gpu(0), gpu(1, model="Y")]

    assert "CUDA_DEVICE_ORDER" in choose_gpus(mixed, "1").notes[0]
    assert not choose_gpus(mixed, "1", "PCI_BUS_ID").notes


def test_a_mig_instance_is_the_share_of_its_multiprocessors():
    whole = gpu(0, MigInstance(uuid="MIG-a", gpu_instance=1, multiprocessors=33))

    (held,) = choose_gpus([whole], "MIG-a").gpus

    assert (held.uuid, held.ratio) == ("GPU-00", 0.25)
