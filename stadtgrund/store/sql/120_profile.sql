-- What the role of one profile reads beside its collections. Run for each profile.
-- security_barrier: a condition of the reader must not see rows of another profile, not even in an error message.
GRANT EXECUTE ON FUNCTION sg.principal(text) TO {role};

-- The collections of the profile: version, form, and the collection document (JSON).
CREATE OR REPLACE VIEW {schema}.sg_state WITH (security_barrier) AS
SELECT dataset, version, form, published, collection, digest
FROM meta.state
WHERE profile = {profile};

-- The files of the forms that the profile sees.
CREATE OR REPLACE VIEW {schema}.sg_files WITH (security_barrier) AS
SELECT f.dataset, f.version, f.form, f.name, f.path, f.bytes, f.sha256, f.media_type
FROM meta.file f
JOIN meta.state s ON s.profile = {profile} AND s.dataset = f.dataset AND s.version = f.version AND s.form = f.form;

-- The report of the load behind each collection. Counts are shown where the form holds all rows; findings of fields that the
-- form does not have, sentences and samples with values are for the administration.
CREATE OR REPLACE VIEW {schema}.sg_reports WITH (security_barrier) AS
SELECT
    s.dataset,
    s.version,
    r.run,
    r.finished_at,
    CASE WHEN {full} OR f.count = v.rows THEN v.rows_in END AS rows_in,
    f.count AS rows_published,
    CASE WHEN {full} OR f.count = v.rows THEN v.rows_rejected END AS rows_rejected,
    CASE WHEN {full} THEN r.seconds END AS seconds,
    (
        SELECT coalesce(
            jsonb_agg(
                jsonb_strip_nulls(jsonb_build_object(
                    'rule', g.rule, 'field', g.field, 'on_fail', g.on_fail, 'count', g.count,
                    'message', CASE WHEN {full} THEN g.message END, 'sample', CASE WHEN {full} THEN g.sample END
                ))
                ORDER BY g.rule, g.field
            ),
            '[]'
        )
        FROM meta.finding g
        WHERE g.run = v.run AND (
            {full} OR f.count = v.rows AND (
                g.field IS NULL
                OR jsonb_path_exists(s.collection, '$.fields[*].name ? (@ == $field)', jsonb_build_object('field', g.field))
            )
        )
    ) AS findings,
    CASE WHEN {full} THEN r.report END AS report
FROM meta.state s
JOIN meta.version v ON v.dataset = s.dataset AND v.version = s.version
JOIN meta.form f ON f.dataset = s.dataset AND f.version = s.version AND f.form = s.form
LEFT JOIN meta.run r ON r.run = v.run
WHERE s.profile = {profile};

GRANT SELECT ON {schema}.sg_state, {schema}.sg_files, {schema}.sg_reports TO {role};
