-- Jobs that wait for others to end: a row for each of those.
CREATE TABLE waits (
  -- The id of the other job.
  parent TEXT NOT NULL,
  child INTEGER NOT NULL,
  -- How the other job must end: 1 with success, 2 with failure, 3 in any way.
  outcome INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;

CREATE INDEX waits_child ON waits (child);

-- Unique keys of jobs. Whether a key is free is decided when it is asked for.
CREATE TABLE unique_keys (
  kind INTEGER NOT NULL,
  key TEXT NOT NULL,
  -- The job that has it, or had it last.
  id TEXT NOT NULL,
  -- How long it has it: 1 until it has started, 2 until it has ended, 3 for a time.
  hold INTEGER NOT NULL,
  -- The end of that time; for the others, the moment from which the row may be forgotten once its job is gone.
  until INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX unique_keys_until ON unique_keys (until);

-- What jobs write down while they run, in this order.
CREATE TABLE logs (
  seq INTEGER NOT NULL,
  place INTEGER NOT NULL,
  at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  -- 1 debug, 2 info, 3 warn, 4 error.
  level INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (seq, place)
) STRICT, WITHOUT ROWID;

-- The messages of tenants on standard queues: of each of them, the next one is found however many the others have.
CREATE INDEX jobs_tenants ON jobs (queue, grp, visible_at)
  WHERE grp IS NOT NULL AND place IS NULL AND visible_at IS NOT NULL;

-- Batches, by the rows of their own records in `jobs`. The counts change in the transaction in which a job of them ends.
CREATE TABLE batches (
  seq INTEGER PRIMARY KEY,
  total INTEGER NOT NULL,
  succeeded INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL
) STRICT;

-- The jobs of batches.
CREATE TABLE members (
  seq INTEGER PRIMARY KEY,
  -- The row of the batch.
  batch INTEGER NOT NULL,
  -- Whether the batch has counted it: a job counts once, when it first ends.
  counted INTEGER NOT NULL
) STRICT;

CREATE INDEX members_batch ON members (batch);

-- The jobs that have a place in a limit, or for which one is kept.
DROP TABLE locks;
CREATE TABLE limit_holders (
  key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  -- The owner of the attempt; null for a place that is kept for a job that was woken.
  owner INTEGER,
  until INTEGER NOT NULL,
  PRIMARY KEY (key, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX limit_holders_seq ON limit_holders (seq);

-- The jobs that wait for a limit, each for one at a time.
CREATE TABLE limit_waits (
  seq INTEGER PRIMARY KEY,
  key TEXT NOT NULL,
  -- Its place in the line.
  since INTEGER NOT NULL,
  -- When it may begin, where a rate says that; null if it waits for a place.
  turn INTEGER
) STRICT;

CREATE INDEX limit_waits_key ON limit_waits (key, since) WHERE turn IS NULL;

-- When jobs may begin: `RateState`.
CREATE TABLE limit_rates (
  key TEXT PRIMARY KEY,
  full_at INTEGER NOT NULL,
  next INTEGER NOT NULL,
  interval INTEGER NOT NULL,
  -- The later one of the two moments.
  idle_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX limit_rates_idle ON limit_rates (idle_at);
