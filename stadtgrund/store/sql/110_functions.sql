-- Functions of the schema sg. None is executable by everybody: each names its roles.

-- Refuses a change of the release log, also by its owner.
CREATE OR REPLACE FUNCTION sg.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $body$
BEGIN
    RAISE EXCEPTION 'meta.release is append-only' USING ERRCODE = 'insufficient_privilege';
END
$body$;
REVOKE ALL ON FUNCTION sg.refuse_change() FROM PUBLIC;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON meta.release
    FOR EACH STATEMENT EXECUTE FUNCTION sg.refuse_change();

-- Label and profile of a valid API key, by its SHA-256 (hex); no row for any other.
CREATE OR REPLACE FUNCTION sg.principal(key_sha256 text) RETURNS TABLE (label text, profile text)
LANGUAGE sql STABLE STRICT SECURITY DEFINER
SET search_path = pg_catalog
AS $body$
    SELECT k.label, k.profile FROM meta.api_key k WHERE k.sha256 = key_sha256 AND k.revoked IS NULL
$body$;
REVOKE ALL ON FUNCTION sg.principal(text) FROM PUBLIC;
