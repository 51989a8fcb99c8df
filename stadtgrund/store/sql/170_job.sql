-- Jobs: executions of a process for which nobody waits. A row is gone a day after its end. `owner` is the label of the key that
-- made it, null = nobody's. `alive` is the last sign of the server process that runs it, `tries` how many have been thought dead, the
-- present one included. `turn` tells a process that was thought dead that its answer is not wanted any more. `request` goes when the
-- answer comes; it and `problem` are json, since jsonb does not keep the order of keys.
CREATE TABLE IF NOT EXISTS meta.job (
    job uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    profile text NOT NULL,
    owner text,
    process text NOT NULL,
    request json,
    status text NOT NULL DEFAULT 'accepted' CHECK (status IN ('accepted', 'running', 'successful', 'failed')),
    created timestamptz NOT NULL DEFAULT now(),
    started timestamptz,
    finished timestamptz,
    alive timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    turn integer NOT NULL DEFAULT 0,
    media_type text,
    answer bytea,
    problem json
);
CREATE INDEX IF NOT EXISTS job_created ON meta.job (profile, created);

-- An answer may show what its profile saw when it was made. When a profile loses a collection, or sees it in another form, the answers go,
-- and what is being run begins anew.
CREATE OR REPLACE FUNCTION sg.forget_jobs() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
BEGIN
    DELETE FROM meta.job WHERE profile = OLD.profile AND finished IS NOT NULL;
    UPDATE meta.job SET status = 'accepted', tries = tries - 1 WHERE profile = OLD.profile AND status = 'running';
    RETURN NULL;
END
$body$;
REVOKE ALL ON FUNCTION sg.forget_jobs() FROM PUBLIC;
CREATE OR REPLACE TRIGGER forget_jobs_of_gone AFTER DELETE ON meta.state FOR EACH ROW EXECUTE FUNCTION sg.forget_jobs();
CREATE OR REPLACE TRIGGER forget_jobs_of_changed AFTER UPDATE ON meta.state FOR EACH ROW
    WHEN (OLD.collection #>> '{{facts,definition}}' IS DISTINCT FROM NEW.collection #>> '{{facts,definition}}')
    EXECUTE FUNCTION sg.forget_jobs();
