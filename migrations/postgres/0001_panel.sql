-- The panel's tables. Times are milliseconds since 1970 in UTC, sizes are bytes; `*_key` and `search_text` are lower case,
-- made by the panel, so that both databases compare and sort alike.

CREATE TABLE users (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
    created_at BIGINT NOT NULL,
    CONSTRAINT users_email_key UNIQUE (email)
);

CREATE TABLE sessions (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE set_up_links (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    -- Works although there are users: for administrators who lost their password.
    recovery BOOLEAN NOT NULL
);

CREATE TABLE backup_servers (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    url TEXT NOT NULL,
    token BYTEA NOT NULL,
    embedded BOOLEAN NOT NULL,
    version TEXT,
    total_bytes BIGINT,
    free_bytes BIGINT,
    repositories_bytes BIGINT,
    reachable BOOLEAN,
    reach_since BIGINT,
    reach_reason TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT backup_servers_name_key UNIQUE (name_key)
);

CREATE TABLE subscriptions (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT COLLATE "C" NOT NULL,
    database_name TEXT COLLATE "C" NOT NULL,
    search_text TEXT COLLATE "C" NOT NULL,
    server_id UUID REFERENCES backup_servers (id),
    -- The repository's identity: assigned when a server is first set, then fixed.
    repository_id UUID,
    connection TEXT NOT NULL CHECK (connection IN ('odoo_http', 'postgres')),
    odoo_url TEXT NOT NULL,
    master_password BYTEA,
    postgres_url BYTEA,
    redacted_postgres_url TEXT NOT NULL,
    filestore TEXT NOT NULL,
    addons TEXT NOT NULL,
    odoo_version TEXT COLLATE "C",
    keep_daily BIGINT NOT NULL,
    keep_weekly BIGINT NOT NULL,
    keep_monthly BIGINT NOT NULL,
    keep_latest BIGINT NOT NULL,
    -- Figures of its lines, brought up to date in the transaction that changes a line.
    latest_good_at BIGINT,
    latest_bytes BIGINT,
    good_count BIGINT NOT NULL DEFAULT 0,
    stored_bytes BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    CONSTRAINT subscriptions_name_database_key UNIQUE (name_key, database_name),
    CONSTRAINT subscriptions_repository_key UNIQUE (repository_id)
);
CREATE INDEX subscriptions_server ON subscriptions (server_id);

-- Repositories whose subscription was deleted while its backups were kept.
CREATE TABLE kept_repositories (
    repository_id UUID NOT NULL,
    server_id UUID NOT NULL REFERENCES backup_servers (id) ON DELETE CASCADE,
    name_key TEXT NOT NULL,
    database_name TEXT NOT NULL,
    kept_at BIGINT NOT NULL,
    PRIMARY KEY (repository_id, server_id)
);

CREATE TABLE operations (
    id UUID NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subscription_id UUID REFERENCES subscriptions (id) ON DELETE SET NULL,
    subscription_name TEXT NOT NULL,
    server_id UUID REFERENCES backup_servers (id) ON DELETE SET NULL,
    server_name TEXT NOT NULL,
    repository_id UUID NOT NULL,
    backup_id UUID NOT NULL,
    database_name TEXT NOT NULL,
    format TEXT NOT NULL,
    comment TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_by_id UUID,
    -- The server has answered that it knows the job.
    accepted BOOLEAN NOT NULL,
    cancel_asked BOOLEAN NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
    phase TEXT NOT NULL,
    done_bytes BIGINT NOT NULL,
    total_bytes BIGINT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    failure_code TEXT,
    failure_message TEXT
);
-- One at a time for a subscription, whatever the code does.
CREATE UNIQUE INDEX operations_one_unfinished ON operations (subscription_id) WHERE finished_at IS NULL;
CREATE INDEX operations_newest ON operations (created_at DESC);
CREATE INDEX operations_subscription ON operations (subscription_id, created_at DESC);

CREATE TABLE operation_log (
    operation_id UUID NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    at BIGINT NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (operation_id, position)
);

CREATE TABLE backup_lines (
    id UUID NOT NULL PRIMARY KEY,
    subscription_id UUID NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    -- The server that holds it; stays when the subscription moves to another.
    server_id UUID NOT NULL REFERENCES backup_servers (id),
    repository_id UUID NOT NULL,
    remote_id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    search_text TEXT COLLATE "C" NOT NULL,
    format TEXT NOT NULL,
    size_bytes BIGINT,
    stored_bytes BIGINT,
    created_at BIGINT NOT NULL,
    -- When the panel wrote it down: a server's list asked for earlier says nothing about it.
    recorded_at BIGINT NOT NULL,
    comment TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    result TEXT NOT NULL CHECK (result IN ('good', 'failed', 'missing', 'size_changed')),
    reason TEXT NOT NULL,
    attachments_present BIGINT,
    attachments_expected BIGINT,
    odoo_version TEXT,
    pinned BOOLEAN NOT NULL,
    operation_id UUID REFERENCES operations (id) ON DELETE SET NULL,
    CONSTRAINT backup_lines_remote_key UNIQUE (server_id, remote_id)
);
CREATE INDEX backup_lines_newest ON backup_lines (subscription_id, created_at DESC);

CREATE TABLE actions (
    id UUID NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    user_id UUID,
    what TEXT NOT NULL,
    -- No reference: the log outlives what it tells about and never changes.
    subscription_id UUID,
    subscription_name TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'started', 'failed')),
    search_text TEXT COLLATE "C" NOT NULL
);
CREATE INDEX actions_newest ON actions (at DESC, id DESC);
CREATE INDEX actions_subscription ON actions (subscription_id, at DESC);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the action log is append-only'; END $$;
CREATE TRIGGER actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON actions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
