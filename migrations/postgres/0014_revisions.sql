-- Counts the changes of a subscription's form, so that one who has an older state before them does not undo them unseen.
ALTER TABLE subscriptions ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
