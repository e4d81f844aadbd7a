"""Initial schema.

Revision ID: 0001
Revises: -
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
-- The oldest revision of the schema whose code works with this one: every migration leaves room for the release before
-- it, whose workers run until they are replaced.
CREATE TABLE compatible (
    since text NOT NULL
);
INSERT INTO compatible VALUES ('0001');

-- Who reads what, and how far it is known to have read. Writing and the nightly census are streams too.
CREATE TABLE stream (
    source          text NOT NULL,
    name            text NOT NULL,
    role            text NOT NULL CHECK (role IN ('pull', 'push', 'census')),
    cursor          jsonb,
    looked          jsonb,                           -- how far the fast tier looked: it only saves calls
    epoch           bigint NOT NULL DEFAULT 0,       -- fencing: a stale owner's epoch is lower than the row's
    owner           text,
    lease_until     timestamptz,
    lease_length    interval,
    attempts        int NOT NULL DEFAULT 0,          -- since the last success; counted before the work
    due_at          timestamptz NOT NULL,
    complete_due_at timestamptz NOT NULL,
    complete_at     timestamptz,                     -- start of the last read that drained the complete tier
    succeeded_at    timestamptz,
    problem_code    text,
    problem         text,
    load_began_at   timestamptz,                     -- the first read: since when, of how many rows (null: unknown),
    load_total      bigint,                          -- and how many rows in how many pages so far
    load_rows       bigint NOT NULL DEFAULT 0,
    load_pages      bigint NOT NULL DEFAULT 0,
    dry_run         boolean NOT NULL DEFAULT false,  -- of writes: nothing is written, as the configuration says
    PRIMARY KEY (source, name)
);

-- With which fields the rows of people and accounts were read last, and which of them appeared since all rows had them.
CREATE TABLE reading (
    source      text NOT NULL,
    object      text NOT NULL,
    fields      text[] NOT NULL,
    grown       text[] NOT NULL DEFAULT '{}',
    grown_at    timestamptz,                         -- when the last of them appeared
    compared_at timestamptz,                         -- when all rows had been compared for that last
    PRIMARY KEY (source, object)
);

-- A node of identity: a CRM record, or an address that a vendor's event knows a person by (object 'email').
CREATE TABLE subject (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source    text NOT NULL,
    object    text NOT NULL,
    key       text NOT NULL,
    person_id bigint,
    since     timestamptz,                           -- when it came to belong there
    UNIQUE (source, object, key)
);
CREATE INDEX subject_person ON subject (person_id);
CREATE INDEX subject_key ON subject (key);

-- The persons that subjects belonged to before.
CREATE TABLE membership (
    subject_id bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    person_id  bigint NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (person_id, subject_id, since)
);
CREATE INDEX membership_subject ON membership (subject_id);

-- One CRM row of a person or an account, as last seen. Its past is in `attribute` and `record_past`.
CREATE TABLE record (
    subject_id  bigint PRIMARY KEY REFERENCES subject ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('person', 'account')),
    state       text NOT NULL DEFAULT 'open',
    email       text,
    name        text,
    account_id  bigint REFERENCES subject ON DELETE SET NULL,
    attributes  jsonb NOT NULL DEFAULT '{}',
    written     jsonb NOT NULL DEFAULT '{}',         -- our own fields as the CRM last showed them
    created_at  timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,                -- when we first saw it
    since       timestamptz NOT NULL,                -- when we first saw its state, account and deletion as they are
    engaged_at  timestamptz,                         -- of an account: when the newest act at it counts for colleagues
    deleted_at  timestamptz,
    binned      boolean NOT NULL DEFAULT false       -- deleted, and in the CRM's recycle bin when it was last seen
);
CREATE INDEX record_binned ON record (subject_id) WHERE binned;
CREATE INDEX record_account ON record (account_id) WHERE account_id IS NOT NULL;
-- Whom people look for by the beginning of a word.
CREATE INDEX record_words ON record USING gin (to_tsvector('simple', coalesce(name, '') || ' ' || coalesce(email, '')));

-- How records stood before.
CREATE TABLE record_past (
    subject_id bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    state      text NOT NULL,
    account_id bigint REFERENCES subject ON DELETE SET NULL,
    deleted    boolean NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (subject_id, since)
);
CREATE INDEX record_past_account ON record_past (account_id) WHERE account_id IS NOT NULL;

-- Facts. Append only; null unsets. `observed_at` is when we got to know them; `known_at` the same, but of a backfill
-- when the CRM did. Before anybody was scored the latter counts, since then the former.
CREATE TABLE attribute (
    subject_id  bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    name        text NOT NULL,
    value       text,
    occurred_at timestamptz NOT NULL,
    known_at    timestamptz NOT NULL,
    observed_at timestamptz NOT NULL,
    PRIMARY KEY (subject_id, name, occurred_at, observed_at)
);

CREATE TABLE activity (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_id   bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    source       text NOT NULL,
    object       text NOT NULL,
    key          text NOT NULL,
    kind         text NOT NULL,
    detail       text,
    duration     double precision,                   -- seconds
    occurred_at  timestamptz NOT NULL,
    known_at     timestamptz NOT NULL,
    observed_at  timestamptz NOT NULL,
    retracted_at timestamptz                         -- an edit retracts the old version and appends the new one
);
CREATE UNIQUE INDEX activity_current ON activity (source, object, key, subject_id) WHERE retracted_at IS NULL;
CREATE INDEX activity_subject ON activity (subject_id, occurred_at);

-- Evidence that two subjects are the same person: they claim the same key. Withdrawn, never deleted.
CREATE TABLE claim (
    subject_id   bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    key          text NOT NULL,
    known_at     timestamptz NOT NULL,
    observed_at  timestamptz NOT NULL,
    withdrawn_at timestamptz,
    PRIMARY KEY (subject_id, key, observed_at)
);
CREATE INDEX claim_key ON claim (key);

CREATE TABLE outcome (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text NOT NULL,
    object      text NOT NULL,
    key         text NOT NULL,
    account_id  bigint REFERENCES subject ON DELETE SET NULL,
    status      text NOT NULL,
    stage       text NOT NULL,
    amount      double precision,
    created_at  timestamptz NOT NULL,
    modified_at timestamptz NOT NULL,
    closed_at   timestamptz,
    known_at    timestamptz NOT NULL,
    deleted_at  timestamptz,
    UNIQUE (source, object, key)
);
CREATE INDEX outcome_account ON outcome (account_id) WHERE account_id IS NOT NULL;
CREATE TABLE outcome_person (
    outcome_id bigint NOT NULL REFERENCES outcome ON DELETE CASCADE,
    subject_id bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    PRIMARY KEY (outcome_id, subject_id)
);
CREATE INDEX outcome_person_subject ON outcome_person (subject_id);
CREATE TABLE outcome_change (
    outcome_id  bigint NOT NULL REFERENCES outcome ON DELETE CASCADE,
    status      text NOT NULL,
    stage       text NOT NULL,
    amount      double precision,
    occurred_at timestamptz NOT NULL,
    known_at    timestamptz NOT NULL,
    PRIMARY KEY (outcome_id, occurred_at, known_at)
);

-- The connected component of subjects. The id is that of its oldest record's subject, so it is stable.
CREATE TABLE person (
    id         bigint PRIMARY KEY,
    revision   bigint NOT NULL DEFAULT 1,            -- grows with every change of a scoring input
    changed_at timestamptz NOT NULL,
    dirty_at   timestamptz,                          -- null: scored at this revision
    due_at     timestamptz,                          -- when time alone may change the score
    scored_at  timestamptz                           -- the newest instant of which there is a score
);
CREATE INDEX person_dirty ON person (dirty_at) WHERE dirty_at IS NOT NULL;
CREATE INDEX person_due ON person (due_at);
CREATE INDEX person_scored ON person (scored_at);

-- One row: the first instant of which anybody was scored.
CREATE TABLE live (
    since timestamptz NOT NULL
);
CREATE UNIQUE INDEX live_once ON live ((true));

-- The rows that a CRM has, while they are being counted.
CREATE TABLE census (
    source      text NOT NULL,
    object      text NOT NULL,
    key         text NOT NULL,
    modified_at timestamptz,                         -- where the CRM says it
    PRIMARY KEY (source, object, key)
);

-- What replayed streams must not bring back. Salted digests, not identifiers.
CREATE TABLE erasure (
    digest    bytea PRIMARY KEY,
    erased_at timestamptz NOT NULL
);
CREATE TABLE erasure_salt (
    salt bytea NOT NULL
);
INSERT INTO erasure_salt SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- Which copy of the data this is, by where it lies and how far it counted: see worker/store/lineage.py.
CREATE TABLE lineage (
    name        text NOT NULL,
    place       text NOT NULL,
    beat        bigint NOT NULL,
    restored_at timestamptz
);
CREATE UNIQUE INDEX lineage_once ON lineage ((true));

CREATE TABLE policy (
    goal       text NOT NULL,
    revision   int NOT NULL,
    body       jsonb NOT NULL,
    author     text NOT NULL,
    comment    text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (goal, revision)
);
-- Policies in the making, each with the revision that it began from.
CREATE TABLE policy_draft (
    goal       text NOT NULL,
    name       text NOT NULL,
    body       jsonb NOT NULL,
    based_on   int NOT NULL,
    version    int NOT NULL,                         -- grows with every edit
    author     text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (goal, name)
);
CREATE TABLE rules (
    goal       text NOT NULL,
    revision   int NOT NULL,
    body       text NOT NULL,
    author     text NOT NULL,
    comment    text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (goal, revision)
);

CREATE TABLE score (
    goal            text NOT NULL,
    person_id       bigint NOT NULL REFERENCES person ON DELETE CASCADE,
    score           smallint,
    status          text NOT NULL,
    bucket          text NOT NULL,
    stage           text,                            -- the primary goal's alone
    stage_since     timestamptz,
    mql_at          timestamptz,
    as_of           timestamptz NOT NULL,
    rules_revision  int NOT NULL,
    policy_revision int NOT NULL,
    champions_revision int NOT NULL DEFAULT 0,       -- 0: before any model was promoted
    model           int,                             -- null: scored by rules
    log_odds        double precision,                -- the model's, before guardrails
    memory          jsonb NOT NULL DEFAULT '{}',     -- what the next decision on the stage needs of the last one
    PRIMARY KEY (goal, person_id)
);
CREATE INDEX score_rules ON score (goal, rules_revision);
CREATE INDEX score_policy ON score (goal, policy_revision);
CREATE INDEX score_champions ON score (goal, champions_revision);
CREATE INDEX score_person ON score (person_id);
CREATE INDEX score_stage ON score (goal, stage) WHERE stage IS NOT NULL;
CREATE INDEX score_rank ON score (goal, score DESC NULLS LAST, person_id DESC);
CREATE INDEX score_mismatch ON score (goal) WHERE status = 'mismatch';

CREATE TABLE score_history (
    goal            text NOT NULL,
    person_id       bigint NOT NULL,
    as_of           timestamptz NOT NULL,
    score           smallint,
    status          text NOT NULL,
    bucket          text NOT NULL,
    stage           text,
    rules_revision  int NOT NULL,
    policy_revision int NOT NULL,
    champions_revision int NOT NULL DEFAULT 0,
    model           int,
    PRIMARY KEY (goal, person_id, as_of)
) PARTITION BY RANGE (as_of);
CREATE TABLE score_history_other PARTITION OF score_history DEFAULT;

CREATE TABLE transition (
    goal       text NOT NULL,
    person_id  bigint NOT NULL,
    at         timestamptz NOT NULL,
    from_stage text,
    to_stage   text NOT NULL,
    cause      text NOT NULL,
    score      smallint,                             -- from here on what the decision was made of, and what it left
    policy_revision int,
    evidence   jsonb NOT NULL DEFAULT '{}',
    memory     jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (goal, person_id, at)
);
CREATE INDEX transition_at ON transition (goal, at);

-- Stages that people set in a CRM: they stand until the field is cleared.
CREATE TABLE stage_hold (
    subject_id bigint PRIMARY KEY REFERENCES subject ON DELETE CASCADE,
    stage      text NOT NULL,
    at         timestamptz NOT NULL
);

-- What sales said when it gave a lead back.
CREATE TABLE feedback (
    goal      text NOT NULL,
    person_id bigint NOT NULL,
    at        timestamptz NOT NULL,
    stage     text NOT NULL,
    score     smallint,
    bucket    text NOT NULL,
    model     int,
    reason    text NOT NULL,
    PRIMARY KEY (goal, person_id, at)
);

-- By account and day (UTC), how often a record's score moved, and how many writes that was worth.
CREATE TABLE write_tally (
    source text NOT NULL,
    day    date NOT NULL,
    moved  bigint NOT NULL,
    made   bigint NOT NULL,
    PRIMARY KEY (source, day)
);

-- Every intended write, and how it ended. One open row a record; the newest wins.
CREATE TABLE ledger (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source          text NOT NULL,
    subject_id      bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    person_id       bigint NOT NULL,
    values          jsonb NOT NULL,
    cause           text NOT NULL,
    rules_revision  int NOT NULL,
    policy_revision int NOT NULL,
    champions_revision int NOT NULL DEFAULT 0,
    state           text NOT NULL CHECK (state IN ('intended', 'sent', 'accepted', 'verified', 'unprovable',
                                                   'superseded', 'drifted', 'refused', 'parked')),
    attempts        int NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    code            text,
    answer          text,
    intended_at     timestamptz NOT NULL,
    sent_at         timestamptz,
    accepted_at     timestamptz,
    closed_at       timestamptz,
    hash            text GENERATED ALWAYS AS (md5(values::text)) STORED,
    lane            smallint NOT NULL DEFAULT 0,     -- who goes first: 0 what just happened, 1 what aged, 2 backfill
    rounds          int NOT NULL DEFAULT 0,          -- how often another writer was found on its fields of late
    contested_at    timestamptz,                     -- the last time
    author          text,                            -- and who it was
    suspected_at    timestamptz,                     -- a pull showed something else than what was verified
    probe           text,                            -- the refusal that this attempt looks whether it still stands
    dismissed_at    timestamptz,
    dismissed_by    text,
    dismissed_why   text,
    over            jsonb NOT NULL DEFAULT '{}',     -- what native fields may replace
    kept            jsonb NOT NULL DEFAULT '{}'      -- native fields that stay as they are, and why
);

-- Tasks for the owners of hot leads: one for each time that a person enters the stage or bucket that is told.
CREATE TABLE alert (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text NOT NULL,
    subject_id  bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    person_id   bigint NOT NULL,
    entered     text NOT NULL,                       -- the stage or bucket
    entered_at  timestamptz NOT NULL,
    body        text NOT NULL,
    state       text NOT NULL CHECK (state IN ('intended', 'sent', 'made', 'refused')),
    attempts    int NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL,
    object      text,                                -- what was made in the CRM
    key         text,
    code        text,
    answer      text,
    intended_at timestamptz NOT NULL,
    sent_at     timestamptz,
    closed_at   timestamptz,
    UNIQUE (source, person_id, entered, entered_at)
);
CREATE INDEX alert_open ON alert (source, due_at) WHERE state IN ('intended', 'sent');
CREATE INDEX alert_made ON alert (source, object, key) WHERE key IS NOT NULL;
CREATE INDEX alert_subject ON alert (subject_id);
-- At most one row a record that is neither proved nor replaced.
CREATE UNIQUE INDEX ledger_open ON ledger (subject_id) WHERE state NOT IN ('verified', 'superseded');
CREATE INDEX ledger_due ON ledger (source, state, lane, due_at) WHERE state NOT IN ('verified', 'superseded');
CREATE INDEX ledger_subject ON ledger (subject_id, id DESC);
CREATE INDEX ledger_suspected ON ledger (source, suspected_at) WHERE suspected_at IS NOT NULL;
CREATE INDEX ledger_probe ON ledger (source, probe) WHERE probe IS NOT NULL;
CREATE INDEX ledger_intended ON ledger (source, intended_at);
CREATE INDEX ledger_native ON ledger (subject_id) WHERE over <> '{}';

-- Writing stopped by a person: to one account, or ('') to all.
CREATE TABLE pause (
    source text PRIMARY KEY,
    reason text NOT NULL,
    author text NOT NULL,
    at     timestamptz NOT NULL
);

-- Records sent by the minute, for the cap of an hour.
CREATE TABLE sent_count (
    source  text NOT NULL,
    minute  timestamptz NOT NULL,
    records bigint NOT NULL,
    full_at timestamptz,                             -- the last batch that was full
    PRIMARY KEY (source, minute)
);

-- How whole we were found to be. By kind: a `day` (UTC) of a stream read again once it had settled; `ids`, rows of an
-- object last changed that day that only a count of all found; `fields`, a share of an object's rows compared that day.
CREATE TABLE completeness (
    source     text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('day', 'ids', 'fields')),
    name       text NOT NULL,                        -- the stream or object
    day        date NOT NULL,
    rows       bigint NOT NULL,
    missed     bigint NOT NULL,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (source, kind, name, day)
);

-- Trained models. The artefact is a zip of a manifest and a skops dump, known by its SHA-256; the seal is its HMAC
-- under a key that is kept elsewhere.
CREATE TABLE model (
    goal       text NOT NULL,
    number     int NOT NULL,
    segment    text NOT NULL DEFAULT '',             -- '': everybody who has no model of their own
    kind       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('challenger', 'champion', 'retired')),
    digest     text NOT NULL,
    seal       text,
    artefact   bytea NOT NULL,
    manifest   jsonb NOT NULL,
    report     bytea,                                -- the validation report: one HTML file, gzipped
    author     text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (goal, number)
);
CREATE UNIQUE INDEX model_champion ON model (goal, segment) WHERE state = 'champion';

-- Which models score, by segment. Revisions like those of the policy: a promotion or a rollback appends one.
CREATE TABLE champions (
    goal       text NOT NULL,
    revision   int NOT NULL,
    body       jsonb NOT NULL,
    author     text NOT NULL,
    comment    text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (goal, revision)
);

CREATE TABLE model_event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    goal    text NOT NULL,
    number  int NOT NULL,
    event   text NOT NULL CHECK (event IN ('registered', 'promoted', 'rolled back', 'refused', 'retired', 'unusable')),
    author  text NOT NULL,
    reason  text NOT NULL,
    figures jsonb NOT NULL DEFAULT '{}',
    at      timestamptz NOT NULL,
    FOREIGN KEY (goal, number) REFERENCES model
);
CREATE INDEX model_event_model ON model_event (goal, number, id);

-- What challengers would have said of the people who were scored; the newest of each.
CREATE TABLE shadow_score (
    goal      text NOT NULL,
    number    int NOT NULL,
    person_id bigint NOT NULL REFERENCES person ON DELETE CASCADE,
    log_odds  double precision NOT NULL,
    score     smallint,                              -- with the rules' share and guardrails; null: none
    as_of     timestamptz NOT NULL,
    PRIMARY KEY (goal, number, person_id),
    FOREIGN KEY (goal, number) REFERENCES model
);
CREATE INDEX shadow_score_person ON shadow_score (person_id);

-- What a trainer shall do. One open request a goal and kind; whoever runs it holds a lease, fenced by the epoch.
CREATE TABLE training_request (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    goal        text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('train', 'watch')),
    cause       text NOT NULL,
    author      text NOT NULL,
    state       text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    owner       text,
    lease_until timestamptz,
    epoch       int NOT NULL DEFAULT 0,
    attempts    int NOT NULL DEFAULT 0,
    progress    double precision NOT NULL DEFAULT 0,
    step        text NOT NULL DEFAULT '',
    result      jsonb,
    problem     text,
    created_at  timestamptz NOT NULL,
    started_at  timestamptz,
    ended_at    timestamptz
);
CREATE UNIQUE INDEX training_request_open ON training_request (goal, kind) WHERE state IN ('waiting', 'running');

-- When each trainer was last seen alive.
CREATE TABLE trainer (
    owner   text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

-- Files of snapshots that were written, and on which machine: whoever is erased is taken out of them.
CREATE TABLE export (
    host    text NOT NULL,
    path    text NOT NULL,
    made_at timestamptz NOT NULL,
    PRIMARY KEY (host, path)
);

-- How far the world has moved from what a model was trained on, week by week.
CREATE TABLE drift (
    goal   text NOT NULL,
    number int NOT NULL,
    at     timestamptz NOT NULL,
    level  text NOT NULL CHECK (level IN ('ok', 'watch', 'alert')),
    body   jsonb NOT NULL,
    PRIMARY KEY (goal, number, at),
    FOREIGN KEY (goal, number) REFERENCES model
);

-- Who may use the console. Without a password: somebody whom the identity provider knows, by `subject`.
CREATE TABLE console_account (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL,
    role        text NOT NULL CHECK (role IN ('viewer', 'editor', 'publisher', 'admin')),
    password    text,                                -- argon2id, with its salt and cost
    subject     text UNIQUE,
    created_at  timestamptz NOT NULL,
    disabled_at timestamptz
);
CREATE UNIQUE INDEX console_account_name ON console_account (lower(name));

-- Signed-in browsers and API tokens, by the SHA-256 of their secret.
CREATE TABLE console_session (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES console_account ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('browser', 'token')),
    digest     bytea NOT NULL UNIQUE,
    label      text NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL
);
CREATE INDEX console_session_account ON console_session (account_id);

-- What was changed from the console, its API, and with accounts.
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    who     text NOT NULL,
    via     text NOT NULL CHECK (via IN ('console', 'api', 'cli')),
    action  text NOT NULL,
    subject text NOT NULL,
    detail  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_subject ON audit (action, subject);

-- Rules in the making, like `policy_draft`.
CREATE TABLE rules_draft (
    goal       text NOT NULL,
    name       text NOT NULL,
    body       text NOT NULL,
    based_on   int NOT NULL,
    version    int NOT NULL,
    author     text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (goal, name)
);
"""

NAMES = (
    "alert, rules_draft, audit, console_session, console_account, "
    "completeness, sent_count, pause, "
    "export, drift, trainer, training_request, shadow_score, model_event, champions, model, ledger, write_tally, "
    "feedback, "
    "stage_hold, transition, score_history, score, rules, policy_draft, policy, lineage, erasure_salt, erasure, live, "
    "person, outcome_change, outcome_person, outcome, census, claim, activity, attribute, record_past, record, "
    "membership, subject, reading, stream, compatible"
)


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute(f"DROP TABLE {NAMES} CASCADE")
