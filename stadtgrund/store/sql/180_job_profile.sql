-- The jobs of one profile, the only thing that its role can write. Run for each profile.
-- What is written is of the profile itself (check option), whatever the statement says.
CREATE OR REPLACE VIEW {schema}.sg_job WITH (security_barrier) AS
SELECT
    job, profile, owner, origin, process, request, status, created, later, started, finished, alive, tries, turn, epoch,
    media_type, answer, problem
FROM meta.job
WHERE profile = {profile}
WITH CASCADED CHECK OPTION;
ALTER VIEW {schema}.sg_job ALTER COLUMN profile SET DEFAULT {profile};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.sg_job TO {role};
INSERT INTO meta.job_epoch (profile) VALUES ({profile}) ON CONFLICT DO NOTHING;
GRANT EXECUTE ON FUNCTION sg.jobs_due(interval, interval) TO {role};

-- The epoch of the profile. sure: whoever is about to end it is waited for, and it does not end before the caller's transaction has ended.
CREATE OR REPLACE FUNCTION {schema}.sg_job_epoch(sure boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog
AS $body$
BEGIN
    IF sure THEN
        PERFORM FROM meta.job_epoch WHERE profile = {profile} FOR SHARE;
    END IF;
    RETURN (SELECT epoch FROM meta.job_epoch WHERE profile = {profile});
END
$body$;
REVOKE ALL ON FUNCTION {schema}.sg_job_epoch(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.sg_job_epoch(boolean) TO {role};
