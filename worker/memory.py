"""How far a database has counted, as seen from outside: what a restored one cannot know."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

_HIGHEST = """
local held = tonumber(redis.call('GET', KEYS[1]) or 0)
if tonumber(ARGV[1]) > held then redis.call('SET', KEYS[1], ARGV[1]) end
return math.max(held, tonumber(ARGV[1]))
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """Redis, and a file in this machine's `home`: either may be lost, and the other still knows."""

    redis: Redis
    home: Path

    def of(self, name: str) -> int:
        """The most beats of a database that anybody has seen; 0 where nobody has."""
        return max(self._in_redis(name, 0), self._in_file(name))

    def keep(self, name: str, beats: int) -> None:
        """Where it cannot be kept, the next beat is."""
        self._in_redis(name, beats)
        file = self._file(name)
        with suppress(OSError):
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = file.with_name(f"{file.name}.{os.getpid()}")
            draft.write_text(str(beats))
            draft.replace(file)

    def _in_redis(self, name: str, beats: int) -> int:
        try:
            return int(cast(int, self.redis.eval(_HIGHEST, 1, f"leadgauge:beats:{name}", beats)))
        except RedisError:
            return 0

    def _in_file(self, name: str) -> int:
        with suppress(OSError, ValueError):
            return int(self._file(name).read_text())
        return 0

    def _file(self, name: str) -> Path:
        return self.home / f"beats-{name}"
