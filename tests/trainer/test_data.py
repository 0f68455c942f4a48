import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lowtide_trainer.data import load_data
from lowtide_trainer.errors import DataError


def load(source="digits", **changes):
    wanted = {
        "image_size": 16,
        "samples": None,
        "validation_samples": None,
        "seed": 0,
        "threads": 1,
        **changes,
    }
    return load_data(str(source), **wanted)


def paint(path, colour, size=(20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two classes of five images each: black cats and white dogs."""
    for number in range(5):
        paint(tmp_path / "animals" / "cat" / f"{number}.png", (0, 0, 0))
        paint(tmp_path / "animals" / "dog" / f"{number}.png", (255, 255, 255))
    (tmp_path / "animals" / "cat" / "notes.txt").write_text("no image")
    return tmp_path / "animals"


def test_digits_come_as_large_images_of_three_channels():
    """Values from -1 to 1, as float32, with labels from 0 to 9."""
    data = load(image_size=75, samples=32)

    images, labels = data.train.batch([0, 5, 7])

    assert images.shape == (3, 3, 75, 75)
    assert images.dtype == torch.float32
    assert -1 <= images.min() < images.max() <= 1
    assert torch.equal(images[:, 0], images[:, 2])
    assert data.classes == 10
    assert set(labels.tolist()) <= set(range(10))


def test_digits_keep_their_labels():
    """Every image of the split is one of the file's, with the label that stands beside it."""
    package = Path(find_spec("sklearn").origin).parent
    with gzip.open(package / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        rows = [tuple(int(float(cell)) for cell in line.split(",")) for line in file]
    known = {row[:-1]: row[-1] for row in rows}

    data = load(image_size=8, samples=1541, validation_samples=256)

    for part in (data.train, data.validation):
        images, labels = part.batch(range(len(part)))
        pixels = ((images[:, 0] + 1) * 8).round().to(torch.int64).reshape(len(part), 64)
        found = [known[tuple(row)] for row in pixels.tolist()]
        assert found == labels.tolist()
    assert len(data.train) + len(data.validation) == len(rows) == 1797


def test_validation_does_not_depend_on_how_many_are_trained_on():
    """Accuracies of short and long runs are measured on the same images."""
    short, long = load(samples=10), load(samples=1000)

    assert torch.equal(short.validation.batch([0, 255])[0], long.validation.batch([0, 255])[0])
    assert torch.equal(short.train.batch([9])[0], long.train.batch([9])[0])


def test_the_split_follows_the_seed():
    """The same seed gives the same images, another one others."""
    assert load(seed=1).fingerprint == load(seed=1).fingerprint != load(seed=2).fingerprint


def test_a_folder_has_a_class_for_each_sub_folder(folder):
    """A fifth is held back for validation; labels follow the names in order."""
    data = load(folder)

    assert (data.name, data.classes) == ("animals", 2)
    assert (len(data.train), len(data.validation)) == (8, 2)
    images, labels = data.train.batch(range(8))
    assert images.shape == (8, 3, 16, 16)
    assert images.mean(dim=(1, 2, 3)).tolist() == [2.0 * label - 1 for label in labels]


def test_a_folder_with_its_own_split_keeps_it(folder, tmp_path):
    """`train` and `val` as ImageNet has them."""
    (tmp_path / "own").mkdir()
    folder.rename(tmp_path / "own" / "train")
    paint(tmp_path / "own" / "val" / "dog" / "a.jpg", (255, 255, 255))

    data = load(tmp_path / "own")

    assert (len(data.train), len(data.validation)) == (10, 1)
    assert data.validation.batch([0])[1].tolist() == [1]


def test_images_are_cut_to_their_middle(tmp_path):
    """The shorter side is scaled, what is left over on the longer one is cut off both ends."""
    image = np.zeros((16, 48, 3), dtype=np.uint8)
    image[:, 16:32] = 255
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(image).save(tmp_path / name / f"{number}.png")

    images, _ = load(tmp_path).train.batch([0])

    assert images.min() == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param({"samples": 1700}, "1797 images: 256 for validation and 1700", id="samples"),
        pytest.param({"validation_samples": 1796}, "too many", id="validation"),
    ],
)
def test_more_images_than_there_are_is_an_error(changes, sentence):
    """The error says how many there are."""
    with pytest.raises(DataError, match=sentence):
        load(**changes)


def test_a_missing_folder_is_an_error(tmp_path):
    """The error has its name."""
    with pytest.raises(DataError, match="nowhere does not exist"):
        load(tmp_path / "nowhere")


def test_an_empty_folder_is_an_error(tmp_path):
    """The error says what it should hold."""
    with pytest.raises(DataError, match="0 sub-folders: it needs one of images for each class"):
        load(tmp_path)


def test_classes_without_images_are_an_error(tmp_path):
    """The error lists the endings that are known."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()

    with pytest.raises(DataError, match=r"has no images: files ending in \.bmp, "):
        load(tmp_path)


def test_a_file_that_is_not_an_image_is_named(folder):
    """The one among thousands that must be replaced."""
    for path in folder.rglob("*.png"):
        path.write_bytes(b"GIF89a but not really")

    with pytest.raises(DataError, match=r"\d\.png cannot be read as an image"):
        load(folder).train.batch([0])
