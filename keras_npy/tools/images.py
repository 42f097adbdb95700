"""Folders of images as rows, decoded by Pillow, and the class of each by its folder."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_npy.errors import NpyFileError, cut
from keras_npy.files.store import FileList
from keras_npy.rows.base import Rows
from keras_npy.rows.sources import natural_order
from keras_npy.types import Array, Indices

# Pillow decodes without the lock of the interpreter.
THREADS = 4

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


class ImageRows(Rows):
    """Each image is a row, uint8 `(H, W, C)` or `(H, W)`.

    Args:
        paths: The files.
        size: Height and width to which images are resized; `None` if all have one size.
        mode: Pillow's mode, such as `"RGB"` or `"L"`.

    Raises:
        NpyFileError: If the first image cannot be read.
        ImportError: If there is no Pillow.
    """

    def __init__(self, paths: Sequence[str], size: tuple[int, int] | None, mode: str) -> None:
        self._paths, self._size, self._mode = list(paths), size, mode
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        self.name = f"{paths[0]}{more}"
        first = self._decode(paths[0])
        self.shape = (len(paths), *first.shape)
        self.dtype = first.dtype

    @property
    def files(self) -> FileList:
        return FileList(self._paths, np.ones(len(self._paths), np.int64))

    def locate(self, index: int) -> str:
        return self._paths[index]

    def read_into(self, indices: Indices, out: Array) -> None:
        def read(at: int) -> None:
            path = self._paths[int(indices[at])]
            image = self._decode(path)
            if image.shape != self.row_shape:
                raise NpyFileError(
                    f"{path}: images must have one size. Received: {image.shape}, {self._paths[0]} "
                    f"has {self.row_shape}. Resize them: images,size=224x224:FOLDER."
                )
            out[at] = image

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(read, range(len(indices))))

    def _decode(self, path: str) -> Array:
        pillow = _pillow()
        try:
            with pillow.open(path) as image:
                converted = image.convert(self._mode)
                if self._size is not None:
                    height, width = self._size
                    converted = converted.resize((width, height))
                return np.asarray(converted)
        except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
            if isinstance(error, FileNotFoundError | PermissionError):
                raise
            raise NpyFileError(
                f"{path}: an image must be one that Pillow reads. Received: {cut(str(error))}. "
                "Copy it again, or leave it out."
            ) from error


def images(folder: str, size: tuple[int, ...] | None = None, mode: str = "RGB") -> ImageRows:
    """The images below a folder, in natural order.

    Args:
        folder: The folder. If it has folders, each of these is a class.
        size: Height and width to which images are resized.
        mode: Pillow's mode: `"RGB"`, `"L"` for grey.

    Raises:
        NpyFileError: If there are no images, or one cannot be read.
        ValueError: If `size` is not height and width.
    """
    if size is not None and len(size) != 2:
        raise ValueError(
            f"{folder}: a size is height and width. Received: {size}. Write it like 224x224."
        )
    return ImageRows(_found(folder), None if size is None else (size[0], size[1]), mode)


def classes_of(folder: str) -> tuple[Array, list[str]]:
    """The class number of each image of `images(folder)`, and the names of the classes.

    Raises:
        NpyFileError: If images lie in the folder itself, which are in no class.
    """
    found = _found(folder)
    names = [os.path.relpath(path, folder).split(os.sep) for path in found]
    in_none = next((path for path, parts in zip(found, names, strict=True) if len(parts) < 2), None)
    if in_none is not None:
        raise NpyFileError(
            f"{in_none}: the folder of an image names its class. Received: an image in {folder} "
            "itself. Put it into a folder, or leave --y out."
        )
    classes = natural_order({parts[0] for parts in names})
    return np.array([classes.index(parts[0]) for parts in names], np.int64), classes


def _found(folder: str) -> list[str]:
    paths = [
        os.path.join(where, name)
        for where, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES)
    ]
    if not paths:
        raise NpyFileError(
            f"{folder}: a folder of images must hold some. Received: none that end in "
            f"{', '.join(SUFFIXES)}. Look with `ls`."
        )
    return natural_order(paths)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Images are decoded by Pillow. Received: no Pillow in this environment. "
            "Install it: pip install 'keras_npy[images]'."
        ) from error
    return Image
