-- The panel that follows an operation, and until when that is believed: another one follows it then.
ALTER TABLE operations ADD COLUMN owner BLOB;
ALTER TABLE operations ADD COLUMN lease_until BIGINT;
