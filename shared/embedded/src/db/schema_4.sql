-- What failures of one cause have in common; null where an attempt is none, or is of an earlier layout.
ALTER TABLE attempts ADD COLUMN fingerprint INTEGER;

-- Of failed attempts alone: a job that succeeds has no entry.
CREATE INDEX attempts_failed ON attempts (fingerprint, seq) WHERE fingerprint IS NOT NULL;

-- Failed attempts of one cause: at most some thousand rows.
CREATE TABLE error_groups (
  fingerprint INTEGER PRIMARY KEY,
  -- The kind of the latest job.
  kind INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  title TEXT NOT NULL,
  -- When the first and the latest attempt ended.
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  -- The latest job, and its error.
  sample TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;

CREATE INDEX error_groups_last ON error_groups (last_at);
