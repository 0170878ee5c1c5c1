-- One inbox for calls, email, forms and chat. What the call side had kept moves into it.
--
-- `number` is what SQLite numbers rows by; search refers to it, and messages are in its order.

ALTER TABLE conversations RENAME TO conversations_of_calls;
DROP INDEX conversations_by_assignee;
ALTER TABLE assignments RENAME TO assignments_of_calls;
DROP INDEX assignments_by_user;

CREATE TABLE conversations (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    -- None: everybody has access. Empty: not known yet, so that only who sees all inboxes sees it.
    inbox TEXT,
    status TEXT NOT NULL,
    subject TEXT NOT NULL,
    contact TEXT,
    contact_name TEXT NOT NULL,
    contact_address TEXT,
    found_by TEXT,
    visitor TEXT,
    from_number TEXT,
    item TEXT,
    began TEXT NOT NULL,
    last_message TEXT NOT NULL,
    preview TEXT NOT NULL,
    awaits_reply_since TEXT,
    replied BIGINT NOT NULL,
    assignee_kind TEXT,
    assignee TEXT,
    assigned TEXT,
    unassigned TEXT,
    decision TEXT,
    progress TEXT,
    closed TEXT
);
-- Lists are read from these, newest first, so they hold what lists are filtered by.
CREATE INDEX conversations_by_time
    ON conversations (last_message, id, inbox, status, channel, kind, assignee_kind, assignee, item);
CREATE INDEX conversations_not_closed
    ON conversations (last_message, id, inbox, status, channel, kind, assignee_kind, assignee, item)
    WHERE status <> 'closed';
CREATE INDEX conversations_by_status
    ON conversations (status, last_message, id, inbox, channel, kind, assignee_kind, assignee, item);
CREATE INDEX conversations_by_assignee
    ON conversations (assignee_kind, assignee, last_message, id, inbox, status, channel, kind, item);
CREATE INDEX conversations_by_contact ON conversations (contact, last_message, id);
CREATE INDEX conversations_by_visitor ON conversations (visitor, channel, last_message)
    WHERE visitor IS NOT NULL;

CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    author_kind TEXT NOT NULL,
    author TEXT,
    author_name TEXT NOT NULL,
    subject TEXT,
    text TEXT NOT NULL,
    quoted TEXT,
    html TEXT,
    fields TEXT NOT NULL,
    attachments TEXT NOT NULL,
    -- Answers and names of files as plain words, to be searched.
    words TEXT NOT NULL,
    delivery TEXT NOT NULL,
    external_id TEXT,
    raw TEXT,
    call TEXT,
    voicemail TEXT,
    count BIGINT NOT NULL
);
CREATE INDEX messages_by_conversation ON messages (conversation, number);
CREATE INDEX messages_by_external_id ON messages (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX messages_by_call ON messages (call) WHERE call IS NOT NULL;

-- Which message an attachment belongs to; the rest stands in the message.
CREATE TABLE attachments (
    id TEXT PRIMARY KEY,
    message TEXT NOT NULL,
    conversation TEXT NOT NULL
);
CREATE INDEX attachments_by_conversation ON attachments (conversation);

-- Where a record stood in the journal names it, so that each is a row once.
CREATE TABLE assignments (
    segment BIGINT NOT NULL,
    place BIGINT NOT NULL,
    conversation TEXT NOT NULL,
    at TEXT NOT NULL,
    assignee_kind TEXT,
    assignee TEXT,
    assigned_by TEXT NOT NULL,
    decision TEXT,
    PRIMARY KEY (segment, place)
);
CREATE INDEX assignments_by_assignee ON assignments (assignee_kind, assignee, at);
CREATE INDEX assignments_by_conversation ON assignments (conversation, segment, place);

CREATE TABLE contacts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision BIGINT NOT NULL,
    name TEXT NOT NULL,
    addresses TEXT NOT NULL,
    numbers TEXT NOT NULL,
    cookies TEXT NOT NULL,
    owner TEXT,
    external_id TEXT,
    note TEXT NOT NULL,
    -- `deleted`, or the contact it was merged into.
    gone TEXT,
    created TEXT NOT NULL,
    changed TEXT NOT NULL
);
CREATE INDEX contacts_by_name ON contacts (name, id);
CREATE INDEX contacts_by_external_id ON contacts (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE contact_addresses (
    address TEXT NOT NULL,
    contact TEXT NOT NULL,
    PRIMARY KEY (address, contact)
);
CREATE INDEX contact_addresses_by_contact ON contact_addresses (contact);
CREATE TABLE contact_numbers (
    phone_number TEXT NOT NULL,
    contact TEXT NOT NULL,
    PRIMARY KEY (phone_number, contact)
);
CREATE INDEX contact_numbers_by_contact ON contact_numbers (contact);
CREATE TABLE contact_cookies (
    cookie TEXT NOT NULL,
    contact TEXT NOT NULL,
    PRIMARY KEY (cookie, contact)
);
CREATE INDEX contact_cookies_by_contact ON contact_cookies (contact);

CREATE TABLE presence (
    user_name TEXT PRIMARY KEY,
    presence TEXT NOT NULL,
    reason TEXT NOT NULL,
    since TEXT NOT NULL,
    until TEXT
);

CREATE TABLE seen (
    user_name TEXT NOT NULL,
    conversation TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (user_name, conversation)
);
CREATE INDEX seen_by_conversation ON seen (conversation);

CREATE TABLE sessions (
    session_key TEXT PRIMARY KEY,
    user_name TEXT NOT NULL,
    began TEXT NOT NULL,
    expires TEXT NOT NULL
);
CREATE INDEX sessions_by_expiry ON sessions (expires);

CREATE TABLE audit (
    segment BIGINT NOT NULL,
    place BIGINT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (segment, place)
);

CREATE TABLE heard (
    voicemail TEXT PRIMARY KEY,
    heard_by TEXT NOT NULL,
    at TEXT NOT NULL
);

-- Conversations that are no more: what comes late for one is not kept.
CREATE TABLE deleted_conversations (id TEXT PRIMARY KEY);

-- Files of deleted conversations that are still to be removed.
CREATE TABLE removals (
    directory TEXT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (directory, path)
);

ALTER TABLE decisions ADD COLUMN conversation TEXT;
CREATE INDEX decisions_by_conversation ON decisions (conversation, id) WHERE conversation IS NOT NULL;
CREATE INDEX voicemails_by_conversation ON voicemails (conversation);
CREATE INDEX voicemails_by_call ON voicemails (call);
CREATE INDEX calls_by_sip_call_id ON calls (sip_call_id);

INSERT INTO conversations (
    id, revision, kind, channel, inbox, status, subject, contact_name, contact_address, from_number,
    item, began, last_message, preview, awaits_reply_since, replied, assignee_kind, assignee,
    assigned, closed
)
SELECT old.id, 0, 'call', old.channel, '',
    CASE WHEN old.closed IS NULL THEN 'open' ELSE 'closed' END,
    COALESCE(old.from_number, 'anonymous'),
    COALESCE(calls.from_name, old.from_number, 'anonymous'),
    old.from_number, old.from_number, old.item, old.began,
    COALESCE(calls.ended, old.began), COALESCE(calls.detail, ''),
    CASE WHEN old.item <> 'call' AND old.closed IS NULL THEN old.began END,
    CASE WHEN old.item = 'call' THEN 1 ELSE 0 END,
    CASE WHEN old.assignee IS NOT NULL THEN 'user' END, old.assignee,
    (SELECT MAX(at) FROM assignments_of_calls WHERE conversation = old.id),
    old.closed
FROM conversations_of_calls AS old LEFT JOIN calls ON calls.id = old.call
ORDER BY old.began, old.id;

-- A call's conversation had no messages; now the call is one, by the identifier of the call.
INSERT INTO messages (
    id, conversation, at, kind, author_kind, author_name, text, fields, attachments, words, delivery,
    call, voicemail, count
)
SELECT old.call, old.id, old.began, old.item, 'contact',
    COALESCE(calls.from_name, old.from_number, 'anonymous'), COALESCE(calls.detail, ''), '[]', '[]',
    '', '"none"', old.call,
    (SELECT MAX(id) FROM voicemails WHERE conversation = old.id AND kept = 1), 1
FROM conversations_of_calls AS old LEFT JOIN calls ON calls.id = old.call
WHERE TRUE
ORDER BY old.began, old.id
ON CONFLICT (id) DO NOTHING;

INSERT INTO assignments (
    segment, place, conversation, at, assignee_kind, assignee, assigned_by, decision
)
SELECT 0, ROW_NUMBER() OVER (ORDER BY at, conversation), conversation, at, 'user', user_name, 'rule',
    decision
FROM assignments_of_calls;

UPDATE decisions SET conversation =
    (SELECT MIN(messages.conversation) FROM messages WHERE messages.call = decisions.call)
WHERE call IS NOT NULL;

DROP TABLE conversations_of_calls;
DROP TABLE assignments_of_calls;
