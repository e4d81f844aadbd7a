"""The oracle of every fault test: a database that has seen none of it reads the CRMs from nothing, and agrees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, text

from connectors.records import ScoreField
from connectors.salesforce.settings import CONTRACT
from tests.chaos.conftest import Product
from tests.chaos.primary import ENGAGEMENTS, HUBSPOT, SALESFORCE, WHO, Primary, same
from worker.lifecycle.evidence import Evidence
from worker.lifecycle.policy import parse
from worker.lifecycle.stage import Position, decide
from worker.store.people import JOINED

NEUTRAL = (
    "materiality.points=0", "mql.leave=70", "mql.cooldown_days=0", "mql.max_entries=100", "bucket_hysteresis=0",
)  # fmt: skip
"""A policy without materiality and hysteresis: what is desired depends on the facts alone."""
HISTORY = {"mql_date", "scored_at", "version", "stage"}
"""What depends on when a person was first scored so, and what they were before: no other database can know it."""


def numbers(engine: Engine, query: str, **parameters: object) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(query), parameters).scalar_one())


def read_from_nothing(product: Product, url: str, held: str) -> None:
    """Fill the empty database at `url` from the CRMs as they are, with the clock at `held`."""
    fresh = {"LEADGAUGE_DATABASE_URL": url, "LEADGAUGE_CLOCK": held}
    for command in (("migrate",), ("policy", "set", *NEUTRAL), ("sync", "--once")):
        run = product.run(*command, **fresh)
        assert run.code == 0 or command[0] == "sync", run.said


def assert_nothing_to_write(url: str, but: Collection[tuple[str, str, str]] = (), least: int = 100) -> None:
    """Whatever the database at `url` intends or has intended is what the CRMs held when it read them, `but` for records
    (source, object, id) that are known to refuse it."""
    other = create_engine(url, poolclass=NullPool)
    with other.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT s.source, s.object, s.key, l.values, r.written FROM ledger l
            JOIN subject s ON s.id = l.subject_id JOIN record r ON r.subject_id = s.id
            """)
        ).all()
    wrong = {
        (row.source, row.object, row.key): {
            name: (row.written.get(name), value)
            for name, value in row.values.items()
            if name not in HISTORY and (row.written.get(name) or None) != (value or None)
        }
        for row in rows
    }
    wrong = {record: fields for record, fields in wrong.items() if fields and record not in but}
    assert not wrong, f"{len(wrong)} of {len(rows)} records, (held, should be): {list(wrong.items())[:3]}"
    everyone = "SELECT count(*) FROM subject s JOIN record r ON r.subject_id = s.id AND r.state = 'open'"
    assert numbers(other, everyone) > least


def contradicted(engine: Engine) -> set[tuple[str, str, str]]:
    """Records of people of whom two records say different things. Which of them is believed depends on which was
    changed last, and when that was only who was there can know."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
            SELECT s.source, s.object, s.key FROM subject s WHERE s.person_id IN (
                SELECT o.person_id FROM subject o JOIN record r ON r.subject_id = o.id AND r.deleted_at IS NULL,
                     LATERAL jsonb_each_text(r.attributes) a WHERE r.kind = 'person'
                GROUP BY o.person_id, a.key HAVING count(DISTINCT a.value) > 1)
            """)
        )
        return {(row.source, row.object, row.key) for row in rows}


def assert_stages_are_the_fold(engine: Engine) -> None:
    """Every stage is what the recorded inputs of its decisions lead to, one after the other."""
    held: dict[int, Position] = {}
    with engine.connect() as connection:
        published = connection.execute(text("SELECT revision, body FROM policy"))
        policies = {row.revision: parse(row.body) for row in published}
        moves = connection.execute(text("SELECT * FROM transition ORDER BY at, person_id"))
        for move in moves:
            if move.cause.startswith(JOINED):  # who became one with another took over that one's past
                held[move.person_id] = held[int(move.cause.removeprefix(JOINED))]
                continue
            evidence = Evidence.read(move.evidence)
            before = held.get(move.person_id) if move.from_stage is not None else None
            after = decide(before, move.score, evidence, policies[move.policy_revision], move.at)
            assert (after.stage, after.memory()) == (move.to_stage, move.memory), f"person {move.person_id}, {move.at}"
            held[move.person_id] = after
        stands = connection.execute(text("SELECT person_id, stage, stage_since, mql_at, memory FROM score")).all()
    for row in stands:
        assert held[row.person_id] == Position.remembered(row.stage, row.stage_since, row.mql_at, row.memory)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database knows, without its own numbers and times: comparable with what another one knows."""

    records: Counter[tuple[Any, ...]]
    people: Counter[tuple[str, ...]]
    activities: Counter[tuple[Any, ...]]
    outcomes: Counter[tuple[Any, ...]]


_LIVING = "SELECT s.* FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL"
_NAMED = f"""
    WITH living AS ({_LIVING}),
    named AS (SELECT person_id, array_agg(concat_ws('/', source, object, key) ORDER BY source, object, key) AS name
              FROM living WHERE person_id IS NOT NULL GROUP BY person_id)
