"""Child processes get the settings, are watched, and do not outlive the demo."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from streamproc.demo.children import Child, ChildError, environment, free_port
from streamproc.settings import Settings, load_settings


def test_given_settings_reach_the_children_and_come_out_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = Settings(
        bootstrap_servers="broker:1234",
        topic_prefix="demo.",
        data_dir=tmp_path,
        worker_http_port=0,
        security_protocol="SASL_PLAINTEXT",
        sasl_username="ada",
        sasl_password=SecretStr("secret"),
        filter_seen=True,
    ).model_copy(update={"processing_guarantee": "at_least_once"})
    for name, value in environment(given).items():
        monkeypatch.setenv(name, value)
    assert load_settings().model_dump(exclude={"worker_id"}) == given.model_dump(exclude={"worker_id"})


async def until_ended(child: Child) -> ChildError:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            child.check()
        except ChildError as error:
            return error
        await asyncio.sleep(0.05)
    raise AssertionError("it still runs")


async def test_a_child_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = Child("no-such-command", free_port(), tmp_path, environment(Settings()))
    error = await until_ended(child)
    assert "the no-such-command ended with exit code 2" in str(error)
    assert "No such command" in str(error)
    assert "\n" not in str(error)
    assert any("Usage" in line for line in error.tail)
    await child.end()


async def test_a_child_that_never_becomes_ready_because_it_ends_is_an_error(tmp_path: Path) -> None:
    child = Child("no-such-command", free_port(), tmp_path, environment(Settings()))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ChildError, match="exit code 2"):
            await child.until_ready(session)


async def test_a_child_that_ignores_the_request_to_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = tmp_path / "streamproc.py"
    stubborn.write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)\n"
    )
    monkeypatch.setattr("streamproc.demo.children._END_SECONDS", 0.3)
    folder = tmp_path / "logs"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)  # `python -m streamproc` finds the stand-in first
    child = Child("worker", free_port(), folder, {})
    while "up" not in child.log.read_text():
        child.check()
        await asyncio.sleep(0.02)
    await child.end()
    assert "was killed by signal 9" in str(await until_ended(child))
