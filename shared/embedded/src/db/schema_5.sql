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
