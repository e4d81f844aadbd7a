"""The rules engine beside the read of what it scores: 200,000 people, 20 activities each, the shipped rules.

The baseline is what `adbc-driver-postgresql` takes to bring the rows of the product's own queries into Arrow. Ours
begins with those Arrow tables and ends with verified scores and contributions; the read is not counted in it.
"""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from sqlalchemy import Engine, text

from benchmarks.figure import Figure, peak_mib
from worker import embedded
from worker.features.catalogue import Catalogue
from worker.features.facts import Facts
from worker.scoring.rules import load, shipped
from worker.scoring.score import SCORED, Scores, score_rules
from worker.store import facts
from worker.store.arrow import frame, open_arrow
from worker.store.database import connect, libpq
from worker.store.migrate import upgrade

PEOPLE = 200_000
ACTIVITIES = 20
AS_OF = datetime(2025, 6, 1, tzinfo=UTC)

GOAL = "at most twice the read, which is at least 1,000,000 rows/s; at most 1.5 GiB"
MOST = 2.0
ROWS_A_SECOND = 1_000_000
MIB = 1536

# A throw-away database: no index and no check that a bulk load would have to keep up. The queries read whole tables.
_LOAD = """
SET session_replication_role = replica;
DROP INDEX activity_current, activity_subject;
CREATE FUNCTION pick(n bigint, seed int, most int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT ((hashint8extended(n, seed) & 9223372036854775807) % most)::int $$;

-- Everybody has a record in one CRM, three in ten have one in both; ten people a company.
INSERT INTO subject (id, source, object, key, person_id, since) OVERRIDING SYSTEM VALUE
    SELECT p, 'org', 'Lead', p::text, p, timestamptz '2023-01-01' FROM generate_series(1, :people) p
    UNION ALL SELECT :people + p, 'portal', 'contacts', p::text, p, '2023-01-01' FROM generate_series(1, :people) p
              WHERE p % 10 < 3
    UNION ALL SELECT 3 * :people + c, 'org', 'Account', c::text, NULL, NULL FROM generate_series(0, :people / 10) c;
INSERT INTO record (subject_id, kind, account_id, created_at, modified_at, observed_at, since)
    SELECT id, CASE WHEN person_id IS NULL THEN 'account' ELSE 'person' END,
           CASE WHEN object = 'Lead' THEN 3 * :people + person_id / 10 END, at, at, at, at
    FROM subject, (SELECT timestamptz '2023-01-01') AS first(at);
INSERT INTO attribute (subject_id, name, value, occurred_at, known_at, observed_at)
    SELECT id, name, choices[1 + pick(id, n::int, cardinality(choices))], at, at, at
    FROM subject, (VALUES
        (1, 'title', ARRAY['CEO', 'VP Sales', 'Head of IT', 'Engineering Manager', 'Intern', 'Analyst', 'Buyer', NULL]),
        (2, 'country', ARRAY['Germany', 'France', 'Spain', 'Norway', 'United States']),
        (3, 'lead_source', ARRAY['Web', 'Event', 'Partner', 'Referral']),
        (4, 'has_phone', ARRAY['true', 'false']),
        (5, 'email_domain', ARRAY['gmail.com', 'acme.example', 'globex.example', 'initech.example']),
        (6, 'budget', ARRAY['20000', '5000', NULL, NULL, NULL]),
        (7, 'timeline', ARRAY['This quarter', 'This year', 'No timeline', NULL, NULL])
    ) AS held(n, name, choices),
    LATERAL (SELECT timestamptz '2025-05-31' - make_interval(days => pick(id, n::int + 50, 700))) AS moment(at)
    WHERE person_id IS NOT NULL
    UNION ALL
    SELECT id, name, choices[1 + pick(id, n::int, cardinality(choices))], '2023-01-01', '2023-01-01', '2023-01-01'
    FROM subject, (VALUES
        (11, 'industry', ARRAY['Software', 'Retail', 'Banking', 'Health']),
        (12, 'employees', ARRAY['7', '80', '300', '2500'])
    ) AS held(n, name, choices)
    WHERE person_id IS NULL;

-- Of those in both CRMs, every second activity is the other CRM's, and the first four are two that both have seen.
INSERT INTO activity (subject_id, source, object, key, kind, detail, occurred_at, known_at,
                      observed_at)
    SELECT CASE WHEN other THEN :people + p ELSE p END, CASE WHEN other THEN 'portal' ELSE 'org' END, 'activity',
           (p * 100 + n)::text, kinds[1 + pick(fact, 1, cardinality(kinds))],
           details[1 + pick(fact, 2, cardinality(details))], at, at + interval '1 minute',
           at + interval '1 minute'
    FROM generate_series(1, :people) p, generate_series(0, :activities - 1) n,
    LATERAL (SELECT p % 10 < 3 AND n % 2 = 1,
                    p * 100 + CASE WHEN p % 10 < 3 AND n < 4 THEN n / 2 * 2 ELSE n END) AS one(other, fact),
    LATERAL (SELECT timestamptz '2025-05-31'
                    - make_interval(secs => 86400 * 400.0 * (pick(fact, 3, 100000) / 100000.0) ^ 2)) AS moment(at),
    (SELECT ARRAY['page_view', 'page_view', 'page_view', 'page_view', 'page_view', 'page_view', 'email_delivery',
                  'email_delivery', 'email_open', 'email_open', 'email_open', 'email_click', 'campaign_send',
                  'pricing_page_view', 'content_download', 'form_submission', 'webinar_registration',
                  'webinar_attendance', 'campaign_response', 'sales_email', 'sales_call', 'email_reply', 'demo_request',
                  'careers_page_view'],
            ARRAY['/', '/pricing', '/blog/how-to-choose', '/resources/whitepaper-2025', 'Whitepaper: the state of data',
                  'Spring campaign', NULL]) AS words(kinds, details);
"""


