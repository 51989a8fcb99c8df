-- The schema of one access profile: all that its role can read. Run for each profile.
CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT USAGE ON SCHEMA sg TO {role};
GRANT CONNECT ON DATABASE {database} TO {role};
DO $path$
DECLARE
    place text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis');
BEGIN
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', {role_name}, current_database(), place);
    IF has_schema_privilege(place, 'USAGE WITH GRANT OPTION') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', place, {role_name});
    END IF;
END
$path$;
