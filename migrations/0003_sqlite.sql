-- What SQLite says in its own way: full text search, and rows that are never changed.
--
-- The indexes hold no text of their own; triggers keep them in the transaction that changes a row.
-- What is deleted is taken out of them at once, not only marked.

CREATE VIRTUAL TABLE conversation_search USING fts5 (
    subject, contact_name, contact_address, from_number,
    content = 'conversations', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO conversation_search (conversation_search, rank) VALUES ('secure-delete', 1);
INSERT INTO conversation_search (conversation_search) VALUES ('rebuild');

CREATE TRIGGER conversations_added AFTER INSERT ON conversations BEGIN
    INSERT INTO conversation_search (rowid, subject, contact_name, contact_address, from_number)
    VALUES (new.number, new.subject, new.contact_name, new.contact_address, new.from_number);
END;
CREATE TRIGGER conversations_removed AFTER DELETE ON conversations BEGIN
    INSERT INTO conversation_search
        (conversation_search, rowid, subject, contact_name, contact_address, from_number)
    VALUES ('delete', old.number, old.subject, old.contact_name, old.contact_address, old.from_number);
END;
CREATE TRIGGER conversations_reworded
AFTER UPDATE OF subject, contact_name, contact_address, from_number ON conversations
WHEN old.subject IS NOT new.subject OR old.contact_name IS NOT new.contact_name
    OR old.contact_address IS NOT new.contact_address OR old.from_number IS NOT new.from_number
BEGIN
    INSERT INTO conversation_search
        (conversation_search, rowid, subject, contact_name, contact_address, from_number)
    VALUES ('delete', old.number, old.subject, old.contact_name, old.contact_address, old.from_number);
    INSERT INTO conversation_search (rowid, subject, contact_name, contact_address, from_number)
    VALUES (new.number, new.subject, new.contact_name, new.contact_address, new.from_number);
END;

CREATE VIRTUAL TABLE message_search USING fts5 (
    author_name, subject, text, words,
    content = 'messages', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', 1);
INSERT INTO message_search (message_search) VALUES ('rebuild');

CREATE TRIGGER messages_added AFTER INSERT ON messages BEGIN
    INSERT INTO message_search (rowid, author_name, subject, text, words)
    VALUES (new.number, new.author_name, new.subject, new.text, new.words);
END;
CREATE TRIGGER messages_removed AFTER DELETE ON messages BEGIN
    INSERT INTO message_search (message_search, rowid, author_name, subject, text, words)
    VALUES ('delete', old.number, old.author_name, old.subject, old.text, old.words);
END;
CREATE TRIGGER messages_reworded AFTER UPDATE OF author_name, subject, text, words ON messages
WHEN old.author_name IS NOT new.author_name OR old.subject IS NOT new.subject
    OR old.text IS NOT new.text OR old.words IS NOT new.words
BEGIN
    INSERT INTO message_search (message_search, rowid, author_name, subject, text, words)
    VALUES ('delete', old.number, old.author_name, old.subject, old.text, old.words);
    INSERT INTO message_search (rowid, author_name, subject, text, words)
    VALUES (new.number, new.author_name, new.subject, new.text, new.words);
END;

CREATE VIRTUAL TABLE contact_search USING fts5 (
    name, addresses, numbers, note,
    content = 'contacts', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO contact_search (contact_search, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER contacts_added AFTER INSERT ON contacts BEGIN
    INSERT INTO contact_search (rowid, name, addresses, numbers, note)
    VALUES (new.number, new.name, new.addresses, new.numbers, new.note);
END;
CREATE TRIGGER contacts_removed AFTER DELETE ON contacts BEGIN
    INSERT INTO contact_search (contact_search, rowid, name, addresses, numbers, note)
    VALUES ('delete', old.number, old.name, old.addresses, old.numbers, old.note);
END;
CREATE TRIGGER contacts_reworded AFTER UPDATE OF name, addresses, numbers, note ON contacts
WHEN old.name IS NOT new.name OR old.addresses IS NOT new.addresses
    OR old.numbers IS NOT new.numbers OR old.note IS NOT new.note
BEGIN
    INSERT INTO contact_search (contact_search, rowid, name, addresses, numbers, note)
    VALUES ('delete', old.number, old.name, old.addresses, old.numbers, old.note);
    INSERT INTO contact_search (rowid, name, addresses, numbers, note)
    VALUES (new.number, new.name, new.addresses, new.numbers, new.note);
END;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is never deleted');
END;
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE segment = new.segment AND place = new.place)
BEGIN
    SELECT RAISE(IGNORE);
END;
