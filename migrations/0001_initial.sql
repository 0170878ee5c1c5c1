-- Times are RFC 3339 in UTC with milliseconds, which sort as text. Identifiers are UUIDs as text.
-- Whatever has a shape of its own (requests, facts, decisions) is JSON. Plain SQL, so that the same
-- text serves another database.

CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    channel TEXT,
    trunk TEXT,
    from_number TEXT,
    from_name TEXT,
    to_number TEXT NOT NULL,
    began TEXT NOT NULL,
    answered TEXT,
    ended TEXT,
    answered_by TEXT,
    outcome TEXT,
    detail TEXT NOT NULL,
    sip_call_id TEXT NOT NULL,
    snapshot BIGINT NOT NULL
);
CREATE INDEX calls_by_number ON calls (to_number, began);
CREATE INDEX calls_by_time ON calls (began);
CREATE INDEX calls_by_user ON calls (answered_by, ended);

CREATE TABLE legs (
    id TEXT PRIMARY KEY,
    call TEXT NOT NULL,
    user_name TEXT,
    uri TEXT NOT NULL,
    began TEXT NOT NULL,
    answered TEXT,
    ended TEXT,
    status BIGINT,
    reason TEXT NOT NULL
);
CREATE INDEX legs_by_call ON legs (call);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    call TEXT NOT NULL,
    channel TEXT NOT NULL,
    item TEXT NOT NULL,
    from_number TEXT,
    began TEXT NOT NULL,
    assignee TEXT,
    closed TEXT
);
CREATE INDEX conversations_by_assignee ON conversations (assignee, closed);

CREATE TABLE assignments (
    conversation TEXT NOT NULL,
    user_name TEXT NOT NULL,
    at TEXT NOT NULL,
    decision TEXT,
    PRIMARY KEY (conversation, at)
);
CREATE INDEX assignments_by_user ON assignments (user_name, at);

CREATE TABLE voicemails (
    id TEXT PRIMARY KEY,
    call TEXT NOT NULL,
    conversation TEXT NOT NULL,
    channel TEXT NOT NULL,
    from_number TEXT,
    from_name TEXT,
    began TEXT NOT NULL,
    seconds DOUBLE PRECISION,
    kept BIGINT NOT NULL,
    file TEXT NOT NULL,
    notify TEXT NOT NULL
);
CREATE INDEX voicemails_by_time ON voicemails (began);

CREATE TABLE decisions (
    id TEXT PRIMARY KEY,
    call TEXT,
    at TEXT NOT NULL,
    request TEXT NOT NULL,
    facts TEXT NOT NULL,
    decision TEXT NOT NULL,
    remark TEXT
);
CREATE INDEX decisions_by_call ON decisions (call, id);

CREATE TABLE registrations (
    user_name TEXT NOT NULL,
    contact TEXT NOT NULL,
    record TEXT NOT NULL,
    expires TEXT NOT NULL,
    PRIMARY KEY (user_name, contact)
);

-- How far the journal has been applied; moves in the transaction that applies it.
CREATE TABLE journal (
    id BIGINT PRIMARY KEY,
    segment BIGINT NOT NULL,
    place BIGINT NOT NULL
);
