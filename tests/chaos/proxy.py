"""Unix sockets that pass everything on to other ones, until the connections through them are torn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

_PIECE = 65536


class Proxy:
    """Passes on what comes to each socket of `ways` to the socket that it stands for. `reset` closes in mid-sentence,
    as a firewall or a failing switch does; what was said by then may have been passed on, its answer not."""

    def __init__(self, ways: Mapping[Path, Path]) -> None:
        self._ways = ways
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()

    def reset(self) -> int:
        """Tear every connection; returns how many there were."""
        return asyncio.run_coroutine_threadsafe(self._tear(), self._loop).result(10)

    async def _tear(self) -> int:
        torn = list(self._open)
        for writer in torn:
            writer.transport.abort()
        return len(torn)

    async def _listen(self, ready: threading.Event) -> None:
        servers = [
            await asyncio.start_unix_server(partial(self._pass_on, to), path=at, limit=_PIECE)
            for at, to in self._ways.items()
        ]
        ready.set()
        await asyncio.gather(*(server.serve_forever() for server in servers))

    async def _pass_on(self, to: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_unix_connection(to, limit=_PIECE)
        except OSError:  # the server is down: so are we
            writer.transport.abort()
            return
        pair = {writer, back}
        self._open |= pair
        ways = [asyncio.ensure_future(_pump(*way)) for way in ((reader, back), (there, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in pair:
            with suppress(OSError):
                end.close()
        self._open -= pair

    def run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda loop, told: None)  # connections that end with it
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._listen(ready))

    def stop(self) -> None:
        def end() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()

        self._loop.call_soon_threadsafe(end)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()


@contextmanager
def proxied(ways: Mapping[Path, Path]) -> Iterator[Proxy]:
    """A proxy in a thread of its own, listening when this begins."""
    proxy, ready = Proxy(ways), threading.Event()
    thread = threading.Thread(target=proxy.run, args=(ready,), name="proxy", daemon=True)
    thread.start()
    assert ready.wait(10), "the proxy does not listen"
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
