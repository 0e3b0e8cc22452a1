"""The small HTTP server of every process: `/metrics`, `/healthz`, `/readyz`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from streamproc.errors import StreamprocError


class HttpServer:
    """Serves metrics and health; an async context manager, or :meth:`start` and :meth:`stop` by hand.

    Parameters
    ----------
    host, port
        Address to bind; port 0 takes any free one, see :attr:`port`.
    registry
        What `/metrics` shows.
    healthy
        Whether the process can go on; false makes `/healthz` answer 503, so that it is restarted.
    ready
        Whether it does its work now (state recovered, partitions assigned); false makes `/readyz` answer 503.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        healthy: Callable[[], bool],
        ready: Callable[[], bool],
    ) -> None:
        self._host = host
        self._port = port
        self._registry = registry
        self._healthy = healthy
        self._ready = ready
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port in use; the real one once started."""
        return self._port

    async def start(self) -> int:
        """Bind and serve; return the port.

        Raises
        ------
        StreamprocError
            If the address cannot be bound.
        """
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._answer(self._healthy, "ok", "failed"))
        app.router.add_get("/readyz", self._answer(self._ready, "ready", "not ready"))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise StreamprocError(
                f"cannot serve metrics on {self._host}:{self._port} ({error.strerror}): choose another port with "
                "STREAMPROC_WORKER_HTTP_PORT or STREAMPROC_TRAINER_HTTP_PORT (0 is any free one)"
            ) from error
        self._runner = runner
        self._port = int(runner.addresses[0][1])
        return self._port

    async def stop(self) -> None:
        """Stop serving; safe to call twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        """Start serving."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop serving."""
        await self.stop()

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    @staticmethod
    def _answer(good: Callable[[], bool], yes: str, no: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(text=f"{yes}\n") if good() else web.Response(text=f"{no}\n", status=503)

        return answer
