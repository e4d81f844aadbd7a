"""What the oracle is asked after a run, and where it looks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, text

from tests.chaos import oracle, traces
from tests.chaos.disturbances import CRMS
from tests.chaos.primary import Primary
from tests.chaos.running import PEOPLE, TEMPLATE, Run


def judge(run: Run, home: Path) -> None:
    """The oracle: with the clock held, what stands is what a database finds that has seen none of it."""
    run.note("the oracle is asked")
    for role in list(run.processes):
        run.end(role)
    run.processes.clear()
    primary = Primary(run.practice.told)
    used, allowed = primary.calls_left()
    assert used < allowed / 4, f"{used} of {allowed} calls"
    assert run.practice.get("hubspot", "usage")["refused"] == 0, "HubSpot had to refuse calls over its limits"
    run.product.hurry()
    engine, calm = create_engine(run.url, poolclass=NullPool), datetime.now(UTC)
    # What was committed late has come to light a day later.
    held = (calm + timedelta(days=1.1)).isoformat()
    for crm in CRMS:
        run.practice.post(crm, "clock", {"hold": held})
    ended = run.product.run("sync", "--once", LEADGAUGE_CLOCK=held)
    assert ended.code in (0, 1), ended.said
    behind = f"SELECT count(*) FROM score WHERE as_of < '{held}'"
    assert oracle.numbers(engine, behind) == 0, "everybody is scored as of then"
    oracle.assert_every_row_is_known_once(engine, primary)
    explained = oracle.assert_every_write_landed_or_says_why(engine, primary, least=PEOPLE)
    primary.close()
    fresh = f"{run.database}_fresh"
    run.machine.new_database(fresh, TEMPLATE)
    url = run.machine.url(fresh)
    ended = run.product.run("sync", "--once", LEADGAUGE_CLOCK=held, LEADGAUGE_DATABASE_URL=url)
    assert ended.code in (0, 1), ended.said
    ours, theirs = oracle.facts(engine), oracle.facts(create_engine(url, poolclass=NullPool))
    try:
        oracle.assert_same_facts(ours, theirs)
        explained |= oracle.contradicted(engine) | oracle.viewed_more(ours, theirs)
        oracle.assert_nothing_to_write(url, explained, least=PEOPLE)
    except AssertionError as wrong:
        for record in set(re.findall(r"'(\w+)(?:', '|/)(\w+)(?:', '|/)(\w+)'", str(wrong))):
            for name, where in (("ours", engine), ("fresh", create_engine(url, poolclass=NullPool))):
                run.note(f"{name} {record}:\n{_known(where, record)}")
        raise
    oracle.assert_stages_are_the_fold(engine)
    # Whoever is in the other CRM as well, is known from there.
    words = [word for word in run.erased if not traces.in_tables(create_engine(url, poolclass=NullPool), [word])]
    found = traces.in_tables(engine, words) + traces.in_redis(run.machine.addresses.redis_url, words)
    assert not found, f"who was erased is found: {found}"
    with engine.connect() as connection:
        people = connection.execute(text("SELECT email, name FROM record WHERE kind = 'person'")).all()
    names = {word for row in people for word in row if word and len(word) > 6}
    shown = traces.in_files([home / "product.log"], names | set(words))
    assert not shown, f"people in the log: {shown[:5]}"


_OF_A_PERSON = """
    SELECT 'record', s.object, s.key, to_jsonb(r) - 'written' FROM mine s JOIN record r ON r.subject_id = s.id
    UNION ALL SELECT 'past', s.object, s.key, to_jsonb(r) FROM mine s JOIN record_past r ON r.subject_id = s.id
    UNION ALL SELECT 'claim', s.object, s.key, to_jsonb(c) FROM mine s JOIN claim c ON c.subject_id = s.id
    UNION ALL SELECT 'member', s.object, s.key, to_jsonb(m) FROM mine s JOIN membership m ON m.subject_id = s.id
    UNION ALL SELECT 'act', s.object, s.key, to_jsonb(a) FROM mine s JOIN activity a ON a.subject_id = s.id
    UNION ALL SELECT 'attribute', s.object, s.key, to_jsonb(a) FROM mine s JOIN attribute a ON a.subject_id = s.id
    UNION ALL SELECT 'score', '', '', to_jsonb(c) FROM score c WHERE c.person_id IN (SELECT person_id FROM mine)
    UNION ALL SELECT 'person', '', '', to_jsonb(p) FROM person p WHERE p.id IN (SELECT person_id FROM mine)
    UNION ALL SELECT 'live', '', '', to_jsonb(l) FROM live l
    ORDER BY 1, 2, 3
"""


def _known(engine: Engine, record: tuple[str, str, str]) -> str:
    """All that is known of the person of a record, for whoever has to find out."""
    mine = """WITH mine AS (SELECT * FROM subject WHERE person_id = (
              SELECT person_id FROM subject WHERE (source, object, key) = (:source, :object, :key)))"""
    with engine.connect() as connection:
        words = dict(zip(("source", "object", "key"), record, strict=True))
        return "\n".join(map(str, connection.execute(text(mine + _OF_A_PERSON), words)))
