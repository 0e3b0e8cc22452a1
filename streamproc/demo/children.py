"""The worker and the trainer as child processes: started, watched, ended."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from streamproc.errors import StreamprocError
from streamproc.settings import PREFIX, Settings

_READY_SECONDS = 240.0
_END_SECONDS = 10.0


class ChildError(StreamprocError):
    """A child process ended, or did not become ready.

    Attributes
    ----------
    tail : list of str
        The last lines of its log.
    """

    def __init__(self, message: str, tail: list[str]) -> None:
        super().__init__(message)
        self.tail = tail


def environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with the settings that were given, whatever their source, as variables."""
    given = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if value is not None:
            given[PREFIX + name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return {**os.environ, **given}


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Child:
    """One process of ours.

    Parameters
    ----------
    command : str
        ``worker`` or ``trainer``.
    port : int
        Of its HTTP server.
    folder : Path
        Where its log goes.
    variables : mapping
        Its environment.
    """

    def __init__(self, command: str, port: int, folder: Path, variables: Mapping[str, str]) -> None:
        self.command = command
        self.log = folder / f"{command}.log"
        self._url = f"http://127.0.0.1:{port}"
        with self.log.open("wb") as log:
            # Its own session: Ctrl-C on the terminal is for the demo alone, which then ends its children in order.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamproc", command],
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Verify that it runs.

        Raises
        ------
        ChildError
            If it has ended; the message tells how, and what the process said last.
        """
        code = self._process.poll()
        if code is not None:
            how = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
            tail = self._tail()
            raise ChildError(f"the {self.command} {how}; its last line: {tail[-1] if tail else '(none)'}", tail)

    async def get(self, session: aiohttp.ClientSession, path: str) -> str | None:
        """Ask its HTTP server; None if it does not answer, or not with 200."""
        try:
            async with session.get(self._url + path, timeout=aiohttp.ClientTimeout(total=5)) as answer:
                return await answer.text() if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def until_ready(self, session: aiohttp.ClientSession) -> None:
        """Wait for `/readyz`.

        Raises
        ------
        ChildError
            If it ends before, or takes too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while await self.get(session, "/readyz") is None:
            self.check()
            if time.monotonic() > deadline:
                raise ChildError(f"the {self.command} was not ready after {_READY_SECONDS:.0f} s", self._tail())
            await asyncio.sleep(0.1)

    async def end(self) -> None:
        """Ask it to stop, and make it stop when it does not."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, _END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)

    def _tail(self, lines: int = 20) -> list[str]:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return [line for line in text.splitlines() if line.strip()][-lines:]
