-- Full-text search: how texts become words. Nothing here needs more than the owner of the schema sg.

-- German stems, without a list of stop words: each word of a text can be asked for, and a phrase has no gaps.
DO $search$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_ts_dict WHERE dictname = 'german_stem' AND dictnamespace = 'sg'::regnamespace) THEN
        CREATE TEXT SEARCH DICTIONARY sg.german_stem (TEMPLATE = pg_catalog.snowball, LANGUAGE = german);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_ts_config WHERE cfgname = 'german' AND cfgnamespace = 'sg'::regnamespace) THEN
        CREATE TEXT SEARCH CONFIGURATION sg.german (COPY = pg_catalog.german);
        ALTER TEXT SEARCH CONFIGURATION sg.german ALTER MAPPING REPLACE pg_catalog.german_stem WITH sg.german_stem;
    END IF;
END
$search$;

-- A text in small letters without accents, its words parted by single spaces: "Äußere Karl-Marx-Str." → "aussere karl marx str ".
-- stadtgrund.query.search does the same with what is asked.
CREATE OR REPLACE FUNCTION sg.fold(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $body$
    SELECT regexp_replace(
        translate(
            replace(replace(replace(
                lower(regexp_replace(normalize(value COLLATE "default", NFKD), '[\u0300-\u036f]', '', 'g')),
                'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
            'øłđðıς', 'olddiσ'
        ),
        '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u00d7\u00f7\u2000-\u2bff\u3000-\u303f\ufe00-\ufe0f\ufeff\ufff0-\uffff'
        '\U0001f000-\U0001faff]+',
        ' ', 'g'
    )
$body$;
REVOKE ALL ON FUNCTION sg.fold(text) FROM PUBLIC;

-- A folded text with ae, oe, ue as one letter, as its umlauts are: "mueller" → "muller"; not in "neue", "frauen", "quelle".
CREATE OR REPLACE FUNCTION sg.respelled(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $body$
    SELECT regexp_replace(replace(replace(value COLLATE "default", 'ae', 'a'), 'oe', 'o'), '(?<![aeq])ue', 'u', 'g')
$body$;
REVOKE ALL ON FUNCTION sg.respelled(text) FROM PUBLIC;

-- The words of a folded text, and of it respelled: each as its stem and whole, for what is typed only in part, all at its one place.
-- U+E000 parts the texts of a feature: no phrase reaches from one into the next. No FROM and not strict, so that a query takes it in.
CREATE OR REPLACE FUNCTION sg.words(folded text, respelled text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $body$
    -- As text, because || would move what it adds to other places.
    SELECT (
        to_tsvector('sg.german'::regconfig, to_jsonb(string_to_array(folded, U&'\E000')))::text || ' '
        || to_tsvector('pg_catalog.simple'::regconfig, to_jsonb(string_to_array(folded, U&'\E000')))::text
        || CASE
            WHEN folded = respelled THEN ''
            ELSE ' ' || to_tsvector('sg.german'::regconfig, to_jsonb(string_to_array(respelled, U&'\E000')))::text || ' '
                || to_tsvector('pg_catalog.simple'::regconfig, to_jsonb(string_to_array(respelled, U&'\E000')))::text
        END
    )::tsvector
$body$;
REVOKE ALL ON FUNCTION sg.words(text, text) FROM PUBLIC;
