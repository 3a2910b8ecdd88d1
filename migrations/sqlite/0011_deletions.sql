-- A subscription that is being deleted with its backups: nothing of it may begin until then. The panel that deletes moves
-- the moment on; when it is gone, the moment passes.
ALTER TABLE subscriptions ADD COLUMN deleting_until BIGINT;
