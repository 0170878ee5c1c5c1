-- What a contact's history was lacking: each of several missed calls, and conversations that were
-- closed before their contact was merged, or before the caller was known.

-- Missed calls that were counted into a message before its last one, as a list and to be looked up.
ALTER TABLE messages ADD COLUMN earlier_calls TEXT NOT NULL DEFAULT '[]';
CREATE TABLE earlier_calls (
    call TEXT PRIMARY KEY,
    message TEXT NOT NULL,
    conversation TEXT NOT NULL
);
CREATE INDEX earlier_calls_by_conversation ON earlier_calls (conversation);

-- A message has the identifier of its first call: what the same caller tried until the last is in it.
INSERT INTO earlier_calls (call, message, conversation)
SELECT calls.id, messages.id, messages.conversation
FROM messages
JOIN calls AS first ON first.id = messages.id
JOIN calls AS last ON last.id = messages.call
JOIN calls ON calls.began BETWEEN first.began AND last.began AND calls.id <> last.id
    AND calls.channel = last.channel AND calls.from_number = last.from_number
    AND (calls.outcome = 'missed' OR calls.id = first.id)
WHERE messages.kind = 'missed-call' AND messages.count > 1
ON CONFLICT (call) DO NOTHING;
UPDATE messages SET earlier_calls =
    (SELECT json_group_array(call) FROM
        (SELECT earlier_calls.call FROM earlier_calls JOIN calls ON calls.id = earlier_calls.call
         WHERE earlier_calls.message = messages.id ORDER BY calls.began, calls.id))
WHERE id IN (SELECT message FROM earlier_calls);

-- Conversations follow their contact into the one that it was merged into, however often that was.
WITH RECURSIVE merged (contact, into_contact) AS (
    SELECT id, gone FROM contacts WHERE gone IS NOT NULL AND gone <> 'deleted'
    UNION
    SELECT merged.contact, contacts.gone FROM merged
    JOIN contacts ON contacts.id = merged.into_contact
    WHERE contacts.gone IS NOT NULL AND contacts.gone <> 'deleted'
)
UPDATE conversations SET contact =
    (SELECT merged.into_contact FROM merged JOIN contacts ON contacts.id = merged.into_contact
     WHERE merged.contact = conversations.contact
         AND (contacts.gone IS NULL OR contacts.gone = 'deleted'))
WHERE contact IN (SELECT contact FROM merged);
UPDATE conversations SET contact = NULL, found_by = NULL
WHERE contact IN (SELECT id FROM contacts WHERE gone = 'deleted');

-- Calls of a number that a contact has are the contact's.
UPDATE conversations SET found_by = 'caller-number', contact =
    (SELECT MIN(contact) FROM contact_numbers WHERE phone_number = conversations.from_number)
WHERE contact IS NULL AND kind = 'call'
    AND from_number IN (SELECT phone_number FROM contact_numbers);
