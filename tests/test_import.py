"""What is imported when: Keras by those who use it, our layer and feed with Keras, in any order."""

import ast
import configparser
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import keras_npy
from tests.conftest import Stored, make_model, only_on, run_script

PACKAGE = Path(keras_npy.__file__).parent
ROOT = PACKAGE.parent


def test_dir_shows_the_public_names_alone() -> None:
    """The rooms are there to be imported, not to be looked through."""
    assert sorted(keras_npy.__all__) == dir(keras_npy)


def test_star_import_gives_every_public_name() -> None:
    """Each name has a home."""
    names: dict[str, object] = {}
    exec("from keras_npy import *", names)
    assert set(keras_npy.__all__) <= set(names)


def test_unknown_name_is_an_attribute_error() -> None:
    """As of any module."""
    name = "NpySequenz"
    with pytest.raises(AttributeError, match=r"^module 'keras_npy' has no attribute 'NpySequenz'$"):
        getattr(keras_npy, name)


def test_functions_are_not_replaced_by_their_modules() -> None:
    """`samples`, `windows` and `convert` stay so when modules of these names are imported."""
    import keras_npy.rows.samples
    import keras_npy.rows.windows
    import keras_npy.tools.convert

    functions = [keras_npy.samples, keras_npy.windows, keras_npy.convert]
    assert [True] * 3 == [callable(function) for function in functions]


def test_import_on_windows_names_the_remedy_in_one_line() -> None:
    """Instead of an error about a module of Python's that Windows does not have."""
    printed = run_script("""
        import sys
        import wrapt
        sys.platform = "win32"
        try:
            import keras_npy
        except ImportError as error:
            print(error)
    """)
    assert 1 == len(printed.splitlines())
    assert re.search(r"needs Linux or macOS.*Received: Windows\. .*WSL", printed)


# Keras, and when it is imported.


FIND_BACKENDS = """
import sys

def backends():
    return [name for name in ("keras", "tensorflow", "jax", "torch") if name in sys.modules]
"""


def test_files_and_rows_are_read_without_keras(tmp_path: Path) -> None:
    """No module of the lower rooms imports it, and no public name that reads files."""
    np.save(tmp_path / "x.npy", np.arange(6))
    printed = run_script(
        FIND_BACKENDS
        + """
import importlib

for name in sys.argv[2:]:
    importlib.import_module(name)
import keras_npy
print(keras_npy.open_rows(sys.argv[1])[:].tolist(), len(keras_npy.samples([sys.argv[1]])))
print(backends())
""",
        tmp_path / "x.npy",
        *(_name(path) for path in _below_keras()),
    )
    assert ["[0, 1, 2, 3, 4, 5] 1", "[]"] == printed.splitlines()


def _below_keras() -> Iterator[Path]:
    rooms = [PACKAGE / room for room in ("drawing", "files", "order", "rows", "statistics")]
    yield from (PACKAGE / f"{name}.py" for name in ("errors", "types", "version"))
    yield from (path for room in rooms for path in room.glob("*.py"))


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_command_answers_without_keras(tmp_path: Path) -> None:
    """`--help` and a wrong argument need not even NumPy; nothing of a backend is printed."""
    np.save(tmp_path / "x.npy", np.arange(6))
    printed = run_script(
        FIND_BACKENDS
        + """
import contextlib, io, os
from keras_npy.tools.cli import main

# Seen by the test, whoever writes to it.
os.dup2(1, 2)

for arguments in (["--help"], ["convert", "--help"], ["demo", "--help"], ["--wrong"]):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            main(arguments)
        except SystemExit as end:
            status = end.code
    print(status, "usage: keras-npy" in shown.getvalue(), backends(), "numpy" in sys.modules)
sys.stdout.flush()
print(main(["convert", sys.argv[1], sys.argv[2]]), backends())
""",
        tmp_path / "x.npy",
        tmp_path / "new.npy",
    ).splitlines()
    assert ["0 True [] False"] * 3 + ["2 True [] False"] == printed[:4]
    assert printed[4].startswith(f"{tmp_path}/new.npy: int64 (6,), 48 bytes from")
    assert ["0 []"] == printed[5:]


@pytest.fixture
def saved_path(tmp_path: Path) -> Path:
    """A model that holds our layer."""
    make_model().save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


USE = """
import numpy as np

def use(load_model, path):
    model = load_model(path)
    print(type(model.layers[0]).__module__.partition(".")[0])
    from keras.src.trainers import data_adapters

    import keras_npy
    seq = keras_npy.NpySequence(np.zeros((4, 6)))
    print(type(data_adapters.get_data_adapter(seq)).__name__)
"""


