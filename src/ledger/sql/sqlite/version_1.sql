-- Rows of a version 1 ledger, for the test of its migration: a document in each state, and traces of one that is gone.

INSERT INTO collections VALUES ('documents', '{"model":"m","recipe":"r1"}', 1700000000120), ('broken', 'no JSON', 1700000000120);

INSERT INTO documents (document_id, tenant, collection, source_uri, source_name, state, reason, content_hash, recipe, generation,
    tags, size_bytes, attempts, visible, title, page_count, failed_pages, updated_at_ms)
VALUES
    ('00000000-0000-0000-0000-000000000001', 'default', 'documents', '/1', '1', 'indexed', NULL, 'h1', 'r1', 'g1', '{"a":"b"}', 1,
        1, 'g1', 'One', 3, '[{"page":2,"reason":"slow"}]', 1700000000000),
    -- changed since it was indexed, tried twice, its last pages still to be removed
    ('00000000-0000-0000-0000-000000000002', 'default', 'documents', '/2', '2', 'queued', 'slow', 'h2', 'r0', 'g2-new', '{}', 1,
        2, 'g2-old', 'Two', 1, '[]', 1700000000000),
    -- forced: what people see is being written once more
    ('00000000-0000-0000-0000-000000000003', 'default', 'documents', '/3', '3', 'processing', NULL, 'h3', 'r1', 'g3', '{}', 1,
        1, 'g3', 'Three', 1, '[]', 1700000000000),
    ('00000000-0000-0000-0000-000000000004', 'default', 'documents', '/4', '4', 'rejected', 'encrypted', 'h4', 'r1', 'g4', '{}', 1,
        1, NULL, '', 0, '[]', 1700000000000),
    ('00000000-0000-0000-0000-000000000005', 'default', 'documents', '/5', '5', 'dead', 'slow', 'h5', 'r1', 'g5', '{}', 1,
        5, NULL, '', 0, '[]', 1700000000000),
    ('00000000-0000-0000-0000-000000000006', 'default', 'documents', '/6', '6', 'deleting', NULL, 'h6', 'r1', 'g6', '{}', 1,
        1, NULL, '', 0, '[]', 1700000000000),
    ('00000000-0000-0000-0000-000000000007', 'default', 'documents', '/7', '7', 'indexed', NULL, 'h1', 'r0', 'g1', '{}', 1,
        1, 'g1', 'Seven', 1, '[]', 1700000000000),
    ('00000000-0000-0000-0000-000000000008', 'default', 'documents', '/deleted long ago', '8', 'dead', NULL, 'h8', 'r1', 'g8', '{}',
        1, 1, NULL, '', 0, '[]', 1700000000000);

INSERT INTO jobs (document_id, attempts, claims, due_at_ms, lease_until_ms) VALUES
    ('00000000-0000-0000-0000-000000000002', 2, 2, 1700000000000, NULL),
    ('00000000-0000-0000-0000-000000000003', 1, 1, 1700000000000, 9900000000000);

INSERT INTO garbage (document_id, collection, generation) VALUES
    ('00000000-0000-0000-0000-000000000002', 'documents', 'g2-new'),
    ('00000000-0000-0000-0000-000000000006', 'documents', 'g6');

DELETE FROM documents WHERE document_id = '00000000-0000-0000-0000-000000000008';
