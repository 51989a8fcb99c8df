-- One login role, made or brought up to date. Needs CREATEROLE. Run for owner, ingest and each profile.
-- The password is a SCRAM verifier: the clear password never reaches the server or this script.
DO $role$
BEGIN
    CREATE ROLE {role} LOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- there already, or made by a second run at this moment
END
$role$;
ALTER ROLE {role} LOGIN PASSWORD {verifier};

-- Requests are short; compiling a plan costs more than it gains.
ALTER ROLE {role} SET jit = off;
