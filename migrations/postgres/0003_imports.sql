-- Files from elsewhere: uploads under way, and imports.

-- What arrived of an upload is what its backup server says; this says whose it is and what it is for.
CREATE TABLE uploads (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    subscription_id UUID NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    server_id UUID NOT NULL REFERENCES backup_servers (id) ON DELETE CASCADE,
    repository_id UUID NOT NULL,
    file_name TEXT NOT NULL,
    length BIGINT NOT NULL,
    -- When the file was last changed, as the browser says: another file of the same name and length is another file.
    modified BIGINT,
    created_at BIGINT NOT NULL,
    -- For how long the server keeps it when nothing more arrives.
    kept_millis BIGINT NOT NULL
);
CREATE INDEX uploads_subscription ON uploads (subscription_id, user_id);

CREATE TABLE imports (
    operation_id UUID NOT NULL PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE,
    upload_id UUID,
    -- Sealed, for it may hold a password; removed when the import has ended.
    url BYTEA,
    -- Of the URL what may be shown.
    host TEXT,
    file_name TEXT NOT NULL,
    -- Set when a person gave the name; else the answer or the address tells it.
    given_name TEXT,
    then_restore BOOLEAN NOT NULL
);
CREATE INDEX imports_upload ON imports (upload_id) WHERE upload_id IS NOT NULL;
