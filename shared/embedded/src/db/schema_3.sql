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
