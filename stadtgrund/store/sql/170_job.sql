-- Jobs: executions of a process for which nobody waits. A row is gone a day after its end. `owner` is the label of the key that
-- made it, null = nobody's. `alive` is the last sign of the server that runs it; with `tries` it tells a server that was thought dead
-- that its answer is not wanted any more. `request` goes when the answer comes.
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
    media_type text,
    answer bytea,
    problem json
);
CREATE INDEX IF NOT EXISTS job_created ON meta.job (profile, created);
