"""Reference networks: each is the published one, and each learns a batch in every recipe."""

import pytest
import torch
from torch.nn.functional import pad

from lowtide_trainer.data import load_data
from lowtide_trainer.randomness import make_deterministic
from lowtide_trainer.workloads.augmentation import crop_and_mirror
from lowtide_trainer.workloads.models import WORKLOADS
from lowtide_trainer.workloads.recipes import RECIPES
from lowtide_trainer.workloads.training import Training, TrainingPlan, evaluate, flops_per_sample

pytestmark = pytest.mark.usefixtures("one_thread")

# torchvision's tables of its weights on ImageNet, pytorch.org/vision/stable/models.html; of
# InceptionV3 without its auxiliary classifier, whose 3,326,696 weights are not built here.
PUBLISHED = {
    "inceptionv3": 27_161_264 - 3_326_696,
    "densenet121": 7_978_856,
    "densenet169": 14_149_480,
    "vgg19": 143_667_240,
    "resnet50": 25_557_032,
    "mobilenetv2": 3_504_872,
    "mobilenetv3": 5_483_032,
    "efficientnetb0": 5_288_548,
    "vit_b_16": 86_567_656,
}
# VGG-19 and ViT-B/16 take gigabytes with an optimiser: their passes are run without memory.
STEPPED = [name for name in WORKLOADS if name not in ("vgg19", "vit_b_16")]


def plan_of(name, **changes):
    workload = WORKLOADS[name]
    values = {
        "model": name,
        "data": "synthetic",
        "classes": 64 if workload.reads_text else 10,
        "samples": 8,
        "epochs": 1,
        "batch_size": 4,
        "image_size": workload.minimum_image_size,
        "learning_rate": 1e-3,
        "seed": 1,
        **changes,
    }
    return TrainingPlan(**values)


def data_of(name, **changes):
    workload = WORKLOADS[name]
    values = {
        "image_size": workload.minimum_image_size,
        "samples": 8,
        "validation_samples": 4,
        "seed": 1,
        "threads": 1,
        "reads_text": workload.reads_text,
        **changes,
    }
    return load_data("synthetic", **values)


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_network_has_the_published_number_of_weights(name):
    """For 1,000 classes and the published size of images; built without memory."""
    with torch.device("meta"):
        network = WORKLOADS[name].build(1_000, 224)

    assert sum(part.numel() for part in network.parameters()) == PUBLISHED[name]


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("name", ["vgg19", "vit_b_16", "transformer"])
def test_a_network_takes_the_smallest_samples_that_it_says(name):
    """Forward and backward, on tensors without memory; the others train a batch below."""
    assert flops_per_sample(WORKLOADS[name], plan_of(name)) > 0


@pytest.mark.slow
@pytest.mark.beside_cluster
@pytest.mark.parametrize("name", STEPPED)
def test_a_network_trains_a_batch_and_is_evaluated(name):
    """Its weights change, its loss is a number, its accuracy a fraction."""
    make_deterministic(1)
    data = data_of(name)
    training = Training(WORKLOADS[name], plan_of(name), torch.device("cpu"))
    before = training.weights_digest()

    training.train_batch(*data.train.batch(training.next_indices()))

    assert training.weights_digest() != before
    assert training.mean_loss > 0
    found = evaluate(training, data.validation, lambda: False)
    assert 0 <= found.accuracy <= found.accuracy_top5 <= 1


@pytest.mark.parametrize("recipe", list(RECIPES))
def test_every_recipe_learns(recipe):
    """Thirty passes over eight made-up images bring their loss down by a third."""
    make_deterministic(1)
    data = data_of("tiny", image_size=16)
    plan = plan_of("tiny", image_size=16, recipe=recipe, epochs=30, learning_rate=0.01)
    training = Training(WORKLOADS["tiny"], plan, torch.device("cpu"))
    losses = []
    for _ in range(plan.epochs):
        while training.batch < training.batches_per_epoch:
            training.train_batch(*data.train.batch(training.next_indices()))
        losses.append(training.mean_loss)
        training.end_epoch()

    assert losses[-1] < losses[0] * 2 / 3


