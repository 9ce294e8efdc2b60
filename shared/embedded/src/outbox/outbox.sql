CREATE TABLE IF NOT EXISTS lamplighter_outbox (
  -- Never reused: a sweeper deletes by it.
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  -- The job's id.
  id TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
  entry TEXT NOT NULL,
  created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  -- Why it cannot be enqueued; null as long as it is to be.
  error TEXT,
  failed_at TEXT
);
CREATE INDEX IF NOT EXISTS lamplighter_outbox_waiting ON lamplighter_outbox (seq) WHERE error IS NULL;
CREATE INDEX IF NOT EXISTS lamplighter_outbox_failed ON lamplighter_outbox (seq) WHERE error IS NOT NULL;
