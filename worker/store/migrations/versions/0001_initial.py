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
-- Who reads what, and how far it is known to have read. Writing and the nightly census are streams too.
CREATE TABLE stream (
    source          text NOT NULL,
    name            text NOT NULL,
    role            text NOT NULL CHECK (role IN ('pull', 'push', 'census')),
    cursor          jsonb,
    epoch           bigint NOT NULL DEFAULT 0,       -- fencing: a stale owner's epoch is lower than the row's
    owner           text,
    lease_until     timestamptz,
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
    PRIMARY KEY (source, name)
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
    deleted_at  timestamptz
);
CREATE INDEX record_account ON record (account_id) WHERE account_id IS NOT NULL;

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

-- What replayed streams must not bring back. Digests, not identifiers.
CREATE TABLE erasure (
    digest    bytea PRIMARY KEY,
    erased_at timestamptz NOT NULL
);

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
    state           text NOT NULL CHECK (state IN ('intended', 'sent', 'accepted', 'verified',
                                                   'superseded', 'drifted', 'refused', 'parked')),
    attempts        int NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    code            text,
    answer          text,
    intended_at     timestamptz NOT NULL,
    sent_at         timestamptz,
    accepted_at     timestamptz,
    closed_at       timestamptz
);
CREATE UNIQUE INDEX ledger_open ON ledger (subject_id) WHERE state IN ('intended', 'sent', 'accepted');
CREATE INDEX ledger_due ON ledger (source, state, due_at) WHERE state IN ('intended', 'sent', 'accepted');
CREATE INDEX ledger_subject ON ledger (subject_id, id DESC);

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
"""

NAMES = (
    "drift, trainer, training_request, shadow_score, model_event, champions, model, ledger, write_tally, feedback, "
    "stage_hold, transition, score_history, score, rules, policy_draft, policy, erasure, live, person, "
    "outcome_change, outcome_person, outcome, census, claim, activity, attribute, record_past, record, membership, "
    "subject, stream"
)


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute(f"DROP TABLE {NAMES} CASCADE")