def test_parts_of_a_batch_add_up_to_its_gradient():
    """Without batch normalisation and dropout, one step of two parts is one step of the whole."""
    make_deterministic(1)
    data = data_of("tiny", image_size=16)
    batch = data.train.batch(range(4))
    weights = []
    for accumulate in (1, 2):
        make_deterministic(1)
        plan = plan_of("tiny", image_size=16, accumulate=accumulate, recipe="sgd")
        training = Training(WORKLOADS["tiny"], plan, torch.device("cpu"))
        for module in training._network.modules():
            # As constants these two make every sample independent of its neighbours.
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout):
                module.eval()
                module.train = lambda mode=True, module=module: module
        training.train_batch(*batch)
        weights.append(training.state()["network"]["0.weight"].clone())

    assert torch.allclose(weights[0], weights[1], atol=1e-7)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_the_bits_train_and_keep_the_weights_in_full_precision(precision):
    """Mixed precision: products in 16 bits, sums of gradients and weights in 32."""
    make_deterministic(1)
    data = data_of("tiny", image_size=16)
    training = Training(
        WORKLOADS["tiny"], plan_of("tiny", image_size=16, precision=precision), torch.device("cpu")
    )

    training.train_batch(*data.train.batch(training.next_indices()))

    assert training.mean_loss > 0
    assert {part.dtype for part in training._network.parameters()} == {torch.float32}


def test_gradients_that_float16_cannot_hold_leave_the_step_out():
    """Scaled by 2^40 they are infinite: the weights stay, the scale is halved, the rate stays."""
    make_deterministic(1)
    data = data_of("tiny", image_size=16)
    training = Training(
        WORKLOADS["tiny"], plan_of("tiny", image_size=16, precision="float16"), torch.device("cpu")
    )
    training._scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    rate = training._schedule.get_last_lr()
    weights = [part.clone() for part in training._network.parameters()]

    training.train_batch(*data.train.batch(training.next_indices()))

    pairs = zip(weights, training._network.parameters(), strict=True)
    assert all(torch.equal(old, new) for old, new in pairs)
    assert training._scaler.get_scale() == 2.0**39
    assert training._schedule.get_last_lr() == rate


def test_augmentation_shifts_and_mirrors_and_nothing_else():
    """Of an image whose pixels tell their place, every crop is a shift, mirrored or not."""
    side, margin = 16, 2  # an eighth of the side
    image = torch.arange(1.0, side * side + 1).reshape(1, 1, side, side).expand(64, 3, -1, -1)
    padded = pad(image[:1], (margin,) * 4)
    crops = [
        padded[0, :, top : top + side, left : left + side]
        for top in range(2 * margin + 1)
        for left in range(2 * margin + 1)
    ]
    allowed = [*crops, *(crop.flip(-1) for crop in crops)]

    found = crop_and_mirror(image, seed=1, batch=2)

    places = [[torch.equal(one, crop) for crop in allowed] for one in found]
    assert all(sum(place) == 1 for place in places)
    mirrored = sum(place.index(True) >= len(crops) for place in places)
    assert 16 <= mirrored <= 48  # 32 of 64 are expected; beyond is one in 10,000
    assert len({place.index(True) for place in places}) > 20
    assert torch.equal(found, crop_and_mirror(image, seed=1, batch=2))
    assert not torch.equal(found, crop_and_mirror(image, seed=1, batch=3))


def test_a_language_model_sees_no_later_token():
    """What it guesses after a token stays the same whatever follows."""
    make_deterministic(1)
    network = WORKLOADS["transformer"].build(64, 8).eval()
    one = torch.arange(8).unsqueeze(0)
    other = one.clone()
    other[0, 5:] = 63

    with torch.inference_mode():
        first, second = network(one), network(other)

    assert first.shape == (1, 8, 64)
    assert torch.allclose(first[0, :5], second[0, :5], atol=1e-6)
    assert not torch.allclose(first[0, 5:], second[0, 5:], atol=1e-3)
