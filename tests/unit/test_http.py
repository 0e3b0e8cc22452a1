"""The HTTP server: metrics and health, on a port of its own."""

from __future__ import annotations

import socket

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry, Counter

from streamproc.errors import StreamprocError
from streamproc.http import HttpServer


async def fetch(port: int, path: str) -> tuple[int, str]:
    async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_metrics_and_health_follow_the_process() -> None:
    registry = CollectorRegistry()
    Counter("streamproc_things", "Things.", registry=registry).inc(3)
    state = {"healthy": True, "ready": False}
    server = HttpServer("127.0.0.1", 0, registry, lambda: state["healthy"], lambda: state["ready"])
    async with server:
        assert server.port > 0
        status, text = await fetch(server.port, "/metrics")
        assert status == 200
        assert "streamproc_things_total 3.0" in text
        assert await fetch(server.port, "/healthz") == (200, "ok\n")
        assert await fetch(server.port, "/readyz") == (503, "not ready\n")
        state.update(healthy=False, ready=True)
        assert await fetch(server.port, "/healthz") == (503, "failed\n")
        assert await fetch(server.port, "/readyz") == (200, "ready\n")
    await server.stop()


async def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = HttpServer("127.0.0.1", port, CollectorRegistry(), lambda: True, lambda: True)
        with pytest.raises(StreamprocError, match=rf"127\.0\.0\.1:{port} .*STREAMPROC_WORKER_HTTP_PORT") as caught:
            await server.start()
    assert "\n" not in str(caught.value)
