-- Alerts: where they go, what is wrong at the moment, what was told, and what is still to be sent.

CREATE TABLE alert_channels (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    -- What may be shown of it, as JSON.
    settings TEXT NOT NULL,
    -- Passwords, tokens, keys and addresses that are as good as those: JSON, sealed.
    secrets BLOB NOT NULL,
    enabled BOOLEAN NOT NULL,
    -- Gets the alerts of everything that has no channels of its own.
    for_all BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    -- Since when nothing could be delivered through it, and why; NULL when the last delivery arrived.
    failing_since BIGINT,
    last_error TEXT,
    delivered_at BIGINT,
    CONSTRAINT alert_channels_name_key UNIQUE (name_key)
);

-- The installation's rules as JSON.
CREATE TABLE alert_rules (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    rules TEXT NOT NULL
);

-- What a subscription has of its own.
CREATE TABLE subscription_alerts (
    subscription_id BLOB NOT NULL PRIMARY KEY REFERENCES subscriptions (id) ON DELETE CASCADE,
    mode TEXT NOT NULL CHECK (mode IN ('inherit', 'own', 'off')),
    -- Told of every backup that begins, succeeds or fails; sealed, for whoever knows it may use it.
    ping_url BLOB,
    -- Of it what may be shown.
    ping_place TEXT
);

CREATE TABLE subscription_alert_channels (
    subscription_id BLOB NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
    channel_id BLOB NOT NULL REFERENCES alert_channels (id) ON DELETE CASCADE,
    PRIMARY KEY (subscription_id, channel_id)
);

-- What is wrong at the moment: told once, again after the repeat interval, and once more when it is over.
CREATE TABLE alert_causes (
    kind TEXT NOT NULL CHECK (kind IN ('state', 'failed', 'small', 'damage', 'storage')),
    -- The subscription or the backup server.
    subject BLOB NOT NULL,
    subscription_id BLOB REFERENCES subscriptions (id) ON DELETE CASCADE,
    server_id BLOB REFERENCES backup_servers (id) ON DELETE CASCADE,
    -- How bad it is, where there are degrees.
    level TEXT NOT NULL,
    -- What is told, as JSON.
    news TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- NULL while there was nobody to tell.
    told_at BIGINT,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX alert_causes_subscription ON alert_causes (subscription_id);

-- What was told.
CREATE TABLE alerts (
    id BLOB NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    title TEXT NOT NULL,
    -- All of it, as JSON.
    news TEXT NOT NULL
);
CREATE INDEX alerts_at ON alerts (at);

-- The outbox: one row a message.
CREATE TABLE alert_deliveries (
    id BLOB NOT NULL PRIMARY KEY,
    channel_id BLOB REFERENCES alert_channels (id) ON DELETE SET NULL,
    channel_name TEXT NOT NULL,
    -- Of a ping, which goes to the address of its subscription.
    subscription_id BLOB REFERENCES subscriptions (id) ON DELETE CASCADE,
    ping TEXT CHECK (ping IN ('start', 'success', 'fail')),
    ping_text TEXT,
    -- collecting: takes more alerts until it is due. dropped: nothing is left to send it for.
    state TEXT NOT NULL CHECK (state IN ('collecting', 'waiting', 'sending', 'delivered', 'given_up', 'dropped')),
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    -- The panel that sends it, and until when that is believed.
    owner BLOB,
    lease_until BIGINT,
    -- Recipients that have it already, as JSON: a second try leaves them out.
    reached TEXT NOT NULL DEFAULT '[]',
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    -- What was answered.
    answer TEXT NOT NULL DEFAULT ''
);
-- One message of a channel collects, whatever the code does.
CREATE UNIQUE INDEX alert_deliveries_collecting ON alert_deliveries (channel_id) WHERE state = 'collecting';
CREATE INDEX alert_deliveries_due ON alert_deliveries (due_at) WHERE finished_at IS NULL;
CREATE INDEX alert_deliveries_newest ON alert_deliveries (created_at DESC, id DESC);
CREATE INDEX alert_deliveries_channel ON alert_deliveries (channel_id);
CREATE INDEX alert_deliveries_pings ON alert_deliveries (subscription_id) WHERE subscription_id IS NOT NULL;

CREATE TABLE alert_delivery_items (
    delivery_id BLOB NOT NULL REFERENCES alert_deliveries (id) ON DELETE CASCADE,
    alert_id BLOB NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    PRIMARY KEY (delivery_id, alert_id)
);
CREATE INDEX alert_delivery_items_alert ON alert_delivery_items (alert_id);

-- When a subscription's backup server was last asked what its own verification found.
CREATE TABLE verification_looks (
    subscription_id BLOB NOT NULL PRIMARY KEY REFERENCES subscriptions (id) ON DELETE CASCADE,
    asked_at BIGINT NOT NULL
);
