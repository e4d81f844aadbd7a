"""What a webhook delivers to: a server that answers as told and keeps every request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as it came in."""

    headers: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = orjson.loads(self.body)
        return events


@dataclass(slots=True)
class Receiver:
    """`answer(delivery)` is the status of the answer."""

    answer: Callable[[Delivery], int] = lambda delivery: 204
    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, done: Callable[[list[Delivery]], bool]) -> list[Delivery]:
        """The deliveries once they satisfy `done`."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: done(self.deliveries), 10), len(self.deliveries)
            return list(self.deliveries)


@contextmanager
def listening(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            delivery = Delivery(dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
            status = receiver.answer(delivery)
            with receiver.arrived:
                receiver.deliveries.append(delivery)
                receiver.arrived.notify_all()
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """pytest shows what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook?tenant=a%40b"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
