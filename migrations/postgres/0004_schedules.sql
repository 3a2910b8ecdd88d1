-- Schedules, the runs that they make, and retention.

-- The zone in which days, weeks and months are counted.
ALTER TABLE subscriptions ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';

-- How many operations of a server Holdfast lets run at once before it begins another by schedule.
ALTER TABLE backup_servers ADD COLUMN job_limit BIGINT NOT NULL DEFAULT 2;
CREATE INDEX operations_unfinished_server ON operations (server_id) WHERE finished_at IS NULL;

CREATE TABLE schedules (
    subscription_id UUID NOT NULL PRIMARY KEY REFERENCES subscriptions (id) ON DELETE CASCADE,
    -- The schedule as JSON, and the zone that its times are in.
    plan TEXT NOT NULL,
    zone TEXT NOT NULL,
    -- The next planned moment, and when its run begins; NULL while it is off.
    next_slot BIGINT,
    due_at BIGINT
);
CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;

-- The schedule of new subscriptions.
CREATE TABLE schedule_default (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    plan TEXT NOT NULL,
    zone TEXT NOT NULL
);

-- One row a slot, whatever happens and however many panels there are.
CREATE TABLE scheduled_runs (
    subscription_id UUID NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    slot BIGINT NOT NULL,
    -- merged: a later slot came before it could begin.
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'merged')),
    -- Not before this moment: a retry waits.
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    operation_id UUID,
    -- The panel that follows the operation, and until when that is believed.
    owner UUID,
    lease_until BIGINT,
    PRIMARY KEY (subscription_id, slot)
);
CREATE INDEX scheduled_runs_waiting ON scheduled_runs (due_at) WHERE state = 'waiting';
CREATE INDEX scheduled_runs_open ON scheduled_runs (subscription_id, slot) WHERE state IN ('waiting', 'running');
CREATE INDEX scheduled_runs_slot ON scheduled_runs (slot);

-- What an operation of retention is to remove.
CREATE TABLE removals (
    operation_id UUID NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    remote_id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (operation_id, remote_id)
);
CREATE INDEX removals_remote ON removals (remote_id);

-- Uploaded files say nothing about how the backups of a subscription stand.
UPDATE subscriptions SET
    latest_good_at = (SELECT MAX(created_at) FROM backup_lines
                      WHERE subscription_id = subscriptions.id AND result = 'good'
                        AND trigger_kind NOT IN ('upload', 'url'));
