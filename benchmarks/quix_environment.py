"""Quix Streams in an environment of its own: it pins older versions of clients that streamproc shares."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(sys.prefix) / "quix"
_PROJECT = Path(__file__).parents[1] / "pyproject.toml"


class Environment(NamedTuple):
    """An interpreter, and why it cannot be used, in one line, if so."""

    python: str
    problem: str = ""


def prepare() -> Environment:
    """Install Quix Streams unless it is there."""
    python = _FOLDER / "bin" / "python"
    if not _has_it(python):
        requirements = tomllib.loads(_PROJECT.read_text())["project"]["optional-dependencies"]["bench"]
        venv.create(_FOLDER, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines() or ["no message"]
            return Environment(str(python), f"not installed: {last[-1][:200]}")
    return Environment(str(python))


def _has_it(python: Path) -> bool:
    command = [str(python), "-W", "ignore", "-c", "import quixstreams"]
    return python.exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0
