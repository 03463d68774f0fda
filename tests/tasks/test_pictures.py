"""Pictures pixel by pixel: order of pixels, splits, permutations, where they are read from and what is refused."""

import gzip
import hashlib
import os

import datasets
import numpy as np
import pytest
import torch
from datasets.packaged_modules.parquet.parquet import Parquet

from gatelab.errors import UserError
from gatelab.tasks import task_from_mapping
from gatelab.tasks.images.pictures import PermutedMnist, SequentialCifar10, SequentialMnist
from gatelab.tasks.sources import fetch, picture_files
from gatelab.tasks.sources.picture_files import MNIST, _loaded
from tests.tasks.local_data import pictures, save_idx, save_pictures, with_hash

JANET = os.environ.get("GATELAB_JANET_PERMUTATION")
DIGITS, PHOTOGRAPHS = pictures((28, 28)), pictures((32, 32, 3))


def refusal(action):
    """Return the one line with which an action is refused."""
    with pytest.raises(UserError) as refused:
        action()
    line = str(refused.value)
    assert "\n" not in line
    return line


def as_bytes(pixels):
    """Return pixels 0 … 1 of (steps, channels) as the bytes that they came from."""
    return np.rint(pixels * 255).astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    ("kind", "name", "source"), [(SequentialMnist, "smnist", DIGITS), (SequentialCifar10, "scifar10", PHOTOGRAPHS)]
)
def test_pixels_arrive_row_by_row_and_splits_make_up_the_whole(local, kind, name, source):
    task = kind(**local(name))
    held_out = task.validation()
    assert held_out.inputs.shape[1] == 5
    parts = {"train": [task.training(), held_out], "test": [task.test()]}
    for split, batches in parts.items():
        seen = [
            (as_bytes(batch.inputs[:, index]), int(batch.targets[index]))
            for batch in batches
            for index in range(len(batch.lengths))
        ]
        assert sorted(seen) == sorted(
            (picture.tobytes(), int(digit)) for picture, digit in zip(*source[split], strict=True)
        )
    assert held_out.inputs.min() >= 0
    assert held_out.inputs.max() <= 1


@pytest.mark.parametrize(
    ("kind", "name", "fields", "mean", "deviation"),
    [
        (SequentialMnist, "smnist", {}, 0.1307, 0.3081),
        (SequentialCifar10, "scifar10", {}, [0.4914, 0.4822, 0.4465], [0.247, 0.243, 0.261]),
        (SequentialCifar10, "scifar10", {"colours": "grey"}, 122.6 / 255, 61 / 255),
    ],
)
def test_pixels_are_standardised_with_the_numbers_of_the_code(local, kind, name, fields, mean, deviation):
    plain, standardised = kind(**local(name), **fields), kind(**local(name), **fields, pixels="standardised")
    expected = (plain.test().inputs.astype(float) - mean) / deviation
    np.testing.assert_allclose(standardised.test().inputs, expected, rtol=1e-5, atol=1e-6)
    assert standardised.test().inputs.dtype == np.float32


def test_the_data_seed_alone_decides_what_is_validation(local):
    fields = local("smnist")
    one, other = (SequentialMnist(**{**fields, "data_seed": seed}) for seed in (1, 2))
    assert not np.array_equal(one.validation().inputs, other.validation().inputs)
    np.testing.assert_array_equal(one.test().inputs, other.test().inputs)


@pytest.mark.parametrize("fields", [{}, {"permutation_seed": 3}, {"permutation": "bit_reversal"}])
def test_a_permutation_is_the_same_for_every_digit(local, fields):
    plain, permuted = SequentialMnist(**local("smnist")), PermutedMnist(**local("pmnist"), **fields)
    order = permuted.order()
    assert sorted(order) == list(range(784))
    for part in ("training", "validation", "test"):
        np.testing.assert_array_equal(getattr(permuted, part)().inputs, getattr(plain, part)().inputs[order])
    np.testing.assert_array_equal(permuted.training_batch(4, 1, 3).inputs, plain.training_batch(4, 1, 3).inputs[order])


def test_seeds_of_permutations_differ_and_repeat():
    assert not np.array_equal(PermutedMnist().order(), PermutedMnist(permutation_seed=1).order())
    np.testing.assert_array_equal(PermutedMnist().order(), PermutedMnist().order())


def test_bit_reversal_interleaves_halves():
    # built from halves: the order of 2n is that of the even numbers, then of the odd ones
    order = np.zeros(1, int)
    while len(order) < 1024:
        order = np.concatenate([2 * order, 2 * order + 1])
    np.testing.assert_array_equal(PermutedMnist(permutation="bit_reversal").order(), order[order < 784])


