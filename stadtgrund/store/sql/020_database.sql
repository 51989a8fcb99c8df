-- Extension, schemas and their rights in this database. Needs its owner (and a superuser where PostGIS is not installed yet).
-- Run in the database itself, after the roles.
CREATE EXTENSION IF NOT EXISTS postgis;

-- The owner makes the tables of forms out of what ingest staged, drops its leftovers and ends its dead backends.
GRANT {ingest} TO {owner};

-- CREATE SCHEMA … AUTHORIZATION asks for membership in the role; who is no superuser takes it for the length of this script.
DO $member$
BEGIN
    PERFORM set_config('stadtgrund.member', pg_has_role(current_user, {owner_name}, 'USAGE')::text, false);
    IF NOT current_setting('stadtgrund.member')::boolean THEN
        GRANT {owner} TO CURRENT_USER;
    END IF;
END
$member$;

CREATE SCHEMA IF NOT EXISTS data AUTHORIZATION {owner};
CREATE SCHEMA IF NOT EXISTS rel AUTHORIZATION {owner};
CREATE SCHEMA IF NOT EXISTS staging AUTHORIZATION {owner};
CREATE SCHEMA IF NOT EXISTS history AUTHORIZATION {owner};
CREATE SCHEMA IF NOT EXISTS meta AUTHORIZATION {owner};
CREATE SCHEMA IF NOT EXISTS sg AUTHORIZATION {owner};
GRANT USAGE, CREATE ON SCHEMA data, rel, staging, history, meta, sg TO {owner};
GRANT USAGE ON SCHEMA meta, sg TO {ingest};
GRANT USAGE, CREATE ON SCHEMA staging TO {ingest};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {owner}, {ingest};

-- PostGIS may live in a schema of its own; its functions and types are then found by the search path of our roles.
DO $path$
DECLARE
    place text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis');
BEGIN
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', {owner_name}, current_database(), place);
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', {ingest_name}, current_database(), place);
    IF has_schema_privilege(place, 'USAGE WITH GRANT OPTION') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, %I', place, {owner_name}, {ingest_name});
    END IF;
END
$path$;
