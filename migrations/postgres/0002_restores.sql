-- Restores and their undoing.

-- For how many hours a replaced database is kept; 0 for not at all.
ALTER TABLE backup_servers ADD COLUMN undo_hours BIGINT NOT NULL DEFAULT 24;

-- What an operation restores or undoes: the operation of that restore, of a restore its own.
ALTER TABLE operations ADD COLUMN restore_id UUID REFERENCES operations (id) ON DELETE SET NULL;
CREATE INDEX operations_restore ON operations (restore_id) WHERE restore_id IS NOT NULL;

CREATE TABLE restores (
    operation_id UUID NOT NULL PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE,
    line_id UUID REFERENCES backup_lines (id) ON DELETE SET NULL,
    -- The line as it was: it may be deleted later. The operation's own backup_id is the safety backup.
    backup_id UUID NOT NULL,
    line_name TEXT NOT NULL,
    line_created_at BIGINT NOT NULL,
    odoo_version TEXT,
    -- NULL replaces the operation's database.
    copy_name TEXT,
    neutralize BOOLEAN NOT NULL,
    safety_backup BOOLEAN NOT NULL,
    undo_hours BIGINT NOT NULL,
    -- Odoo's version of the database that was replaced, for when it comes back.
    version_before TEXT,
    -- What the server said that it did, as JSON.
    result TEXT,
    undo_until BIGINT,
    undone_at BIGINT,
    undone_by TEXT
);
CREATE INDEX restores_line ON restores (line_id) WHERE line_id IS NOT NULL;