@pytest.fixture
def permutation_file(tmp_path):
    """Save an array; return the fields that name its file."""

    def save(array, **options):
        file = tmp_path / "order.npy"
        np.save(file, array, **options)
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        return {"permutation": "file", "permutation_path": str(file), "permutation_sha256": sha256}

    return save


def test_a_permutation_from_a_file(permutation_file):
    order = np.roll(np.arange(784, dtype=np.int32), 100)
    np.testing.assert_array_equal(PermutedMnist(**permutation_file(order)).order(), order)


@pytest.mark.parametrize(
    "array",
    [np.arange(783), np.zeros(784, int), np.arange(784.0), np.arange(784).reshape(28, 28), np.arange(784)[None]],
)
def test_a_file_of_something_else_is_no_permutation(permutation_file, array):
    fields = permutation_file(array)
    line = refusal(PermutedMnist(**fields).order)
    assert line == (
        f"task.permutation_path={fields['permutation_path']}: must be an .npy file of a permutation of 784 pixels: "
        "each of 0 … 783 once"
    )


def test_a_permutation_is_never_unpickled(permutation_file):
    fields = permutation_file(np.array([{"a": 1}], object), allow_pickle=True)
    assert refusal(PermutedMnist(**fields).order).endswith("numpy cannot read it")


def test_a_permutation_file_is_named_by_the_hash_of_what_it_holds(permutation_file):
    fields = permutation_file(np.arange(784))
    assert refusal(PermutedMnist(permutation="file").order).startswith("task.permutation_path=null: must name")
    pinned = PermutedMnist(**{**fields, "permutation_sha256": None}).pinned()
    assert pinned.permutation_sha256 == fields["permutation_sha256"]
    assert "is expected" in refusal(PermutedMnist(**{**fields, "permutation_sha256": "0" * 64}).order)
    assert refusal(lambda: task_from_mapping({"name": "pmnist", "permutation_path": "x.npy"})) == (
        "task: permutation_path=x.npy needs permutation=file, not seeded"
    )


@pytest.mark.skipif(not JANET, reason="GATELAB_JANET_PERMUTATION names no pmnist_permutation_mask.npy")
def test_the_permutation_of_janet():
    task = PermutedMnist(
        permutation="file",
        permutation_path=JANET,
        permutation_sha256="f0916ed5ac788c76b7974220ffd2ad935773ae95c8a53be3ad377ed6742aa9ed",
    )
    assert sorted(task.order()) == list(range(784))


def test_grey_is_the_brightness_of_the_colours(local):
    fields = local("scifar10")
    colours, grey = SequentialCifar10(**fields).test().inputs, SequentialCifar10(**fields, colours="grey")
    expected = 0.299 * colours[..., 0] + 0.587 * colours[..., 1] + 0.114 * colours[..., 2]
    assert grey.input_size == 1
    np.testing.assert_allclose(grey.test().inputs[..., 0], expected, atol=1e-6)


def test_one_class_always_is_chance(local):
    # of MNIST's 10,000 test digits: LeCun et al.'s counts
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    targets = torch.from_numpy(np.repeat(np.arange(10), counts))
    always_one = torch.eye(10)[torch.ones(10_000, dtype=torch.int64)]
    task = SequentialMnist(**local("smnist"))
    assert float(task.scores(always_one, targets).mean()) == pytest.approx(task.chance, rel=1e-6)


def test_the_same_digits_from_every_kind_of_folder(local, empty_cache, tmp_path):
    fields = local("smnist")
    expected = SequentialMnist(**fields).training()
    originals = {**fields, "path": save_idx(tmp_path / "idx", DIGITS)}
    # the hash is of the content, so that it is the same for every kind
    np.testing.assert_array_equal(SequentialMnist(**originals).training().inputs, expected.inputs)
    saved = datasets.load_from_disk(fields["path"])
    for split in ("train", "test"):
        saved[split].to_parquet(str(tmp_path / "parquet" / f"{split}-00000-of-00001.parquet"))
    parquet = SequentialMnist(**{**fields, "path": str(tmp_path / "parquet")}).training()
    np.testing.assert_array_equal(parquet.inputs, expected.inputs)
    np.testing.assert_array_equal(parquet.targets, expected.targets)


@pytest.mark.parametrize(
    "form",
    [
        "{part}-{kind}-ubyte",
        "{part}-{what}.{idx}-ubyte",
        "MNIST/raw/{part}-{kind}-ubyte",  # torchvision's root
        "{part}-{what}-{idx}-ubyte/{part}-{what}-{idx}-ubyte",  # as Kaggle unpacks them
        "archive/{part}-{what}.{idx}-ubyte",
    ],
)
def test_the_original_files_are_found_under_their_usual_names(local, tmp_path, form):
    fields = local("smnist")
    found = SequentialMnist(**{**fields, "path": save_idx(tmp_path / "data", DIGITS, form)})
    np.testing.assert_array_equal(found.training().inputs, SequentialMnist(**fields).training().inputs)