@pytest.mark.parametrize(
    "imports",
    [
        pytest.param("from keras.saving import load_model", id="keras"),
        pytest.param("from keras.src.saving.saving_api import load_model", id="its-inside"),
        pytest.param(
            "import tensorflow as tf; load_model = tf.keras.models.load_model",
            id="tf.keras",
            marks=only_on("tensorflow", reason="tf.keras needs it"),
        ),
    ],
)
def test_keras_imported_after_keras_npy_knows_the_layer_and_the_feed(
    saved_path: Path, imports: str
) -> None:
    """As one imported before it does, which the rest of the suite shows."""
    script = f"import keras_npy\n{imports}\n{USE}\nuse(load_model, __import__('sys').argv[1])"
    assert ["keras_npy", "PlannedAdapter"] == run_script(script, saved_path).splitlines()


def test_sequence_unpickled_first_of_all_brings_the_layer_and_the_feed(
    saved_path: Path, stored: Stored, tmp_path: Path
) -> None:
    """A worker that was spawned imports `keras_npy.sequence` before Keras, and then may train."""
    import pickle

    seq = stored.sequence()
    (tmp_path / "seq").write_bytes(pickle.dumps(seq))
    script = """
import pickle, sys
with open(sys.argv[2], "rb") as file:
    seq = pickle.load(file)
print(seq[0][1].tolist())
from keras.saving import load_model
"""
    printed = run_script(
        f"{script}{USE}\nuse(load_model, sys.argv[1])", saved_path, tmp_path / "seq"
    )
    assert [str(seq[0][1].tolist()), "keras_npy", "PlannedAdapter"] == printed.splitlines()


def test_threads_that_import_at_once_all_find_what_they_ask_for() -> None:
    """None sees a module of ours half-way, nor Keras without our layer."""
    printed = run_script(
        """
import importlib, sys, threading
import keras_npy

def keras_with_layer():
    import keras
    return keras.saving.get_custom_objects()["keras_npy>NpyInputLayer"]

tasks = [lambda name=name: getattr(keras_npy, name) for name in keras_npy.__all__]
tasks += [keras_with_layer] * len(tasks)
barrier, failed = threading.Barrier(len(tasks)), []

def run(task):
    barrier.wait()
    try:
        task()
    except BaseException as error:
        failed.append(repr(error))

threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""
    )
    assert "[]" == printed


@pytest.mark.parametrize("module", ["boundary.wrap", "layer.input_layer", "sequence"])
def test_threads_that_import_keras_and_a_module_of_ours_do_not_fail(module: str) -> None:
    """As where one unpickles. Each ends, and Keras knows us when both have."""
    printed = run_script(
        f"""
        import threading
        import keras_npy
        failed = []

        def run(statement):
            try:
                exec(statement, {{}})
            except BaseException as error:
                failed.append(repr(error))

        statements = "import keras", "import keras_npy.{module}"
        threads = [threading.Thread(target=run, args=(statement,)) for statement in statements]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        import keras
        from keras.src.trainers.data_adapters import get_data_adapter
        print(failed, get_data_adapter.wrapped_by_keras_npy)
        print("keras_npy>NpyInputLayer" in keras.saving.get_custom_objects())
        """
    )
    assert "[] True\nTrue" == printed


# What the source says.


def _imports(path: Path, *, at_top: bool = False) -> set[str]:
    """The packages that a file imports, anywhere or as soon as it is imported."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if at_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


def test_rooms_that_import_keras_do_so_before_their_modules_begin() -> None:
    """Importing Keras imports these modules, of which none may then have begun."""
    rooms = {
        path.parent
        for path in PACKAGE.glob("*/*.py")
        if "keras" in _imports(path, at_top=True) and path.parent.name != "tools"
    }
    assert {"boundary", "callbacks", "feeds", "layer"} == {room.name for room in rooms}
    for room in rooms:
        assert "keras" in _imports(room / "__init__.py", at_top=True), room


def test_imported_packages_are_declared_and_declared_ones_imported() -> None:
    """Of those that are not optional; deptry does not read setup.cfg (0.25)."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    declared = set(re.findall(r"^\w+", setup["options"]["install_requires"], re.MULTILINE))
    optional = {"jax", "torch", "matplotlib", "pillow"}
    extras = "\n".join(setup["options.extras_require"].values())
    assert optional <= set(re.findall(r"^\w+", extras, re.MULTILINE))
    imported = set().union(*(_imports(path) for path in PACKAGE.rglob("*.py")))
    # The package that pillow installs has another name.
    assert declared == imported - set(sys.stdlib_module_names) - optional - {"PIL", "keras_npy"}
