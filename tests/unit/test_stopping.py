"""A process that does not come to its end by itself."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("calls", "line"),
    [
        ("arm(0.1)", "Error: no orderly end within 0 s; is the broker gone?"),
        ("arm(0.1, ValueError('fenced'))", "Error: fenced; no orderly end within 0 s; is the broker gone?"),
        ("arm(0.1, ValueError('fenced')); it.arm(60)", "Error: fenced; no orderly end within 0 s; is the broker gone?"),
        ("arm(0.1); it.arm(60, ValueError('fenced'))", "Error: fenced; no orderly end within 0 s; is the broker gone?"),
    ],
    ids=["asked", "failed", "failed, then asked", "asked, then failed"],
)
def test_the_last_resort_ends_it_with_one_line_that_tells_the_error(calls: str, line: str) -> None:
    hung = f"import threading; from streamproc.stopping import LastResort; it = LastResort(); it.{calls}; "
    command = [sys.executable, "-c", hung + "threading.Thread(target=threading.Event().wait).start()"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1


def test_once_disarmed_it_stays_so() -> None:
    calls = "it = LastResort(); it.arm(0.1); it.disarm(); it.arm(0.1); time.sleep(0.5)"
    command = [sys.executable, "-c", f"import time; from streamproc.stopping import LastResort; {calls}"]
    assert subprocess.run(command, timeout=30, check=False).returncode == 0
