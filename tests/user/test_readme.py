"""What the README says holds: its Python blocks run, and its commands are those of CI."""

import re
from pathlib import Path

import pytest

from tests.conftest import only_on

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


@only_on("tensorflow", "jax", reason="Keras exports no SavedModel")
def test_readme_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a reader who has no files: the second block, and then the first."""
    monkeypatch.chdir(tmp_path)
    use, files = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    session: dict[str, object] = {}
    for block in (files, use):
        exec(compile(block, "README.md", "exec"), session)
    assert (tmp_path / "served" / "saved_model.pb").is_file()


def test_readme_commands_are_complete_lines() -> None:
    """The two commands stand in the README word for word."""
    commands = re.findall(r"^```bash\n(.*?)\n```", README, re.MULTILINE | re.DOTALL)
    make = "python3 -m venv .venv && .venv/bin/pip install"
    assert [
        f"{make} . && .venv/bin/keras-npy demo",
        f'{make} -e ".[test]" && .venv/bin/pytest',
    ] == (commands)


def test_readme_links_lead_to_files() -> None:
    """Its links are relative, so they also work in a copy."""
    paths = re.findall(r"\]\(([^)#]+)", README)
    assert 10 < len(paths)
    assert [] == [path for path in paths if not (ROOT / path).exists()]
