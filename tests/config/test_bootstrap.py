"""`make setup`: installs once, begins again after a cut, and says how to mend what it can't."""

import subprocess
import sys
from pathlib import Path

import pytest

from config import bootstrap


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with lock files that bootstrap takes for the project."""
    (tmp_path / "requirements").mkdir()
    for name in ("run.txt", "test.txt", "demo.txt"):
        (tmp_path / "requirements" / name).write_text("")
    for name in ("package.json", "package-lock.json"):
        (tmp_path / name).write_text("{}")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(bootstrap, "MODULES", tmp_path / "node_modules")
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", sorted((tmp_path / "requirements").glob("*.txt")))
    return tmp_path


@pytest.fixture
def commands(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be run; nothing is. Making .venv and node_modules is played by making the folders."""
    ran: list[str] = []

    def run(command: list[str], complaint: str) -> None:
        ran.append(" ".join(command))
        (project / "node_modules").mkdir(exist_ok=True)

    def make_venv() -> None:
        ran.append("make venv")
        (project / ".venv" / "bin").mkdir(parents=True)
        (project / ".venv" / "bin" / "python").symlink_to(sys.executable)

    monkeypatch.setattr(bootstrap, "_run", run)
    monkeypatch.setattr(bootstrap, "_make_venv", make_venv)
    monkeypatch.setattr(sys, "argv", ["bootstrap.py"])
    return ran


def test_second_setup_does_nothing_and_a_changed_lock_file_installs_again(project: Path, commands: list[str]) -> None:
    bootstrap.main()
    assert [
        word for word in ("make venv", "--require-hashes", "ci --ignore-scripts") if word in "\n".join(commands)
    ] == [
        "make venv",
        "--require-hashes",
        "ci --ignore-scripts",
    ]
    commands.clear()
    bootstrap.main()
    assert commands == []
    (project / "requirements" / "demo.txt").write_text("# newer")
    bootstrap.main()
    assert len(commands) == 1
    assert "pip install" in commands[0]


def test_setup_that_was_cut_short_begins_again(
    project: Path, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_command: list[str], _complaint: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bootstrap, "_run", cut)
        bootstrap.main()
    commands.clear()
    bootstrap.main()
    assert "pip install" in commands[0]


def test_python_without_venv_is_told_how_to_mend_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        bootstrap._make_venv()


def test_old_python_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer"):
        bootstrap._need_a_recent_python()


def test_bootstrap_needs_nothing_but_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", bootstrap.__file__, "--help"], capture_output=True, text=True, check=True
    )
    assert "Install everything into .venv" in done.stdout
