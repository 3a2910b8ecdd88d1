-- What the overview and a subscription's page show over time.

-- How big the file of a good backup was: known also after retention removed it.
ALTER TABLE operations ADD COLUMN size_bytes BIGINT;
UPDATE operations SET
    size_bytes = (SELECT l.size_bytes FROM backup_lines l
                  WHERE l.server_id = operations.server_id AND l.remote_id = operations.backup_id
                    AND l.result = 'good')
WHERE kind = 'backup' AND state = 'succeeded';
CREATE INDEX operations_failed ON operations (finished_at DESC) WHERE state IN ('failed', 'interrupted');

CREATE TABLE space_samples (
    server_id BLOB NOT NULL REFERENCES backup_servers (id) ON DELETE CASCADE,
    -- The beginning of the three hours that it stands for: however many panels ask, one row.
    at BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    free_bytes BIGINT NOT NULL,
    repositories_bytes BIGINT NOT NULL,
    PRIMARY KEY (server_id, at)
);
