-- Each worker asks once a second whether the state of its profile has changed. With thousands of collections that must not read
-- their documents: this index alone answers (20 pages instead of 1,000 at 2,400 collections).
CREATE INDEX IF NOT EXISTS state_digest ON meta.state (profile, dataset) INCLUDE (digest);
