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
    PRIMARY KEY (source, name)
);

-- A node of identity: a CRM record, or an address that a vendor's event knows a person by (object 'email').
CREATE TABLE subject (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source    text NOT NULL,
    object    text NOT NULL,
    key       text NOT NULL,
    person_id bigint,
    UNIQUE (source, object, key)
);
CREATE INDEX subject_person ON subject (person_id);

-- One CRM row of a person or an account, as last seen. Its past is in `attribute`.
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
    known_at    timestamptz NOT NULL,
    deleted_at  timestamptz
);
CREATE INDEX record_account ON record (account_id) WHERE account_id IS NOT NULL;

-- Facts. Visible at an instant iff occurred_at and known_at are at or before it. Append only; null unsets.
CREATE TABLE attribute (
    subject_id  bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    name        text NOT NULL,
    value       text,
    occurred_at timestamptz NOT NULL,
    known_at    timestamptz NOT NULL,
    PRIMARY KEY (subject_id, name, occurred_at, known_at)
);

CREATE TABLE activity (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_id   bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    source       text NOT NULL,
    object       text NOT NULL,
    key          text NOT NULL,
    kind         text NOT NULL,
    detail       text,
    occurred_at  timestamptz NOT NULL,
    known_at     timestamptz NOT NULL,
    retracted_at timestamptz                         -- an edit retracts the old version and appends the new one
);
CREATE UNIQUE INDEX activity_current ON activity (source, object, key, subject_id) WHERE retracted_at IS NULL;
CREATE INDEX activity_subject ON activity (subject_id, occurred_at);

-- Evidence that two subjects are the same person: they claim the same key. Withdrawn, never deleted.
CREATE TABLE claim (
    subject_id   bigint NOT NULL REFERENCES subject ON DELETE CASCADE,
    key          text NOT NULL,
    known_at     timestamptz NOT NULL,
    withdrawn_at timestamptz,
    PRIMARY KEY (subject_id, key, known_at)
);
CREATE INDEX claim_key ON claim (key) WHERE withdrawn_at IS NULL;

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
    due_at     timestamptz                           -- when time alone may change the score
);
CREATE INDEX person_dirty ON person (dirty_at) WHERE dirty_at IS NOT NULL;
CREATE INDEX person_due ON person (due_at);

-- The rows that a CRM has, while they are being counted.
CREATE TABLE census (
    source text NOT NULL,
    object text NOT NULL,
    key    text NOT NULL,
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
    stage           text NOT NULL,
    stage_since     timestamptz NOT NULL,
    mql_at          timestamptz,
    as_of           timestamptz NOT NULL,
    rules_revision  int NOT NULL,
    policy_revision int NOT NULL,
    PRIMARY KEY (goal, person_id)
);
CREATE INDEX score_rules ON score (goal, rules_revision);
CREATE INDEX score_policy ON score (goal, policy_revision);
CREATE INDEX score_person ON score (person_id);

CREATE TABLE score_history (
    goal            text NOT NULL,
    person_id       bigint NOT NULL,
    as_of           timestamptz NOT NULL,
    score           smallint,
    status          text NOT NULL,
    bucket          text NOT NULL,
    stage           text NOT NULL,
    rules_revision  int NOT NULL,
    policy_revision int NOT NULL,
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
    PRIMARY KEY (goal, person_id, at)
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
"""

NAMES = (
    "ledger, transition, score_history, score, rules, policy, erasure, person, outcome_change, outcome_person, "
    "outcome, census, claim, activity, attribute, record, subject, stream"
)


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute(f"DROP TABLE {NAMES} CASCADE")
