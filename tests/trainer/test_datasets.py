"""Data sets as they are downloaded: made here in the form of their authors, at a few images."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from lowtide_trainer.data import load_data
from lowtide_trainer.errors import DataError


def load(source, **changes):
    values = {
        "image_size": 16,
        "samples": None,
        "validation_samples": None,
        "seed": 3,
        "threads": 1,
        **changes,
    }
    return load_data(str(source), **values)


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 16), (value, 0, 0)).save(path)


@pytest.fixture
def tiny_imagenet(tmp_path):
    """Two classes of three images, and four validation images in one folder."""
    root = tmp_path / "tiny-imagenet-200"
    for number, name in enumerate(("n01443537", "n01629819")):
        for index in range(3):
            picture(root / "train" / name / "images" / f"{name}_{index}.JPEG", 200 * number)
    for index in range(4):
        picture(root / "val" / "images" / f"val_{index}.JPEG", 200 * (index % 2))
    lines = [
        f"val_{index}.JPEG\t{('n01443537', 'n01629819')[index % 2]}\t0\t32\t44\t62"
        for index in range(4)
    ]
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return root


def test_tiny_imagenet_is_read_as_it_is_downloaded(tiny_imagenet):
    """Labels of validation come from its annotations: red images are the second class."""
    data = load(tiny_imagenet)

    assert (data.name, data.classes, len(data.train), len(data.validation)) == (
        *("tiny-imagenet-200", 2, 6, 4),
    )
    images, labels = data.validation.batch(range(4))
    assert images.shape == (4, 3, 16, 16)
    assert sorted(labels.tolist()) == [0, 0, 1, 1]
    assert torch.equal(images[:, 0].mean((1, 2)) > 0, labels == 1)


@pytest.mark.parametrize(
    "line", ["val_0.JPEG n01443537", "val_0.JPEG\tn99999999\t0", "../../x.JPEG\tn01443537\t0"]
)
def test_annotations_that_cannot_be_right_are_refused(tiny_imagenet, line):
    """With the line's number and text."""
    (tiny_imagenet / "val" / "val_annotations.txt").write_text(line + "\n")

    with pytest.raises(DataError, match=r"val_annotations.txt line 1 is .*separated by a tab"):
        load(tiny_imagenet)


def write_cifar(path, labels, key=b"labels", pixels=None, protocol=2):
    """Write one file as CIFAR's authors did, by pickle of protocol 2."""
    rows = np.zeros((len(labels), 3072), dtype=np.uint8) if pixels is None else pixels
    for row, label in zip(rows, labels, strict=True):
        row[:1024] = 25 * (label % 10)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps({b"data": rows, key: list(labels)}, protocol=protocol))


def test_cifar_10_is_read_from_its_batches(tmp_path):
    """Five files to train on, one to validate with; red is the first third of a row."""
    folder = tmp_path / "cifar-10-batches-py"
    for number in range(1, 6):
        write_cifar(folder / f"data_batch_{number}", [number, 9, 0, 5])
    write_cifar(folder / "test_batch", [2, 8, 4])

    data = load(folder, image_size=32)

    assert (data.name, data.classes, len(data.train), len(data.validation)) == (
        *("CIFAR-10", 10, 20, 3),
    )
    images, labels = data.validation.batch([0, 1, 2])
    assert sorted(labels.tolist()) == [2, 4, 8]
    red = ((images[:, 0, 0, 0] + 1) * 127.5).round()
    assert red.tolist() == [25.0 * label for label in labels.tolist()]
    assert images[:, 1:].max() == -1
    assert load(folder, image_size=48).train.batch([0, 1])[0].shape == (2, 3, 48, 48)


def test_cifar_100_is_read_with_its_fine_labels(tmp_path):
    """The hundred classes; `samples` bounds what is trained on."""
    folder = tmp_path / "cifar-100-python"
    write_cifar(folder / "train", [99, 3, 50, 7], key=b"fine_labels")
    write_cifar(folder / "test", [42], key=b"fine_labels")

    data = load(folder, samples=3)

    assert (data.name, data.classes, len(data.train), len(data.validation)) == (
        *("CIFAR-100", 100, 3, 1),
    )


class Harm:
    """A pickle that would run a command."""

    def __reduce__(self):
        return __import__("os").system, ("touch /tmp/harmed",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({b"data": Harm()}), r"names posix.system, which no CIFAR file needs"),
        (b"no pickle at all", "is not a file of CIFAR"),
        (pickle.dumps([1, 2]), "holds no dictionary"),
        (pickle.dumps({b"data": b"abc", b"labels": []}), "not rows of bytes"),
        (
            pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 10]}),
            "one label from 0 to 9 for each image",
        ),
        (
            pickle.dumps({b"data": np.zeros((1, 100), np.uint8), b"labels": [1]}),
            "rows of 100 bytes, and images of CIFAR have 3072",
        ),
    ],
    ids=["a command", "text", "a list", "no array", "a label too large", "short rows"],
)
def test_a_file_that_is_not_cifars_is_refused_and_runs_nothing(tmp_path, content, said):
    """A pickle from anywhere is data or an error."""
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar(folder / "test_batch", [1, 2])
    (folder / "data_batch_1").write_bytes(content)

    with pytest.raises(DataError, match=said):
        load(folder)


def test_made_up_images_follow_from_the_seed():
    """The same number gives the same image, and training shares none with validation."""
    one, again = load("synthetic", samples=12), load("synthetic", samples=12)
    other = load("synthetic", samples=12, seed=4)

    first, labels = one.train.batch([5, 11])
    assert torch.equal(first, again.train.batch([5, 11])[0])
    assert not torch.equal(first, other.train.batch([5, 11])[0])
    assert not torch.equal(first, one.validation.batch([5, 11])[0])
    assert labels.tolist() == [5, 1]
    assert first.abs().max() <= 1


def test_made_up_sequences_follow_their_chain():
    """Nine in ten tokens are 5t + 1 of the one before; what is to be guessed is one place on."""
    data = load("synthetic", image_size=32, samples=50, reads_text=True)

    tokens, following = data.train.batch(range(50))

    assert tokens.shape == following.shape == (50, 32)
    assert torch.equal(tokens[:, 1:], following[:, :-1])
    right = (following == (5 * tokens + 1) % 64).float().mean().item()
    assert 0.85 < right < 0.95


def test_a_text_is_read_as_bytes_and_its_end_validates(tmp_path):
    """101 bytes in sequences of 10: ten sequences, the last two validate."""
    path = tmp_path / "text.txt"
    path.write_bytes(bytes(range(101)))

    data = load(path, image_size=10, reads_text=True)

    assert (data.name, data.classes, len(data.train), len(data.validation)) == (
        *("text.txt", 256, 8, 2),
    )
    tokens, following = data.validation.batch([0, 1])
    assert tokens[:, 0].tolist() == [80, 90]
    assert following[1].tolist() == list(range(91, 101))


@pytest.mark.parametrize("source", ["digits", "folder"])
def test_a_network_for_text_says_what_it_reads(source, tmp_path):
    """Images are no text."""
    with pytest.raises(DataError, match="reads a text file or synthetic"):
        load(tmp_path if source == "folder" else source, reads_text=True)


def test_a_text_that_is_too_short_is_refused(tmp_path):
    """One sentence with what there is."""
    (tmp_path / "short.txt").write_text("abc")

    with pytest.raises(DataError, match="in sequences of 64 bytes has 0 samples"):
        load(tmp_path / "short.txt", image_size=64, reads_text=True)