def run() -> Figure:
    """Load a database of its own, read it, score it."""
    home = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        engine = connect(embedded.start(home, durable=False).database_url)
        fill(engine, PEOPLE, ACTIVITIES)
        return _measure(engine)
    finally:
        embedded.remove(home)
        shutil.rmtree(home, ignore_errors=True)


def fill(engine: Engine, people: int, activities: int) -> None:
    """An empty database with so many people and so many activities each, ready to be read."""
    upgrade(engine)
    statements = _LOAD.replace(":people", str(people)).replace(":activities", str(activities))
    with engine.begin() as connection:
        connection.execute(text(statements.replace(":", r"\:")))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))  # as autovacuum leaves a table that is no longer loaded


def _measure(engine: Engine) -> Figure:
    ruleset = load(shipped(), "default_rules.yaml", Catalogue.shipped())
    with open_arrow(libpq(engine)) as connection:
        began = perf_counter()
        tables = list(facts.tables(connection, facts.At(AS_OF)))
        read = perf_counter() - began
    rows = sum(map(len, tables))
    began = perf_counter()
    scores = score_rules(Facts(*(frame(tables.pop(0)) for _ in range(3))), ruleset)
    scored = perf_counter() - began
    _check(scores)
    return Figure(
        name="rules",
        ours=scored,
        baseline=read,
        unit="s",
        goal=GOAL,
        met=scored <= MOST * read and rows / read >= ROWS_A_SECOND and peak_mib() <= MIB,
        peak_mib=peak_mib(),
        note=f"{PEOPLE / scored:,.0f} people/s; read {rows:,} rows at {rows / read:,.0f} rows/s",
    )


def _check(scores: Scores) -> None:
    statuses = scores.people.get_column("status")
    assert len(statuses) == PEOPLE
    assert (statuses == SCORED).all()
    assert scores.people.get_column("score").n_unique() > 50