def test_of_two_sets_below_a_root_the_one_named_mnist_is_meant(local, tmp_path):
    save_idx(tmp_path, pictures((28, 28), seed=1), "FashionMNIST/raw/{part}-{kind}-ubyte")
    fields = {**local("smnist"), "path": str(tmp_path)}
    assert SequentialMnist(path=str(tmp_path), validation_size=5).pinned().sha256 != fields["sha256"]
    save_idx(tmp_path, DIGITS, "MNIST/raw/{part}-{kind}-ubyte")
    assert SequentialMnist(**fields).test().lengths.tolist() == [784] * 6
    save_idx(tmp_path / "two", DIGITS, "one/{part}-{kind}-ubyte")
    save_idx(tmp_path / "two", DIGITS, "other/{part}-{kind}-ubyte")
    assert refusal(SequentialMnist(path=str(tmp_path / "two")).test) == (
        f"task.path={tmp_path}/two: train-images-idx3-ubyte lies in one, other; the path must name one of these folders"
    )


@pytest.mark.parametrize("below", ["", "mnist.npz"])
def test_the_archive_of_keras(local, tmp_path, below):
    arrays = {
        f"{letter}_{split}": array for split, both in DIGITS.items() for letter, array in zip("xy", both, strict=True)
    }
    np.savez(tmp_path / "mnist.npz", **arrays)
    task = SequentialMnist(**{**local("smnist"), "path": str(tmp_path / below)})
    assert task.test().targets.tolist() == list(range(6))
    np.savez(tmp_path / "mnist.npz", x_train=np.zeros(3))
    assert refusal(SequentialMnist(path=task.path).test) == (
        f"task.path={task.path}: mnist.npz must be an archive of NumPy with x_train, y_train, x_test and y_test"
    )


def test_what_unpacks_to_more_than_there_can_be_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_files, "_MOST_BYTES", 1000)  # a picture has 784
    zipped = save_idx(tmp_path / "zipped", DIGITS)
    for file in (tmp_path / "zipped").iterdir():
        if file.suffix != ".gz":
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    archive = tmp_path / "archive"
    archive.mkdir()
    np.savez_compressed(archive / "mnist.npz", x_train=np.zeros((9, 28, 28), np.uint8))
    for path, name in ((zipped, "train-images-idx3-ubyte.gz"), (archive, "mnist.npz")):
        line = refusal(SequentialMnist(path=str(path)).test)
        assert line.startswith(f"task.path={path}: {name} unpacks to more than ")


def test_cifar_from_its_binary_version_and_never_from_pickles(local, tmp_path):
    fields = local("scifar10")
    parts = pictures((32, 32, 3))
    for split, (pixels, classes) in parts.items():
        rows = np.concatenate([classes[:, None], pixels.transpose(0, 3, 1, 2).reshape(len(classes), -1)], 1)
        folder = tmp_path / "cifar-10-batches-bin"
        folder.mkdir(exist_ok=True)
        batches = np.array_split(rows.astype(np.uint8), 5) if split == "train" else [rows.astype(np.uint8)]
        for number, batch in enumerate(batches, 1):
            name = f"data_batch_{number}.bin" if split == "train" else "test_batch.bin"
            (folder / name).write_bytes(batch.tobytes())
    found = SequentialCifar10(**{**fields, "path": str(tmp_path)})
    np.testing.assert_array_equal(found.training().inputs, SequentialCifar10(**fields).training().inputs)
    (tmp_path / "python" / "cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "python" / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"")
    assert "data_batch_1 is a pickle, which is not read" in refusal(
        SequentialCifar10(path=str(tmp_path / "python")).test
    )


def test_a_local_copy_with_other_content_is_refused(local, tmp_path):
    fields = local("smnist")
    other = save_idx(tmp_path / "idx", pictures((28, 28), seed=1))
    line = refusal(SequentialMnist(**{**fields, "path": other}).test)
    assert line.startswith(f"task.path={other}: the sha256 of its content is ")
    assert line.endswith(f"but task.sha256={fields['sha256']} is expected")


def with_pictures(pixels, classes=None):
    classes = np.arange(len(pixels)) % 10 if classes is None else classes
    return {"train": (pixels, classes), "test": (pixels, classes)}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            with_pictures(np.zeros((3, 27, 28), np.uint8)),
            "train, picture 1: must be integers 0 … 255 of shape (28, 28)",
        ),
        (with_pictures(np.zeros((3, 28, 28), np.uint8), np.array([0, 10, 1])), "train: classes must be integers 0 … 9"),
        (with_pictures(np.zeros((3, 28, 28), np.uint8), np.arange(2)), "train: 3 pictures and 2 classes"),
        (with_pictures(np.zeros((0, 28, 28), np.uint8)), "train: 0 pictures and 0 classes"),
    ],
)
def test_other_pictures_are_refused(tmp_path, parts, expected):
    path = save_idx(tmp_path / "idx", parts)
    line = refusal(SequentialMnist(path=path, validation_size=1).test)
    assert line.startswith(f"task.path={path}, {expected}")


