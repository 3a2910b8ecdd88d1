-- What tells panels of one database from each other.

-- Sealed with the key file: a panel with another one must not go on.
CREATE TABLE key_check (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    sealed BLOB NOT NULL
);

-- The data folder whose panel runs this embedded server; NULL until that panel has started.
ALTER TABLE backup_servers ADD COLUMN folder BLOB;
