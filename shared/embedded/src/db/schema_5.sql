-- From here on, the attempt of a job that succeeds at its first stays in the job's row: `lease_until` is then negative, the
-- bitwise complement of the attempt's start. Earlier versions would not find it. Existing rows stay as they are.

-- What workers have measured, by minute, and by hour where that is long ago.
CREATE TABLE rollups (
  -- 1 or 60.
  minutes INTEGER NOT NULL,
  -- The first minute, counted from 1970.
  start INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  job TEXT NOT NULL,
  succeeded INTEGER NOT NULL,
  retried INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  -- Histograms.
  durations BLOB NOT NULL,
  waits BLOB NOT NULL,
  PRIMARY KEY (minutes, start, queue, job)
) STRICT, WITHOUT ROWID;
