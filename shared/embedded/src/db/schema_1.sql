CREATE TABLE queues (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  fifo INTEGER NOT NULL,
  paused INTEGER NOT NULL
) STRICT;

-- A queue and a job's name, as one number.
CREATE TABLE kinds (
  id INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL,
  job TEXT NOT NULL,
  UNIQUE (queue, job)
) STRICT;

CREATE TABLE hosts (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- The next `seq` of a job or dead letter. Never reused: a receipt always means the same message.
CREATE TABLE sequence (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  next INTEGER NOT NULL
) STRICT;
INSERT INTO sequence VALUES (1, 1);

CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  queue INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  -- The fence, the lease and who holds it: they mean something while the job is running.
  owner INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  host INTEGER NOT NULL,
  -- When the message can be received; null when there is none any more.
  visible_at INTEGER,
  receives INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  -- Since when the job is in its state: running since, ended since.
  since INTEGER NOT NULL,
  -- When the record of an ended job goes.
  purge_at INTEGER,
  -- Whether `notes` holds a checkpoint.
  noted INTEGER NOT NULL,
  grp TEXT,
  -- The place in its group, on FIFO queues, while it has a message.
  place INTEGER
) STRICT;

CREATE UNIQUE INDEX jobs_id ON jobs (id);
CREATE INDEX jobs_ready ON jobs (queue, visible_at) WHERE visible_at IS NOT NULL;
CREATE INDEX jobs_listed ON jobs (kind, state) WHERE state > 2;
CREATE INDEX jobs_purge ON jobs (purge_at) WHERE purge_at IS NOT NULL;
CREATE INDEX jobs_groups ON jobs (queue, grp, place) WHERE place IS NOT NULL;

CREATE TABLE bodies (
  seq INTEGER PRIMARY KEY,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE notes (
  seq INTEGER PRIMARY KEY,
  -- Why the job was cancelled.
  reason TEXT,
  output TEXT,
  done INTEGER,
  total INTEGER,
  checkpoint TEXT
) STRICT;

CREATE TABLE attempts (
  seq INTEGER NOT NULL,
  place INTEGER NOT NULL,
  number INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  host INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  error TEXT,
  PRIMARY KEY (seq, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE counts (
  kind INTEGER NOT NULL,
  state INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  PRIMARY KEY (kind, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
  seq INTEGER PRIMARY KEY,
  queue INTEGER NOT NULL,
  id TEXT NOT NULL,
  -- The job's name, as far as the body tells it; else empty.
  job TEXT NOT NULL,
  reason TEXT NOT NULL,
  buried_at INTEGER NOT NULL,
  receives INTEGER NOT NULL,
  grp TEXT,
  error TEXT NOT NULL,
  -- Last, since it may be long: what stands before it is read without it.
  body TEXT NOT NULL
) STRICT;

CREATE INDEX dead_letters_queue ON dead_letters (queue);
CREATE INDEX dead_letters_id ON dead_letters (id);
CREATE INDEX dead_letters_age ON dead_letters (buried_at);

-- Locks of running jobs, each under its job's fencing token and until its lease ends.
CREATE TABLE locks (
  key TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX locks_seq ON locks (seq);

CREATE TABLE schedules (
  name TEXT PRIMARY KEY,
  definition TEXT NOT NULL,
  job TEXT NOT NULL,
  queue TEXT NOT NULL,
  tracked INTEGER NOT NULL,
  args TEXT NOT NULL,
  -- Whether it came with a deployment; else it was made at run time.
  deployed INTEGER NOT NULL,
  last_tick INTEGER NOT NULL,
  paused INTEGER NOT NULL,
  last_run TEXT
) STRICT, WITHOUT ROWID;
