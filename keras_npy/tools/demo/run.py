"""`run_demo`: train, evaluate, save and serve a model from `.npy` files."""

import importlib.resources
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from keras_npy.layer.input import Input
from keras_npy.layer.input_layer import NpyInputLayer
from keras_npy.order.permutation import permute
from keras_npy.sequence import NpySequence
from keras_npy.tools.demo.data_of_user import check_out, open_images

BATCH_SIZE = 64
# Both processes compile the same graph for this machine, but may fuse it differently.
SERVED_TOLERANCE = 1e-5
SERVE_TIMEOUT_S = 300

_SERVE = Path(__file__).with_name("serve_without_keras_npy.py")


@dataclass(frozen=True)
class DemoResult:
    """What the demo measured, and where it wrote its files."""

    test_accuracy: float
    served_difference: float
    data_bytes: int
    anonymous_growth_bytes: int | None
    keras_path: Path
    saved_model_path: Path


def run_demo(
    x: str | None = None,
    y: str | None = None,
    *,
    out: str | None = None,
    epochs: int = 8,
) -> DemoResult:
    """Train, evaluate, save and serve a small convolutional network, and print each step.

    Args:
        x: Images, `(N, H, W)` or `(N, H, W, C)`, of any real dtype. `None` for a sample of
            Fashion-MNIST that comes with the package.
        y: Class numbers, `(N,)`; floats that are whole are numbers too.
        out: Folder to write to, where an earlier demo has written nothing. `None` makes a new one.
        epochs: Passes over the training images.

    Raises:
        ValueError: If the images or class numbers cannot be used.
        FileExistsError: If the folder holds what an earlier demo has written.
        RuntimeError: If the served model and the trained one predict different values.
    """
    check_out(out)
    say = Console(highlight=False, soft_wrap=True).print
    keras.utils.set_random_seed(0)
    train, test = _sample_sequences() if x is None or y is None else _user_sequences(x, y)
    say(f"[bold]Training images[/bold] {escape(repr(train))}")
    say(f"[bold]Test images[/bold] {escape(repr(test))}\n")
    model = _build_model(train)
    folder = _make_folder(out)
    say(f"[bold]1. model.fit[/bold]: {epochs} epochs, validated on the test images")
    before = anonymous_bytes()
    model.fit(train, validation_data=test, epochs=epochs, verbose=2)
    growth = None if before is None else (anonymous_bytes() or 0) - before
    data_bytes = _data_bytes(train) + (_data_bytes(test) if x is None else 0)
    say(_memory_line(growth, data_bytes))

    loss, accuracy = model.evaluate(test, verbose=0)
    chance = 1 / model.output_shape[-1]
    say(
        f"\n[bold]2. model.evaluate[/bold]: test accuracy {accuracy:.1%}, loss {loss:.3f} "
        f"(guessing: {chance:.1%})"
    )

    keras_path, saved_model_path = folder / "model.keras", folder / "served"
    model.save(keras_path)
    model.export(saved_model_path, verbose=False)
    say(
        f"\n[bold]3. Saved[/bold] {escape(str(keras_path))}\n"
        f"   and the SavedModel {escape(str(saved_model_path))}"
    )

    difference = _serve_and_compare(model, test, saved_model_path, folder)
    say(
        "\n[bold]4. Served[/bold] by a new process, with TensorFlow and neither keras_npy nor "
        f"keras on its path,\n   from raw {_raw_dtype(test)}: {test.num_samples} predictions, "
        f"those of the trained model within {difference:.1e}"
    )
    say(f"\nEverything is in {escape(str(folder))}")
    return DemoResult(accuracy, difference, data_bytes, growth, keras_path, saved_model_path)


