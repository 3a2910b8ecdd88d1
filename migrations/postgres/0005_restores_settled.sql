-- What a backup server finishes, takes back or keeps longer after the operation ended here.

-- Nothing of its end is left to be asked for.
ALTER TABLE operations ADD COLUMN settled BOOLEAN NOT NULL DEFAULT FALSE;
-- Why a replaced database is kept although its time is over.
ALTER TABLE restores ADD COLUMN kept_because TEXT;
