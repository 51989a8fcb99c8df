"""The application, asked without a socket."""

from __future__ import annotations

__all__ = ["Client"]

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from typing import Any

import httpx

from server.app import App


class Client:
    """Asks the application over ASGI from tests that are not async; it runs on an event loop in a thread."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="asgi", daemon=True)
        self.thread.start()
        self.run(app.startup())
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost:5000", headers={"accept-encoding": "identity"})

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def request(self, method: str, url: str, **more: Any) -> httpx.Response:
        response: httpx.Response = self.run(self.http.request(method, url, **more))
        return response

    def get(self, url: str, *, key: str | None = None, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        own = {"x-api-key": key} if key else {}
        return self.request("GET", url, headers={**own, **(headers or {})}, **more)

    def json(self, url: str, **more: Any) -> Any:
        response = self.get(url, **more)
        assert response.status_code == 200, (response.status_code, response.text[:500])
        return response.json()

    def close(self) -> None:
        self.run(self.http.aclose())
        self.run(self.app.shutdown())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
