"""The one composition root: everything that a process needs, built from the settings when it is first asked for."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import Connection, Engine

from connectors.brakes import Brakes
from connectors.catalog import SourceSettings, open_crm
from connectors.port import Crm, Page
from connectors.quota import Gate, Lane, OpenGate, RedisGate, Standing
from connectors.records import Deletion, ScoreField
from connectors.tokens import MemoryTokens, RedisTokens, Tokens
from worker import embedded
from worker.goals import Goals
from worker.keys import fingerprint, own_key
from worker.lease import Holder
from worker.lifecycle.policy import Policy, PolicyError, strangers
from worker.observing.catalogue import REQUEST_SECONDS
from worker.observing.meter import Meter
from worker.settings import ConfigurationError, Settings, told
from worker.store import brakes, database, lineage, migrate, streams
from worker.store.streams import Load
from worker.sync.apply import apply
from worker.sync.plan import register
from worker.vocabulary import Vocabulary

if TYPE_CHECKING:
    import adbc_driver_postgresql.dbapi as adbc

    from connectors.alerts import AlertSettings
    from connectors.transport import Exchange
    from worker.rescoring.reach import Reach


@dataclass(frozen=True)
class Addresses:
    """Where the servers are. `broker` is Redis as Celery wants it written."""

    database: str
    redis: str
    broker: str


class Process:
    """What one process works with. Build it after the fork; close it at the end."""

    def __init__(self, settings: Settings, role: str = "command") -> None:
        self.settings = settings
        # A command counts only where it uses Redis anyway: one that looks what is wrong must not wait for it.
        self.meter = Meter(lambda: self.__dict__.get("redis") if role == "command" else self.redis, role)
        self._crms: dict[str, Crm] = {}

    def now(self) -> datetime:
        """The clock: the wall's, or the one that the settings hold."""
        return self.settings.clock or datetime.now(UTC)

    @cached_property
    def holder(self) -> Holder:
        """This process as a taker of leases, by a name that people can read."""
        return Holder(self.engine, f"{socket.gethostname()}:{os.getpid()}", self.now, self.settings.lease)

    @cached_property
    def addresses(self) -> Addresses:
        """The configured servers, or the embedded ones, started if need be. Raises `EmbeddedError`."""
        database, redis, broker = (
            url.get_secret_value() if url is not None else None
            for url in (self.settings.database_url, self.settings.redis_url, self.settings.broker_url)
        )
        if "" in (database, redis):  # a variable that was meant to hold one: not a wish for servers of our own
            raise ConfigurationError("LEADGAUGE_DATABASE_URL and LEADGAUGE_REDIS_URL: unset what is empty, or fill it")
        if database is None or redis is None:
            own = embedded.start(self.settings.home)
            database, broker = database or own.database_url, broker or redis or own.broker_url
            redis = redis or own.redis_url
        return Addresses(database, redis, broker or redis)

    @cached_property
    def engine(self) -> Engine:
        """PostgreSQL. Raises `DatabaseError` when it cannot be reached."""
        engine = database.connect(self.addresses.database)
        database.ping(engine)
        return engine

    @cached_property
    def arrow(self) -> adbc.Connection:
        """PostgreSQL again, for reading columns."""
        from worker.store.arrow import open_arrow

        return open_arrow(database.libpq(self.engine))

    @cached_property
    def redis(self) -> Redis:
        """Not connected yet. Raises `ConfigurationError` for a broken URL."""
        try:
            return Redis.from_url(
                self.addresses.redis,
                socket_timeout=10,
                socket_connect_timeout=5,
                health_check_interval=25,
                retry=Retry(NoBackoff(), 1),  # the default keeps a caller three seconds at a closed door
            )
        except ValueError as problem:
            raise ConfigurationError(
                f"LEADGAUGE_REDIS_URL is not understood: {problem}; write redis://HOST:6379/0"
            ) from None

    def ping_redis(self) -> None:
        """Raises `RedisError` when Redis does not answer, `ConfigurationError` for a broken URL."""
        try:
            self.redis.ping()
        except RedisError as problem:
            what = " ".join(str(problem).split()).removesuffix(".")
            raise RedisError(f"does not answer: {what}. Start it, or correct LEADGAUGE_REDIS_URL") from None

    def ping_broker(self) -> None:
        """Raises `RedisError` when the broker does not answer, `ValueError` for an address that is none."""
        self._broker.ping()

    @cached_property
    def _tokens(self) -> RedisTokens:
        """Encrypted in any case: under the configured keys, or under one of this machine's own."""
        if keys := self.settings.token_keys:
            return RedisTokens(self.redis, keys)
        try:
            own = own_key(self.settings.home)
        except OSError as problem:
            raise ConfigurationError(
                f"the key of CRM tokens cannot be kept in {self.settings.home} ({problem.strerror}): set "
                "LEADGAUGE_TOKEN_KEY, or a `home` that is writable"
            ) from None
        return RedisTokens(self.redis, [own], apart=f"{fingerprint(own)}:")

    @cached_property
    def _gate(self) -> RedisGate:
        return RedisGate(self.redis, {source.name: source.budget for source in self.settings.sources})

    @cached_property
    def registered(self) -> bool:
        """Every configured stream has its row, those that an upgrade or the configuration added too; once a process."""
        with self.engine.begin() as connection:
            dry_runs = [source for source in self.sources if self.brakes(source).dry_run]
            register(connection, {source: self.crm(source).streams for source in self.sources}, self.now(), dry_runs)
        return True

    def pace(self, source: str, every: timedelta) -> timedelta:
        """How often the day's calls let a stream be read that asks for `every`: the others' looks in that time count
        too, each as often as it asks itself."""
        looks = sum(every / stream.every for stream in self.crm(source).streams)
        return self._gate.pace(source, every, math.ceil(looks))

    def standing(self, source: str) -> Standing | None:
        """The day's calls as the CRM last told them, everyone's included; None before it told any."""
        return self._gate.standing(source)

    def forecast(self, load: Load) -> datetime | None:
        """When a first read will be through: at the pace it had, and not before the day's calls allow it. None while
        its size is not known, or it has brought nothing yet."""
        at_its_pace = load.at_its_pace(self.now())
        if at_its_pace is None or load.left is None:
            return None
        in_calls = self._gate.forecast(load.source, load.left, max(1, load.rows // load.pages))
        standing = self.standing(load.source)
        parked = [lot.parked_until for lot in standing.lots if lot.lane == Lane.BACKFILL] if standing else []
        return max(filter(None, (at_its_pace, in_calls, *parked)))

    def crm(self, source: str) -> Crm:
        """The connector of a source, opened once a process. Raises `ConfigurationError` for an unknown one."""
        if source not in self._crms:
            settings = next((s for s in self.settings.sources if s.name == source), None)
            if settings is None:
                raise ConfigurationError(
                    f"no source is named {source!r}; there are: {', '.join(self.sources) or 'none'}"
                )
            self._crms[source] = self.open(settings)
        return self._crms[source]

    def open(self, settings: SourceSettings, *, alone: bool = False) -> Crm:
        """A connector for settings of the caller's own, who closes it. `alone`: without Redis, and so without the quota
        and the tokens that all processes share. Raises `ConfigurationError`."""
        gate: Gate = OpenGate() if alone else self._gate
        tokens: Tokens = MemoryTokens() if alone else self._tokens
        try:
            return open_crm(settings, gate=gate, tokens=tokens, observer=self.observe, clock=self.now)
        except OSError as problem:
            raise ConfigurationError(
                f"{settings.name}: ca_bundle {settings.ca_bundle} is no readable PEM file: {problem.strerror}"
            ) from None

    def observe(self, exchange: Exchange) -> None:
        """Told of every request to a CRM and how long it took."""
        status = exchange.status
        said = "none" if status is None else "429" if status == 429 else f"{status // 100}xx"
        self.meter.time(REQUEST_SECONDS, exchange.seconds, exchange.source, said)

    def brakes(self, source: str) -> Brakes:
        """How writing to a source is held back by the configuration."""
        return next(its.writes for its in self.settings.sources if its.name == source)

    def crowded(self, source: str) -> bool:
        """Whether the source should leave the next hand to another, see `streams.crowded`."""
        if len(self.sources) == 1:
            return False
        with self.engine.connect() as connection:
            return streams.crowded(connection, source, self.sources, self.now())

    def queued(self, queue: str) -> int:
        """How many messages wait in a queue of the broker; 0 where it cannot be asked, which whoever sends will see."""
        try:
            return int(self._broker.llen(queue))
        except RedisError:
            return 0

    @cached_property
    def _broker(self) -> Redis:
        url = self.addresses.broker
        if url.startswith("redis+socket://"):  # as Celery spells a unix socket
            path, _, query = url.removeprefix("redis+socket://").partition("?")
            url = f"unix://{path}?db={dict(parse_qsl(query)).get('virtual_host', '0')}"
        return Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 1))

    def held(self, connection: Connection) -> Collection[str]:
        """The sources that nothing is written to now: by a dry run, by a person's pause, or after a restore until
        everything was compared."""
        stopped = {pause.source for pause in brakes.pauses(connection)}.union(lineage.unproved(connection))
        return [
            source for source in self.sources
            if brakes.ALL in stopped or source in stopped or self.brakes(source).dry_run
        ]  # fmt: skip

    @property
    def sources(self) -> Sequence[str]:
        return [source.name for source in self.settings.sources]

    @cached_property
    def writable(self) -> Mapping[str, frozenset[ScoreField]]:
        """By source, the score fields that it has a place for."""
        return {
            source.name: frozenset(field for field, name in source.fields.items() if name is not None)
            for source in self.settings.sources
        }

    @cached_property
    def reach(self) -> Reach:
        """What decisions reach in the CRMs beside the score fields."""
        from worker.rescoring.reach import Reach

        sources = self.settings.sources
        alerts = {source.name: source.alert for source in sources if source.alert is not None}
        return Reach({source.name: source.followers for source in sources if source.followers}, alerts)

    def agree(self, goal: str, policy: Policy, before: Policy) -> None:
        """Raises `PolicyError` where options of sources contradict a policy of the goal, where it reads an attribute
        that there is not, or a CRM has no place for a bucket that the one `before` did not have: what is wrong, what
        there is, and what to do. A CRM that cannot be asked now objects to nothing."""
        wrong = [told(*its) for its in self.reach.disagreements(policy)] if goal == self.settings.goal else []
        known = self.vocabulary.catalogue.attributes
        held = strangers(before, known)
        wrong += [str(problem) for problem in strangers(policy, known) if problem not in held]
        if set(policy.bucket_names) - set(before.bucket_names):
            for source in self.sources:
                problems = self.crm(source).check(policy.bucket_names)
                lacking = (its for its in problems if its.code == "picklist_value_missing")
                wrong += [f"buckets: {its.where}: {its.what}; {its.fix}, then publish again" for its in lacking]
        if wrong:
            raise PolicyError("\n".join(wrong))

    def alert(self, source: str) -> AlertSettings | None:
        """What owners of a source's records are told, if anything."""
        return next((its.alert for its in self.settings.sources if its.name == source), None)

    def forget(self, connection: Connection, deletions: Sequence[Deletion], now: datetime) -> None:
        """Treat records as gone or merged, as if a pull had told."""
        apply(connection, Page(cursor={}, done=True, deletions=deletions), now)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What rules, models and reasons are written in."""
        return Vocabulary(self.settings)

    @cached_property
    def goals(self) -> Goals:
        """What people are scored by."""
        return Goals(self.settings, self.vocabulary, self.engine, self.now)

    def migrate(self) -> None:
        """Bring the database to this version, with the policies and rules that there must be. Raises `NotReady` for a
        database that is newer than this version can follow."""
        migrate.upgrade(self.engine)
        self.goals.begin()

    def check_schema(self) -> None:
        """Raises `NotReady` when the database is older than this version, or newer than it can follow."""
        with self.engine.connect() as connection:
            behind = migrate.pending(connection)
        if behind:
            raise migrate.NotReady("the database is not at this version's schema: run `leadgauge migrate`")

    def reconnect(self) -> None:
        """Open the columns' connection anew when it is next asked for: unlike the engine's pool it does not heal."""
        if (arrow := self.__dict__.pop("arrow", None)) is not None:
            with suppress(Exception):
                arrow.close()

    def close(self) -> None:
        for crm in self._crms.values():
            crm.close()
        if "redis" in self.__dict__:
            self.meter.leave()
        if "arrow" in self.__dict__:
            self.arrow.close()
        if "engine" in self.__dict__:
            self.engine.dispose()
        for client in ("redis", "_broker"):
            if client in self.__dict__:
                self.__dict__[client].close()
