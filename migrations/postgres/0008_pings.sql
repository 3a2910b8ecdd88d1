-- Pings for the whole installation: channels that ping checks instead of carrying messages.

-- NULL: it carries messages. each: a check for each subscription. all: one check, pinged again and again while the panel
-- lives.
ALTER TABLE alert_channels ADD COLUMN pings TEXT CHECK (pings IN ('each', 'all'));
-- Of one that pings for all: what it said last, and when.
ALTER TABLE alert_channels ADD COLUMN pinged TEXT CHECK (pinged IN ('success', 'fail'));
ALTER TABLE alert_channels ADD COLUMN pinged_at BIGINT;

-- A test is a ping that says nothing of a check's state: log.
ALTER TABLE alert_deliveries DROP CONSTRAINT alert_deliveries_ping_check;
ALTER TABLE alert_deliveries ADD CONSTRAINT alert_deliveries_ping_check
    CHECK (ping IN ('start', 'success', 'fail', 'log'));
CREATE INDEX alert_deliveries_checks ON alert_deliveries (subscription_id, channel_id, created_at) WHERE ping IS NOT NULL;
