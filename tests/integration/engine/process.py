"""A worker process with the counting processor, to be killed: ``python process.py SETTINGS.json [PAUSE]``."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamproc.engine import Engine, EngineError
from streamproc.settings import Settings
from tests.integration.engine.counting import INPUTS, STATE, Counting

ROOT = Path(__file__).parents[3]


async def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings.model_validate_json(Path(sys.argv[1]).read_text())
    processor = Counting(settings, pause=float(sys.argv[2]))
    engine = Engine(settings, [settings.topic(name) for name in INPUTS], settings.topic(STATE), processor)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, engine.stop)
    try:
        await engine.run()
    except EngineError as error:
        sys.exit(f"error: {error}")


class Worker:
    """Such a process."""

    def __init__(self, settings: Settings, folder: Path, pause: float = 0.0) -> None:
        file = folder / "settings.json"
        file.write_text(settings.model_dump_json())
        command = [sys.executable, "-m", "tests.integration.engine.process", str(file), str(pause)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def check(self) -> None:
        """Fail, with what it said, if it has ended."""
        if self.process.poll() is not None:
            pytest.fail(f"the worker ended: {self.end()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> tuple[int, str]:
        """Send a signal if given, wait, return the exit code and what was written to stderr."""
        if number is not None:
            self.signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


if __name__ == "__main__":
    asyncio.run(main())
