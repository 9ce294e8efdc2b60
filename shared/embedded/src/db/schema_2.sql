-- The latest moment at which something was written: a clock that shows an earlier one was set back.
CREATE TABLE clock (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  latest INTEGER NOT NULL
) STRICT;

-- The blocks of 256 numbers (`seq >> 8`) with records of a kind, so that a listing finds a rare kind among millions
-- of rows. A row here for hundreds there: an index over `kind` would cost each job an entry.
CREATE TABLE blocks (
  kind INTEGER NOT NULL,
  block INTEGER NOT NULL,
  PRIMARY KEY (kind, block)
) STRICT, WITHOUT ROWID;

INSERT INTO blocks SELECT DISTINCT kind, seq >> 8 FROM jobs WHERE state != 0;

-- Rows after a row were added later: an earlier moment there shows that this row was written under a fast clock.
UPDATE jobs SET created_at = earlier.at
FROM (SELECT seq, min(created_at) OVER (ORDER BY seq DESC) AS at FROM jobs) AS earlier
WHERE earlier.seq = jobs.seq AND earlier.at < jobs.created_at;

INSERT INTO clock SELECT 1, max(
  (SELECT coalesce(max(created_at), 0) FROM jobs),
  (SELECT coalesce(max(since), 0) FROM jobs),
  (SELECT coalesce(max(buried_at), 0) FROM dead_letters),
  (SELECT coalesce(max(last_tick), 0) FROM schedules)
);
