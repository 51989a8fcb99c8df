-- The jobs of one profile, the only thing that its role can write. Run for each profile.
-- What is written is of the profile itself (check option), whatever the statement says.
CREATE OR REPLACE VIEW {schema}.sg_job WITH (security_barrier) AS
SELECT job, profile, owner, process, request, status, created, started, finished, alive, tries, turn, media_type, answer, problem
FROM meta.job
WHERE profile = {profile}
WITH CASCADED CHECK OPTION;
ALTER VIEW {schema}.sg_job ALTER COLUMN profile SET DEFAULT {profile};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.sg_job TO {role};
