"""What is imported when: Keras by those who use it, our layer and feed with Keras, in any order."""

import ast
import configparser
import re
import sys
from pathlib import Path

import keras_npy

PACKAGE = Path(keras_npy.__file__).parent
ROOT = PACKAGE.parent

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


def test_imported_packages_are_declared_and_declared_ones_imported() -> None:
    """Of those that are not optional; deptry does not read setup.cfg (0.25)."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    declared = set(re.findall(r"^\w+", setup["options"]["install_requires"], re.MULTILINE))
    optional = {"jax", "torch"}
    assert optional <= set(setup["options.extras_require"])
    imported = set().union(*(_imports(path) for path in PACKAGE.rglob("*.py")))
    assert declared == imported - set(sys.stdlib_module_names) - optional - {"keras_npy"}
