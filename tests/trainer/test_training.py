import random

import numpy as np
import pytest
import torch

from lowtide_trainer.data import load_data
from lowtide_trainer.errors import CheckpointMismatchError
from lowtide_trainer.randomness import (
    generator_states,
    make_deterministic,
    set_generator_states,
)
from lowtide_trainer.workloads.models import WORKLOADS
from lowtide_trainer.workloads.training import (
    Training,
    TrainingPlan,
    evaluate,
    flops_per_sample,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def plan(**changes):
    values = {
        "model": "tiny",
        "data": "digits",
        "classes": 10,
        "samples": 40,
        "epochs": 2,
        "batch_size": 16,
        "image_size": 16,
        "learning_rate": 0.01,
        "seed": 3,
        **changes,
    }
    return TrainingPlan(**values)


def begin(**changes):
    make_deterministic(3)
    return Training(WORKLOADS["tiny"], plan(**changes), torch.device("cpu"))


@pytest.fixture(scope="module")
def data():
    return load_data("digits", image_size=16, samples=40, validation_samples=80, seed=3, threads=1)


def train(training, data, batches):
    for _ in range(batches):
        if training.batch == training.batches_per_epoch:
            training.end_epoch()
        training.train_batch(*data.train.batch(training.next_indices()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batches_before", "changes"),
    [(0, {}), (1, {}), (3, {}), (4, {}), (6, {}), (4, {"augment": "crop-mirror"}),
     (4, {"precision": "float16"})],
)  # fmt: skip
def test_a_resumed_training_has_the_weights_of_an_uninterrupted_one(batches_before, changes, data):
    """Stopped after any batch and begun in a fresh process, not one bit differs at the end."""
    uninterrupted = begin(**changes)
    train(uninterrupted, data, 6)

    stopped = begin(**changes)
    train(stopped, data, batches_before)
    state, generators = stopped.state(), generator_states()
    resumed = begin(**changes)
    resumed.restore(state)
    set_generator_states(generators)
    train(resumed, data, 6 - batches_before)

    assert resumed.weights_digest() == uninterrupted.weights_digest()
    assert resumed.mean_loss == uninterrupted.mean_loss
    assert resumed.batches_done == uninterrupted.batches_done == 6


def test_the_digest_notices_a_single_bit(data):
    """The equality above means something."""
    training = begin()
    before = training.weights_digest()
    weights = training.state()["network"]["0.weight"]

    weights.view(torch.int32)[0, 0, 0, 0] ^= 1

    assert training.weights_digest() != before


def test_every_epoch_has_its_own_order_of_all_images():
    """Each image once in an epoch, in an order that depends on seed and epoch."""
    training = begin()
    orders = []
    for _ in range(2):
        order = []
        while training.batch < training.batches_per_epoch:
            order += training.next_indices()
            training.batch += 1
        orders.append(order)
        training.end_epoch()

    assert sorted(orders[0]) == sorted(orders[1]) == list(range(40))
    assert orders[0] != orders[1]


def test_a_last_batch_of_one_image_is_left_out():
    """Batch normalisation cannot train on it: 33 images in batches of 16 are two batches."""
    training = begin(samples=33)

    assert training.batches_per_epoch == 2
    assert training.samples_per_epoch == 32


def test_a_checkpoint_of_another_training_is_refused():
    """The error names the first setting that differs."""
    state = begin().state()

    with pytest.raises(CheckpointMismatchError, match="with batch_size 16, this training has 8"):
        begin(batch_size=8).restore(state)


def test_evaluation_counts_every_image_once(data):
    """An untrained network of ten classes has all right within ten guesses, few at the first."""
    training = begin()

    found = evaluate(training, data.validation, lambda: False)
    first, within_five = training.count_correct(*data.validation.batch(range(80)))

    assert (found.accuracy, found.accuracy_top5) == (first / 80, within_five / 80)
    assert 0 <= found.accuracy <= found.accuracy_top5 < 1


def test_evaluation_ends_early_when_asked_to_stop(data):
    """Half a validation gives no accuracy."""
    assert evaluate(begin(), data.validation, lambda: True) is None


def test_evaluation_leaves_the_weights_alone(data):
    """Running means must not learn from validation images."""
    training = begin()
    before = training.weights_digest()

    evaluate(training, data.validation, lambda: False)

    assert training.weights_digest() == before


def test_floating_point_operations_are_those_of_the_layers():
    """Counted by hand for 16 pixels: two convolutions and a linear layer, forward and backward.

    Forward, a multiplication and its addition as two: 8x8 places x 8 channels x 27 weights x 2 =
    27,648; 4x4 x 16 x 72 x 2 = 36,864; 64 x 10 x 2 = 1,280. Backward the same twice, for weights
    and for inputs, but the first layer's inputs need none:
    3 x (27,648 + 36,864 + 1,280) - 27,648 = 169,728.
    """
    assert flops_per_sample(WORKLOADS["tiny"], plan()) == 169_728


def test_generators_go_on_where_they_stopped():
    """Python's, numpy's and torch's next numbers are the ones they would have given."""
    make_deterministic(7)
    np.random.standard_normal()
    random.gauss(0, 1)
    states = generator_states()

    def draw():
        return random.gauss(0, 1), np.random.standard_normal(), torch.rand(1).item()

    expected = draw()
    make_deterministic(8)
    set_generator_states(states)

    assert draw() == expected
