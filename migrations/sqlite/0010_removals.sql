-- What retention may have had removed, and what it has not.

-- The order may be with the server: it is not changed any more, and what it names cannot be pinned.
ALTER TABLE removals ADD COLUMN given BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE removals SET given = TRUE
WHERE operation_id IN (SELECT id FROM operations WHERE finished_at IS NULL OR state = 'interrupted');
-- Of the others the server has said what it removed.
DELETE FROM removals
WHERE operation_id IN (SELECT id FROM operations WHERE finished_at IS NOT NULL AND state <> 'interrupted');