def anonymous_bytes() -> int | None:
    """Memory of this process that no file backs, or `None` if the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return None


def _sample_sequences() -> tuple[NpySequence, NpySequence]:
    folder = Path(str(importlib.resources.files("keras_npy.tools.demo.data")))
    train, test = (
        NpySequence(
            folder / f"fashion_mnist_x_{part}.npy",
            folder / f"fashion_mnist_y_{part}.npy",
            batch_size=BATCH_SIZE,
            seed=0,
        )
        for part in ("train", "test")
    )
    return train, test


def _user_sequences(x: str, y: str) -> tuple[NpySequence, NpySequence]:
    """A random nine tenths of the rows to train on, and the others to test on."""
    images, labels = open_images(x, y)
    num_test = max(1, len(images) // 10)
    rows = permute(0, len(images), len(images), seed=0, epoch=0)
    train = NpySequence(images, labels, batch_size=BATCH_SIZE, seed=0, indices=rows[num_test:])
    test = NpySequence(images, labels, batch_size=BATCH_SIZE, indices=np.sort(rows[:num_test]))
    return train, test


def _build_model(train: NpySequence) -> Any:
    sample_shape = train.x_spec.shape[1:]
    model = keras.Sequential(
        [
            Input(train),
            NpyInputLayer(
                scale=_scale_of(train.x_spec.dtype),
                stored_format="no_channels" if len(sample_shape) == 2 else "channels_last",
                data_format="channels_last",
            ),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(padding="same"),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(padding="same"),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(_count_classes(train)),
        ]
    )
    model.compile(
        "adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def _scale_of(dtype: str) -> float:
    """The scale that turns the largest integer of a dtype into 1; 1 for floats."""
    kind = np.dtype(dtype)
    return 1 / np.iinfo(kind).max if kind.kind in "iu" else 1.0


def _count_classes(train: NpySequence) -> int:
    return max(int(np.max(batch[1])) for batch in train) + 1


def _make_folder(out: str | None) -> Path:
    if out is None:
        return Path(tempfile.mkdtemp(prefix="keras_npy_demo_"))
    folder = Path(out).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _serve_and_compare(
    model: Any, test: NpySequence, saved_model_path: Path, folder: Path
) -> float:
    trained = model.predict(test, verbose=0)
    raw = np.concatenate([batch[0] for batch in test])
    served = _predict_elsewhere(saved_model_path, raw, folder)
    difference = float(np.max(np.abs(served - trained)))
    if served.shape != trained.shape or not difference <= SERVED_TOLERANCE:
        raise RuntimeError(
            "The served model must predict what the trained one does. "
            f"Received: predictions that differ by up to {difference:.2e}. "
            f"Compare {saved_model_path} with {folder / 'model.keras'}."
        )
    return difference


def _predict_elsewhere(saved_model_path: Path, raw: NDArray[Any], folder: Path) -> NDArray[Any]:
    """Predict in a process whose path holds TensorFlow but neither keras_npy nor keras."""
    with tempfile.TemporaryDirectory() as work:
        packages = Path(work) / "packages"
        _link_packages(packages, without=("keras_npy", "keras"))
        raw_path, served_path = Path(work) / "raw.npy", folder / "served_predictions.npy"
        np.save(raw_path, raw)
        command = [sys.executable, "-I", "-S", str(_SERVE)]
        finished = subprocess.run(
            [*command, str(packages), str(saved_model_path), str(raw_path), str(served_path)],
            capture_output=True,
            text=True,
            timeout=SERVE_TIMEOUT_S,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            check=False,
        )
        if finished.returncode:
            raise RuntimeError(
                "The SavedModel must be served by a process that has TensorFlow alone. "
                f"Received: exit status {finished.returncode}, with {_last_line(finished.stderr)}. "
                f"Load {saved_model_path} with tf.saved_model.load to see all of it."
            )
        predictions: NDArray[Any] = np.load(served_path)
        return predictions


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]


def _link_packages(folder: Path, without: tuple[str, ...]) -> None:
    """Fill a folder with links to all installed packages except some.

    To shorten `sys.path` is not enough, because these packages lie in one folder with TensorFlow.
    """
    folder.mkdir()
    names = ("site-packages", "dist-packages")
    for site in [Path(path) for path in sys.path if Path(path).name in names]:
        for entry in site.iterdir() if site.is_dir() else ():
            link = folder / entry.name
            is_wanted = not any(
                entry.name == name or entry.name.startswith((f"{name}-", f"__editable__.{name}"))
                for name in without
            )
            if is_wanted and entry.suffix != ".pth" and not link.exists():
                link.symlink_to(entry)


def _data_bytes(seq: NpySequence) -> int:
    specs = keras.tree.flatten((seq.x_spec, seq.y_spec))
    row_bytes: int = sum(
        int(np.prod(spec.shape[1:])) * np.dtype(spec.dtype).itemsize for spec in specs
    )
    return seq.num_samples * row_bytes


def _raw_dtype(seq: NpySequence) -> str:
    return str(seq.x_spec.dtype)


def _memory_line(growth: int | None, data_bytes: int) -> str:
    data = f"the data is {data_bytes / 1e6:.1f} MB"
    if growth is None:
        return f"   memory: this system does not say (no /proc); {data}"
    return (
        f"   anonymous memory (RssAnon) grew by {growth / 1e6:.1f} MB in fit, with the graph and "
        f"the optimizer; {data}, read through the page cache"
    )