def test_folders_of_something_else_are_refused(empty_cache, tmp_path):
    assert refusal(SequentialMnist(path=str(tmp_path / "none")).test) == (
        f"task.path={tmp_path}/none: no such folder; null fetches ylecun/mnist (18 MB) from Hugging Face"
    )
    line = refusal(SequentialMnist(path=str(tmp_path)).test)
    assert line.startswith(f"task.path={tmp_path}: cannot be read as a data set: ")
    looked_for = "; nor are there train-images-idx3-ubyte (or train-images.idx3-ubyte, or .gz) and mnist.npz"
    assert line.endswith(looked_for)
    path = save_pictures(tmp_path / "split", {"train": DIGITS["train"]})
    assert refusal(SequentialMnist(path=path).test) == f"task.path={path}: no split 'test'; it has train{looked_for}"
    path = save_pictures(tmp_path / "column", DIGITS, "photo")
    assert refusal(SequentialMnist(path=path).test) == (
        f"task.path={path}, train: no column 'image|img'; it has photo, label{looked_for}"
    )
    path = save_idx(tmp_path / "short", DIGITS)
    (tmp_path / "short" / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1\0\0\0\x09")
    assert refusal(SequentialMnist(path=path).test) == (
        f"task.path={path}: train-labels-idx1-ubyte is not a complete IDX file of bytes in 1 dimensions"
    )
    (tmp_path / "short" / "t10k-images-idx3-ubyte.gz").unlink()
    save_idx(tmp_path / "again", DIGITS)
    (tmp_path / "again" / "t10k-images-idx3-ubyte.gz").unlink()
    assert refusal(SequentialMnist(path=str(tmp_path / "again")).test) == (
        f"task.path={tmp_path}/again: no t10k-images-idx3-ubyte, nor with a dot before idx, nor its .gz"
    )


def test_validation_must_leave_something_to_train_on(local):
    task = SequentialMnist(**{**local("smnist"), "validation_size": 24})
    assert refusal(task.training) == "task.validation_size=24: must be less than 24, the pictures for training"


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("offline", [True, False])
def test_without_network_it_is_told_at_once_what_to_fetch(monkeypatch, empty_cache, offline):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")  # without a server
    monkeypatch.setattr(fetch, "SILENT_SECONDS", 0.2)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    line = refusal(SequentialCifar10().test)
    assert line.startswith("task.path=null: cannot load uoft-cs/cifar10 (144 MB) from Hugging Face: ")
    assert line.endswith("; fetch it elsewhere and give task.path=FOLDER")
    assert ("offline mode is on" if offline else "does not answer") in line


def test_the_public_commit_is_found_in_the_cache_without_network(monkeypatch, empty_cache, local, tmp_path, capsys):
    fields = local("smnist")
    saved = datasets.load_from_disk(fields["path"])
    files = {split: [str(tmp_path / f"{split}.parquet")] for split in ("train", "test")}
    for split in files:
        saved[split].to_parquet(files[split][0])
    # as load_dataset keeps what it fetched: by name, configuration, version and commit
    kept = Parquet(cache_dir=str(empty_cache), dataset_name="mnist", config_name="mnist", data_files=files)
    kept.download_and_prepare()
    folder = empty_cache / "ylecun___mnist" / "mnist" / "0.0.0"
    folder.mkdir(parents=True)
    os.rename(kept.cache_dir, folder / MNIST.public.revision)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    capsys.readouterr()
    found = SequentialMnist(validation_size=5).training()
    np.testing.assert_array_equal(found.inputs, SequentialMnist(**fields).training().inputs)
    assert capsys.readouterr().err == ""
    os.rename(folder / MNIST.public.revision, folder / ("0" * 40))
    _loaded.cache_clear()
    assert "offline mode is on" in refusal(SequentialMnist(validation_size=4, sha256=fields["sha256"]).training)


def test_reading_is_quiet(local, empty_cache, tmp_path, capsys):
    saved = datasets.load_from_disk(local("scifar10")["path"])
    for split in ("train", "test"):
        saved[split].to_parquet(str(tmp_path / f"{split}.parquet"))
    bars = datasets.is_progress_bar_enabled()
    capsys.readouterr()
    with_hash("scifar10", path=str(tmp_path))
    assert capsys.readouterr().err == ""
    assert datasets.is_progress_bar_enabled() == bars
