"""Where a person is still found: in every table, every key of Redis, and every file below some directories."""

from __future__ import annotations

import gzip
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine, text


def in_tables(engine: Engine, words: Collection[str]) -> list[str]:
    """Tables with a row that holds one of these texts (in any case), each with the text and how many rows."""
    found = []
    with engine.connect() as connection:
        tables = connection.execute(
            text("SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace")
        ).scalars()
        for table in sorted(tables):
            for word in words:
                holds = f'SELECT count(*) FROM "{table}" AS t WHERE strpos(lower(t::text), lower(:word)) > 0'
                if rows := connection.execute(text(holds), {"word": word}).scalar_one():
                    found.append(f"{table}: {word} ({rows} rows)")
        for name, page in connection.execute(text("SELECT number, report FROM model WHERE report IS NOT NULL")):
            told = gzip.decompress(page).decode()
            found += [f"report of model {name}: {word}" for word in words if word.lower() in told.lower()]
    return found


def in_redis(url: str, words: Collection[str]) -> list[str]:
    """Keys whose name or value holds one of these texts."""
    with redis.Redis.from_url(url) as client:
        return [
            f"{key!r}: {word}"
            for key in client.scan_iter()
            for word in words
            if any(word.lower().encode() in bytes(part).lower() for part in (key, *_parts(client, key)))
        ]


def _parts(client: Any, key: bytes) -> Any:
    match client.type(key):
        case b"string":
            return filter(None, [client.get(key)])
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case b"zset":
            return client.zrange(key, 0, -1)
        case b"hash":
            return [part for pair in client.hgetall(key).items() for part in pair]
    return []


def in_files(places: Iterable[Path], words: Collection[str]) -> list[str]:
    """Files whose bytes hold one of these texts, as UTF-8."""
    return [
        f"{file}: {word}"
        for place in places
        for file in _files(place)
        for word in _words_in(file, words)
    ]  # fmt: skip


def _files(place: Path) -> Iterator[Path]:
    yield from [place] if place.is_file() else (file for file in sorted(place.rglob("*")) if file.is_file())


def _words_in(file: Path, words: Collection[str]) -> list[str]:
    with suppress(OSError):
        body = file.read_bytes().lower()
        return [word for word in words if word.lower().encode() in body]
    return []
