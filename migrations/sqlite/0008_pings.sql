-- Pings for the whole installation: channels that ping checks instead of carrying messages.

-- NULL: it carries messages. each: a check for each subscription. all: one check, pinged again and again while the panel
-- lives.
ALTER TABLE alert_channels ADD COLUMN pings TEXT CHECK (pings IN ('each', 'all'));
-- Of one that pings for all: what it said last, and when.
ALTER TABLE alert_channels ADD COLUMN pinged TEXT CHECK (pinged IN ('success', 'fail'));
ALTER TABLE alert_channels ADD COLUMN pinged_at BIGINT;

-- A test is a ping that says nothing of a check's state: log.
ALTER TABLE alert_deliveries ADD COLUMN said TEXT CHECK (said IN ('start', 'success', 'fail', 'log'));
UPDATE alert_deliveries SET said = ping;
ALTER TABLE alert_deliveries DROP COLUMN ping;
ALTER TABLE alert_deliveries RENAME COLUMN said TO ping;
CREATE INDEX alert_deliveries_checks ON alert_deliveries (subscription_id, channel_id, created_at) WHERE ping IS NOT NULL;
