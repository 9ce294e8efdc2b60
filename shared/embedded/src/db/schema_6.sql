-- What operators have done and do: the audit trail. `body` is the operation as JSON, and is replaced under a rising version.
CREATE TABLE operations (
  id TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  -- 0 or 1.
  ended INTEGER NOT NULL,
  version INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX operations_listed ON operations (created_at, id);
CREATE INDEX operations_open ON operations (created_at) WHERE ended = 0;

-- What operators have written about error groups, as JSON.
CREATE TABLE error_notes (
  fingerprint INTEGER PRIMARY KEY,
  body TEXT NOT NULL
) STRICT;
