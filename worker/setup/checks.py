"""What may be wrong with an installation: one small function a thing, each from the facts to problems with a fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from connectors.examination import LONGEST_SKEW
from connectors.port import Problem
from worker.setup.facts import Facts, Source

OLDEST_POSTGRESQL, NEWEST_POSTGRESQL = 16, 18
OLDEST_REDIS = (6, 2)
OLDEST_VALKEY = (7, 2)
FEWEST_CONNECTIONS = 10
"""Two workers of two children, beat, trainer and a command, each with some."""
LEAST_ROOM = 1 << 30

Check = Callable[[Facts], Iterator[Problem]]


def database_answers(facts: Facts) -> Iterator[Problem]:
    if facts.database.problem:
        fix = "start it, or correct LEADGAUGE_DATABASE_URL (`database_url`)"
        yield Problem("database", "database", facts.database.problem, fix)


def database_version(facts: Facts) -> Iterator[Problem]:
    major = facts.database.version // 10_000
    if facts.database.version and major < OLDEST_POSTGRESQL:
        fix = f"upgrade it to {OLDEST_POSTGRESQL} to {NEWEST_POSTGRESQL}"
        yield Problem("database_version", "database", f"PostgreSQL {major} is too old", fix)
    elif major > NEWEST_POSTGRESQL:
        fix = f"it may well work; versions {OLDEST_POSTGRESQL} to {NEWEST_POSTGRESQL} are tested"
        yield Problem("database_version", "database", f"PostgreSQL {major} is newer than this version", fix, False)


def database_encoding(facts: Facts) -> Iterator[Problem]:
    if facts.database.encoding != "UTF8":
        what = f"its encoding is {facts.database.encoding}: names of people cannot all be stored"
        yield Problem("database_encoding", "database", what, "make a new one: CREATE DATABASE ... ENCODING 'UTF8'")


def database_durable(facts: Facts) -> Iterator[Problem]:
    if not facts.database.fsync:
        what = "fsync is off: a power cut can destroy all that is stored"
        yield Problem("database_fsync", "database", what, "set fsync = on in postgresql.conf, and reload")


def database_connections(facts: Facts) -> Iterator[Problem]:
    left = facts.database.connections_left
    if left < FEWEST_CONNECTIONS:
        what = f"{max(0, left)} more connections are all that it allows"
        fix = "raise max_connections, or put fewer applications on it"
        yield Problem("database_connections", "database", what, fix, fatal=False)


def database_rights(facts: Facts) -> Iterator[Problem]:
    if not facts.database.owner:
        fix = "GRANT CREATE ON SCHEMA public TO its user, or give it a database of its own"
        yield Problem("database_rights", "database", "its user may not make tables, which each month needs", fix)


def schema(facts: Facts) -> Iterator[Problem]:
    match facts.database.schema:
        case "current":
            return
        case "none":
            fix = "run `leadgauge migrate`; `leadgauge up` does it, too"
            yield Problem("schema", "database", "there are no tables yet", fix, fatal=False)
        case "behind":
            what = "the tables are of an older version; workers do not run on them"
            yield Problem("schema", "database", what, "run `leadgauge migrate`")
        case problem:
            yield Problem("schema", "database", problem, "upgrade Leadgauge on this machine")


def policy(facts: Facts) -> Iterator[Problem]:
    if facts.database.schema == "current" and not facts.database.policy:
        what = "there are no rules or no policy, so nobody can be scored"
        yield Problem("policy", "database", what, "run `leadgauge migrate`, which publishes the shipped ones")


def redis_answers(facts: Facts) -> Iterator[Problem]:
    if facts.redis.problem:
        yield Problem("redis", "redis", facts.redis.problem, "start it, or correct LEADGAUGE_REDIS_URL (`redis_url`)")


def redis_version(facts: Facts) -> Iterator[Problem]:
    its = facts.redis
    oldest = OLDEST_VALKEY if its.kind == "Valkey" else OLDEST_REDIS
    if its.version and its.version < oldest:
        what = f"{its.kind} {_dotted(its.version)} is too old"
        yield Problem("redis_version", "redis", what, f"upgrade it to {_dotted(oldest)} or newer")


def redis_eviction(facts: Facts) -> Iterator[Problem]:
    if facts.redis.eviction not in ("", "noeviction"):
        what = f"maxmemory-policy is {facts.redis.eviction}: short of memory, it deletes messages and counters"
        yield Problem("redis_eviction", "redis", what, "set maxmemory-policy noeviction")


def broker(facts: Facts) -> Iterator[Problem]:
    if facts.redis.broker:
        fix = "correct LEADGAUGE_BROKER_URL (`broker_url`), or leave it out: then it is that of Redis"
        yield Problem("broker", "redis", f"the broker's address cannot be used: {facts.redis.broker}", fix)


def clocks(facts: Facts) -> Iterator[Problem]:
    servers: list[tuple[str, timedelta | None]] = [
        ("database", facts.database.ahead), ("redis", facts.redis.ahead),
        *((its.name, its.examination.ahead) for its in facts.sources if its.examination),
    ]  # fmt: skip
    for where, ahead in servers:
        if ahead is not None and abs(ahead) > LONGEST_SKEW:
            far = f"{abs(ahead).total_seconds():,.0f} seconds {'ahead of' if ahead > timedelta(0) else 'behind'}"
            fix = "synchronise both machines' clocks (NTP): scores age by them"
            yield Problem("clock", where, f"its clock is {far} this machine's", fix, fatal=False)


def embedded_servers(facts: Facts) -> Iterator[Problem]:
    """They are for trying things out: on one disk of one machine, without backups."""
    real = [its.name for its in facts.sources if not its.practice and its.kind != "files"]
    own = [name for name, its in (("PostgreSQL", facts.database), ("Valkey", facts.redis)) if its.embedded]
    if real and own:
        what = (
            f"the embedded {' and '.join(own)} {'serve' if len(own) > 1 else 'serves'} a real CRM ({', '.join(real)})"
        )
        fix = "give it servers that are backed up: LEADGAUGE_DATABASE_URL, LEADGAUGE_REDIS_URL (docs/setup.md)"
        yield Problem("embedded", "servers", what, fix, fatal=False)


def home(facts: Facts) -> Iterator[Problem]:
    its = facts.host
    if not its.writable:
        yield Problem("home", str(its.home), "cannot be written to", "make it writable, or name another `home`")
    if its.room is not None and its.room < LEAST_ROOM:
        what = f"{its.room / (1 << 20):,.0f} MiB are left on its disk"
        yield Problem("disk", str(its.home), what, "free space, or name a `home` on another disk")


def memory(facts: Facts) -> Iterator[Problem]:
    its = facts.host
    if its.memory is not None and its.training_memory > its.memory:
        what = f"a training may take {its.training_memory:,} MiB, and this machine has {its.memory:,}"
        yield Problem("memory", "training_memory", what, f"set it to {its.memory // 2} or less", fatal=False)


def any_source(facts: Facts) -> Iterator[Problem]:
    if not facts.sources:
        fix = "run `leadgauge init`, or add one under `sources` (docs/setup.md)"
        yield Problem("no_source", "configuration", "no CRM account is configured", fix)


def secrets(facts: Facts) -> Iterator[Problem]:
    for its in facts.sources:
        if its.secrets:
            yield Problem("secret", its.name, its.secrets, "put it there, or name another place for it")
        for file in its.open_files:
            fix = f"chmod 600 {file}, and replace the secret if others have accounts here"
            yield Problem("secret_open", its.name, f"everybody on this machine can read {file}", fix, fatal=False)


def opening(facts: Facts) -> Iterator[Problem]:
    for its in facts.sources:
        if its.unusable:
            yield Problem("unusable", its.name, its.unusable, "correct the configuration, then run `leadgauge doctor`")


def accounts(facts: Facts) -> Iterator[Problem]:
    for its in facts.sources:
        yield from its.examination.problems if its.examination else ()


def same_account(facts: Facts) -> Iterator[Problem]:
    """Two sources that write the same fields overwrite each other for ever."""
    known: dict[tuple[str, str], Source] = {}
    for its in facts.sources:
        identity = (its.kind, its.examination.identity if its.examination else "")
        if identity[1] and identity in known:
            what = f"is the same account as {known[identity].name}: both would read it and write to it"
            yield Problem("same_account", its.name, what, "take one of them out of `sources`")
        known.setdefault(identity, its)


def strange_sources(facts: Facts) -> Iterator[Problem]:
    for name in facts.work.strange:
        what = "has records in the database and is not configured; if it was renamed, all is read and written anew"
        yield Problem("source_gone", name, what, "give the source its old name, or let it rest", fatal=False)


def writing_held(facts: Facts) -> Iterator[Problem]:
    for source, since, author, reason in facts.work.paused:
        what = f"writing is paused since {since:%Y-%m-%d %H:%M} UTC by {author}: {reason}"
        fix = f"leadgauge resume{f' --source {source}' if source else ''}, when that is over"
        yield Problem("paused", source or "all sources", what, fix, fatal=False)
    for its in facts.sources:
        if its.dry_run:
            fix = f"take `writes.dry_run` of {its.name} out of the configuration to begin writing"
            yield Problem("dry_run", its.name, "nothing is written to it: it is a dry run", fix, fatal=False)


def empty_buckets(facts: Facts) -> Iterator[Problem]:
    for goal, bucket in facts.work.empty:
        what = f"nobody was in the bucket {bucket} for 30 days"
        fix = "see the distribution (`leadgauge policy capacity`), then move the bucket or the scale"
        yield Problem("bucket_empty", f"goal {goal}", what, fix, fatal=False)


def seal(facts: Facts) -> Iterator[Problem]:
    if facts.work.models and not facts.work.sealed:
        what = "models are not sealed: whoever can write to the database can replace one"
        fix = "set LEADGAUGE_MODEL_KEY (openssl rand -hex 32) and train anew"
        yield Problem("model_key", "model_key", what, fix, fatal=False)


CHECKS: Sequence[Check] = (
    database_answers, database_version, database_encoding, database_durable, database_connections, database_rights,
    schema, policy, redis_answers, redis_version, redis_eviction, broker, clocks, home, memory, any_source, secrets,
    opening, accounts, same_account, embedded_servers, strange_sources, writing_held, empty_buckets, seal,
)  # fmt: skip


def problems(facts: Facts) -> Sequence[Problem]:
    """All of them, what stops the work first."""
    found = [problem for check in CHECKS for problem in check(facts)]
    return sorted(found, key=lambda problem: not problem.fatal)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
