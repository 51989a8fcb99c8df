-- Jobs: executions of a process for which nobody waits. A row is gone a day after its end.
-- owner: label of the key that made it, null = nobody's; of these `origin` is the network that it came from, shortened as in the log.
-- later: not to be run before. alive: last sign of the server process that runs it. tries: how many processes have taken it, but for those
-- that gave it back in order. turn: which taking this is, so that a process that was thought dead learns that its answer is not wanted.
-- epoch: that of the profile when it was taken. request goes when the answer comes; it and problem are json, as jsonb loses the order of keys.
CREATE TABLE IF NOT EXISTS meta.job (
    job uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    profile text NOT NULL,
    owner text,
    origin text,
    process text NOT NULL,
    request json,
    status text NOT NULL DEFAULT 'accepted' CHECK (status IN ('accepted', 'running', 'successful', 'failed')),
    created timestamptz NOT NULL DEFAULT now(),
    later timestamptz NOT NULL DEFAULT now(),
    started timestamptz,
    finished timestamptz,
    alive timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    turn integer NOT NULL DEFAULT 0,
    epoch bigint,
    media_type text,
    answer bytea,
    problem json
);
CREATE INDEX IF NOT EXISTS job_open ON meta.job (profile, owner, origin, created) WHERE status IN ('accepted', 'running');
CREATE INDEX IF NOT EXISTS job_ended ON meta.job (profile, owner, origin, finished) WHERE finished IS NOT NULL;

-- What a profile sees has an epoch: it ends when the profile loses a collection, or sees it in another form. An answer may show what its
-- profile saw when it was made: it is shown, and written, in that epoch only.
CREATE TABLE IF NOT EXISTS meta.job_epoch (
    profile text PRIMARY KEY,
    epoch bigint NOT NULL DEFAULT 0
);

-- Deferred: who closes waits for what he changes, and would have everybody else wait for the row of the epoch meanwhile.
CREATE OR REPLACE FUNCTION sg.end_epoch() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
BEGIN
    UPDATE meta.job_epoch SET epoch = epoch + 1 WHERE profile = OLD.profile;
    RETURN NULL;
END
$body$;
REVOKE ALL ON FUNCTION sg.end_epoch() FROM PUBLIC;
DROP TRIGGER IF EXISTS end_epoch_of_gone ON meta.state;
CREATE CONSTRAINT TRIGGER end_epoch_of_gone AFTER DELETE ON meta.state DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sg.end_epoch();
DROP TRIGGER IF EXISTS end_epoch_of_changed ON meta.state;
CREATE CONSTRAINT TRIGGER end_epoch_of_changed AFTER UPDATE ON meta.state DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.collection #>> '{{facts,definition}}' IS DISTINCT FROM NEW.collection #>> '{{facts,definition}}')
    EXECUTE FUNCTION sg.end_epoch();

-- The profiles of which a job waits that no server process has taken, or ran in one that is gone, or has had its day or its epoch. After
-- a restart of the database those that run have time for a sign of life.
CREATE OR REPLACE FUNCTION sg.jobs_due(lease interval, kept interval) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog
AS $body$
    SELECT DISTINCT j.profile FROM meta.job j JOIN meta.job_epoch e USING (profile)
    WHERE j.status = 'accepted' AND greatest(j.created + interval '2 seconds', j.later) < now()
       OR j.status = 'running' AND j.alive < now() - lease AND pg_postmaster_start_time() < now() - lease
       OR j.finished IS NOT NULL AND (j.finished < now() - kept OR j.epoch < e.epoch)
$body$;
REVOKE ALL ON FUNCTION sg.jobs_due(interval, interval) FROM PUBLIC;