"""
"""A person by the living records it consists of. An activity counts for its person: merging moves it among records."""


def facts(engine: Engine) -> Facts:
    """Living records, who is one person, activities and deals that stand."""
    with engine.connect() as connection:

        def rows(query: str) -> Counter[tuple[Any, ...]]:
            return Counter(tuple(map(_hashable, row)) for row in connection.execute(text(query)))

        return Facts(
            rows("""
            SELECT s.source, s.object, s.key, r.kind, r.state, r.email, r.name, r.attributes::text, a.key
            FROM record r JOIN subject s ON s.id = r.subject_id LEFT JOIN subject a ON a.id = r.account_id
            WHERE r.deleted_at IS NULL
            """),
            rows(f"{_NAMED} SELECT name FROM named"),
            rows(f"""{_NAMED}
            SELECT n.name, a.source, a.object, a.key, a.kind, a.detail, a.occurred_at
            FROM activity a JOIN subject s ON s.id = a.subject_id JOIN named n ON n.person_id = s.person_id
            WHERE a.retracted_at IS NULL
            """),
            rows("""
            SELECT source, object, key, status, stage, amount, closed_at FROM outcome WHERE deleted_at IS NULL
            """),
        )


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def assert_same_facts(ours: Facts, fresh: Facts) -> None:
    """Nothing is missing and nothing is there twice."""
    for kind in ("records", "people", "activities", "outcomes"):
        mine, theirs = getattr(ours, kind), getattr(fresh, kind)
        assert theirs, f"the CRMs hold no {kind}"
        missing, excess = sorted((theirs - mine).elements(), key=str), sorted((mine - theirs).elements(), key=str)
        excess = [each for each in excess if kind != "activities" or each[2] != "page_views"]
        assert not missing + excess, f"{kind}: the CRMs have and we do not {missing[:5]}; the reverse {excess[:5]}"
    # HubSpot forgets views (it keeps about 45, and fewer through a merge), so we may know more: but none twice.
    views = Counter((person, at) for person, _, object, *_, at in ours.activities.elements() if object == "page_views")
    assert max(views.values()) == 1, views.most_common(3)


def viewed_more(ours: Facts, fresh: Facts) -> set[tuple[str, str, str]]:
    """Records of people of whom we know a view that HubSpot has forgotten: it counts for their score."""
    excess = [act for act in (ours.activities - fresh.activities).elements() if act[2] == "page_views"]
    refs = (name.split("/", 2) for act in excess for name in act[0])
    return {(source, object, key) for source, object, key in refs}


def settled(engine: Engine, since: datetime) -> bool:
    """Every stream that is read by the minute was, nobody waits to be scored, no write is open."""
    with engine.connect() as connection:
        return bool(
            connection.execute(
                text("""
                SELECT NOT EXISTS (SELECT FROM stream WHERE role = 'pull' AND (succeeded_at IS NULL OR
                                       (succeeded_at < :since AND due_at < succeeded_at + interval '100 s')))
                   AND NOT EXISTS (SELECT FROM person WHERE dirty_at IS NOT NULL)
                   AND NOT EXISTS (SELECT FROM ledger WHERE state IN ('intended', 'sent', 'accepted'))
                """),
                {"since": since},
            ).scalar_one()
        )


def assert_every_row_is_known_once(engine: Engine, primary: Primary) -> None:
    """Every living row of the CRMs' primary stores is known, no other, and each once."""
    with engine.connect() as connection:

        def known(query: str, object: str, held: Iterable[str]) -> None:
            ours = Counter(connection.execute(text(query), {"object": object}).scalars())
            theirs = Counter(list(held))
            assert ours == theirs, f"{object}: missing {list(theirs - ours)}, too many {list(ours - theirs)}"

        for object in (*SALESFORCE[:3], *HUBSPOT[:2]):
            query = """SELECT s.key FROM subject s JOIN record r ON r.subject_id = s.id
                       WHERE s.object = :object AND r.deleted_at IS NULL"""
            known(query, object, primary.rows(object))
        for object in (SALESFORCE[3], HUBSPOT[2]):
            query = "SELECT key FROM outcome WHERE object = :object AND deleted_at IS NULL"
            known(query, object, primary.rows(object))
        for object in (*WHO, *ENGAGEMENTS):
            query = """SELECT DISTINCT split_part(a.key, '#', 1) FROM activity a JOIN subject s ON s.id = a.subject_id
                       WHERE a.object = :object AND a.retracted_at IS NULL AND EXISTS (
                           SELECT FROM subject o JOIN record r ON r.subject_id = o.id AND r.deleted_at IS NULL
                           WHERE o.person_id = s.person_id)"""
            known(query, object, primary.taken_part(object))


def assert_every_write_landed_or_says_why(
    engine: Engine, primary: Primary, least: int = 100
) -> set[tuple[str, str, str]]:
    """The CRM's own fields hold the newest ledger row that was not superseded. Returns the records whose row says why
    they do not."""
    names = {
        "Lead": CONTRACT,
        "Contact": CONTRACT,
        "contacts": {field: f"lead_gauge_{field.value}" for field in ScoreField},
    }
    with engine.connect() as connection:
        newest = connection.execute(
            text("""
            SELECT DISTINCT ON (l.subject_id) s.source, s.object, s.key, l.state, l.values, l.code, l.answer
            FROM ledger l JOIN subject s ON s.id = l.subject_id
            JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL AND r.state = 'open'
            WHERE l.state <> 'superseded' ORDER BY l.subject_id, l.id DESC
            """)
        ).all()
    assert len(newest) > least
    wrong = []
    for object, fields in names.items():
        held = primary.rows(object, tuple(fields.values()))
        for row in newest:
            if row.object == object and row.state == "verified":
                differing = [
                    name
                    for name, value in row.values.items()
                    if not same(value, held[row.key].get(fields[ScoreField(name)]))
                ]
                wrong += [(object, row.key, differing)] if differing else []
    assert wrong == []
    failed = [row for row in newest if row.state != "verified"]
    assert [(row.key, row.state) for row in failed if not (row.code and row.answer)] == []
    assert len(failed) < len(newest) / 4, Counter((row.state, row.code) for row in failed)
    return {(row.source, row.object, row.key) for row in failed}
