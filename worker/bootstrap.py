"""The one composition root: everything that a process needs, built from the settings when it is first asked for."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
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
from worker.keys import fingerprint, own_key
from worker.lease import Holder
from worker.lifecycle import policy as policies
from worker.lifecycle.policy import Policy, PolicyError
from worker.observing.catalogue import REQUEST_SECONDS
from worker.observing.meter import Meter
from worker.settings import ConfigurationError, Settings
from worker.store import brakes, database, lineage, migrate, models, revisions, streams
from worker.store.people import Scale
from worker.store.revisions import Revision
from worker.store.streams import Load
from worker.sync.apply import apply
from worker.sync.plan import register
from worker.training.refusal import ModelRefused

if TYPE_CHECKING:
    import adbc_driver_postgresql.dbapi as adbc

    from connectors.alerts import AlertSettings
    from connectors.transport import Exchange
    from worker.features.catalogue import Catalogue
    from worker.features.features import Features
    from worker.rescoring.basis import Basis, Trained
    from worker.rescoring.reach import Reach
    from worker.scoring.rules import Ruleset
    from worker.scoring.wording import Wording
    from worker.training.shop import Shop


class NotReady(Exception):
    """The database is not at this version's schema, or holds no policy yet. The text says what to run."""


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
        self._bases: tuple[object, Sequence[Basis]] = (None, ())
        self._models: dict[tuple[str, int], Trained] = {}

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
            register(connection, {source: self.crm(source).streams for source in self.sources}, self.now())
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
            return open_crm(settings, gate=gate, tokens=tokens, observer=self.observe)
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

    def agree(self, goal: str, policy: Policy, before: Policy | None = None) -> None:
        """Raises `PolicyError` where options of sources contradict a policy of the goal, or a CRM has no place for a
        bucket that the one `before` did not have: by source, what is wrong, what there is, and what to do. A CRM that
        cannot be asked now objects to nothing."""
        wrong = list(self.reach.disagreements(policy)) if goal == self.settings.goal else []
        if before is not None and set(policy.bucket_names) - set(before.bucket_names):
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

    def scales(self, connection: Connection) -> Sequence[Scale]:
        """All goals with their newest revisions, the primary one first; a further one that has no policy yet is left
        out, and `status` says so. Raises `NotReady` where the primary one has none."""
        held = [self._scale(connection, goal) for goal in self.settings.goal_names]
        if held[0] is None or not held[0].rules:
            raise NotReady("the database holds no rules or no policy yet: run `leadgauge migrate`")
        return [scale for scale in held if scale is not None]

    def _scale(self, connection: Connection, goal: str) -> Scale | None:
        policy = revisions.current(connection, "policy", goal)
        if policy is None:
            return None
        first = revisions.get(connection, "policy", goal, 1)
        rules = revisions.current(connection, "rules", goal)
        champions, _ = models.champions(connection, goal)
        since = first.created_at if first else None
        return Scale(goal, rules.revision if rules else 0, policy.revision, champions, since)

    def policy(self, connection: Connection, goal: str | None = None) -> Policy:
        """The policy in force for a goal (the primary one). Raises `NotReady`."""
        current = revisions.current(connection, "policy", goal or self.settings.goal)
        if current is None:
            raise NotReady(f"goal {goal or self.settings.goal} has no policy yet: run `leadgauge migrate`")
        return policies.parse(current.body)

    def bases(self) -> Sequence[Basis]:
        """What people are scored by now for each goal, the primary one first; made again only when a revision was
        published or a challenger came or went.

        Raises `NotReady`, and `ModelRefused` for a champion of the primary goal that cannot be used: nobody is scored
        by anything else. A further goal's scores stay as they are then, and its history tells.
        """
        with self.engine.connect() as connection:
            held = [(scale, tuple(models.shadowing(connection, scale.goal))) for scale in self.scales(connection)]
        if self._bases[0] != held:
            bases = []
            for scale, watching in held:
                try:
                    challengers = [trained for number in watching if (trained := self._challenger(scale.goal, number))]
                    bases.append(self.basis_of(scale, challengers))
                except ModelRefused:
                    if not bases:
                        raise
            together = self._together(bases)
            if len(bases) < len(held):  # whoever mends the model waits for no restart
                return together
            self._bases = held, together
        return self._bases[1]

    def _together(self, bases: Sequence[Basis]) -> Sequence[Basis]:
        """With the features of the models of all of them, so that these are built once."""
        used = {feature.name: None for basis in bases if basis.features for feature in basis.features}
        features = self.features.only(used) if used else None
        return [replace(basis, features=features) for basis in bases]

    def basis_of(self, scale: Scale, challengers: Sequence[Trained] = ()) -> Basis:
        """What people were scored by under these revisions. Raises `ModelRefused`."""
        from worker.rescoring.basis import Basis

        with self.engine.connect() as connection:
            rules = revisions.get(connection, "rules", scale.goal, scale.rules)
            policy = revisions.get(connection, "policy", scale.goal, scale.policy)
            _, roster = models.champions(connection, scale.goal, scale.champions)
        assert policy is not None, "revisions are never deleted"
        ruleset = self.read_rules(rules.body, f"rules revision {scale.rules}") if rules else self._no_rules
        champions = {segment: self.model(scale.goal, number) for segment, number in roster.items()}
        _, goal = self.settings.goal_named(scale.goal)
        used = [feature.name for its in (*champions.values(), *challengers) for feature in its.model.features]
        features = self.features.only(dict.fromkeys(used)) if champions or challengers else None
        return Basis(
            scale, ruleset, policies.parse(policy.body), goal, champions, challengers, features,
            primary=scale.goal == self.settings.goal, wording=self.wording,
        )  # fmt: skip

    def drafted(
        self, goal: str, *, policy: Policy | None = None, rules: Ruleset | None = None, model: int | None = None
    ) -> tuple[Basis, Basis]:
        """What scores a goal's people now, and what would with a draft in place of its policy, its rules, or the
        champion of a model's segment. Both have the features of both. Raises `NotReady` and `ModelRefused`."""
        with self.engine.connect() as connection:
            scales = {scale.goal: scale for scale in self.scales(connection)}
        if goal not in scales:
            raise NotReady(f"goal {goal} has no policy yet: run `leadgauge migrate`")
        current = self.basis_of(scales[goal])
        draft = replace(current, policy=policy or current.policy)
        if rules is not None:
            draft = replace(draft, rules=rules, scale=replace(draft.scale, rules=max(1, draft.scale.rules)))
        if model is not None:
            trained = self.model(goal, model)
            draft = replace(draft, champions={**draft.champions, trained.segment: trained})
        used = [f.name for basis in (current, draft) for its in basis.champions.values() for f in its.model.features]
        features = self.features.only(dict.fromkeys(used)) if used else None
        return replace(current, features=features), replace(draft, features=features)

    def model(self, goal: str, number: int) -> Trained:
        """A registered model, checked and loaded once a process. Raises `ModelRefused`, and says so in its history."""
        from worker.rescoring.basis import Trained
        from worker.scoring.rates import Rates
        from worker.training.artefact import check_features, unpack

        if (goal, number) not in self._models:
            what = f"model {number} of goal {goal}"
            with self.engine.connect() as connection:
                artefact = models.stored(connection, goal, number)
                registered = models.get(connection, goal, number)
            if artefact is None or registered is None:
                raise ModelRefused(f"there is no {what}; `leadgauge model list` names those there are")
            try:
                model = unpack(artefact, self.model_key, what)
                check_features(model, {feature.name: feature for feature in self.features}, what)
            except ModelRefused as problem:
                with self.engine.begin() as connection:
                    models.record_unusable(connection, goal, number, str(problem), self.now())
                raise
            converted = registered.manifest.get("data", {}).get("conversions")
            rates = Rates.read(registered.manifest.get("rates"))
            self._models[goal, number] = Trained(number, model, registered.segment, converted, rates)
        return self._models[goal, number]

    def _challenger(self, goal: str, number: int) -> Trained | None:
        """None for one that cannot be used, which its history tells: whoever only watches stops nobody."""
        from worker.training.registry import brought_scale

        try:
            trained = self.model(goal, number)
        except ModelRefused:
            return None
        with self.engine.connect() as connection:
            return replace(trained, brings=brought_scale(connection, goal, number))

    @cached_property
    def features(self) -> Features:
        """All that models may learn from: the shipped features, and the configured attributes that are declared so."""
        from worker.features.features import Features

        return Features.of(self.catalogue, bots_count=not self.settings.filter_bots)

    def shop(self, name: str, overrides: Mapping[str, str]) -> Shop:
        """What a training of a goal works with. Raises `ConfigurationError` for a goal that cannot be read."""
        from worker.store import labels
        from worker.training.shop import Shop

        name, goal = self.settings.goal_named(name)
        goal.check(name, self.catalogue.attributes)
        with self.engine.connect() as connection:
            until, _ = labels.known_until(connection, self.sources, self.now())
        return Shop(
            self.engine, self.arrow, name, goal, self.features, lambda number: self.model(name, number).model,
            self.now, until, self.model_key, overrides, self._basis_now(name),
        )  # fmt: skip

    def _basis_now(self, goal: str) -> Basis | None:
        """What scores a goal's people now; None where its champion cannot be used."""
        with self.engine.connect() as connection:
            scale = next(its for its in self.scales(connection) if its.goal == goal)
        try:
            return self.basis_of(scale)
        except ModelRefused:
            return None

    @property
    def model_key(self) -> str | None:
        """What seals models; kept outside the database."""
        return self.settings.model_key.get_secret_value() if self.settings.model_key else None

    @cached_property
    def catalogue(self) -> Catalogue:
        """The shipped and the configured attributes. Raises `ConfigurationError` for a name that cannot be one."""
        from worker.features.catalogue import Attribute, AttributeType, Catalogue

        custom = {
            name: Attribute(
                AttributeType(its.type), its.label or name, cause=its.cause, stable=its.stable, feature=its.feature
            )
            for name, its in self.settings.attributes.items()
        }
        try:
            return Catalogue.shipped().extended(custom)
        except ValueError as problem:
            raise ConfigurationError(f"attributes: {problem}") from None

    @cached_property
    def wording(self) -> Wording:
        """What reasons are said in, and where they lead. Raises `ConfigurationError` with every mistake of the
        configured file."""
        url = self.settings.console_url
        return replace(self._worded(), link=f"{url}/leads/") if url else self._worded()

    def _worded(self) -> Wording:
        from worker.scoring.document import RulesError
        from worker.scoring.wording import load, shipped

        language, path = self.settings.language, self.settings.wording
        if path is None:
            return shipped(language)
        try:
            text = path.read_text(encoding="utf-8")
            return load(text, str(path), language, [feature.name for feature in self.features])
        except RulesError as mistakes:
            raise ConfigurationError(f"`wording`: {mistakes}") from None
        except (OSError, UnicodeDecodeError) as problem:
            what = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
            raise ConfigurationError(f"`wording` names {path}, which cannot be read: {what}") from None

    def read_rules(self, text: str, file: str) -> Ruleset:
        """Rules over the shipped and the configured attributes. Raises `RulesError`; `file` is for its text."""
        from worker.scoring.rules import load

        catalogue = self.catalogue
        for source in self.settings.sources:
            mapped: Mapping[str, object] = getattr(source, "attributes", {})
            if unknown := sorted(mapped.keys() - catalogue.attributes.keys()):
                raise ConfigurationError(
                    f"source {source.name}: no attribute is named {unknown[0]!r}; declare it under `attributes`, or "
                    f"map one of {', '.join(sorted(catalogue.attributes))}"
                )
        return load(text, file, catalogue)

    @cached_property
    def _no_rules(self) -> Ruleset:
        """Those of a goal that has none: no points, no guardrails."""
        from worker.scoring.rules import Ruleset

        return Ruleset("", "", self.catalogue, 0.0, {}, (), ())

    def migrate(self) -> None:
        """Bring the database to this version, and publish the shipped policy of every goal and the shipped rules of the
        primary one where there are none. What they say of leads holds of no other goal."""
        from worker.scoring.rules import shipped

        try:
            migrate.upgrade(self.engine)
        except migrate.TooNew as problem:
            raise NotReady(str(problem)) from None
        path = self.settings.rules_file
        try:
            body = path.read_text(encoding="utf-8") if path else shipped()
        except (OSError, UnicodeDecodeError) as problem:
            what = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
            raise ConfigurationError(f"`rules_file` names {path}, which cannot be read: {what}") from None
        self.read_rules(body, str(path or "the shipped rules"))
        self.wording  # noqa: B018 - a wrong file is refused here, not by the first score
        first: Mapping[str, object] = {"policy": policies.Policy().model_dump(mode="json"), "rules": body}
        for goal in self.settings.goal_names:
            for table, content in first.items():
                if table == "rules" and goal != self.settings.goal:
                    continue
                with self.engine.begin() as connection:
                    if revisions.current(connection, table, goal) is None:
                        self._publish_first(connection, table, goal, content)

    def _publish_first(self, connection: Connection, table: str, goal: str, content: object) -> Revision | None:
        try:
            return revisions.publish(
                connection, table, goal, content, after=0, author="leadgauge", comment="shipped default",
                now=self.now(),
            )  # fmt: skip
        except revisions.EditConflict:  # two processes migrate at once; either one's is the same
            return None

    def check_schema(self) -> None:
        """Raises `NotReady` when the database is older than this version, or newer than it can follow."""
        with self.engine.connect() as connection:
            try:
                behind = migrate.pending(connection)
            except migrate.TooNew as problem:
                raise NotReady(str(problem)) from None
        if behind:
            raise NotReady("the database is not at this version's schema: run `leadgauge migrate`")

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
