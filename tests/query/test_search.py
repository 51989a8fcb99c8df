"""`q`: words, umlauts, stems, phrases and terms, by the index, within the form; and that both sides fold alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from query.city import Published
from support.deployment import checked, contract_of, write_deployment
from support.rows import publish_rows

from stadtgrund.catalog import registry
from stadtgrund.catalog.contract import Contract
from stadtgrund.crs import BBox
from stadtgrund.errors import InvalidCursor, InvalidParameter
from stadtgrund.query import Cursor, FeatureQuery, Interval, SortKey, cql2, items
from stadtgrund.query.form_filter import compile_where
from stadtgrund.query.search import MAX_LENGTH, MAX_WORDS, Search, fold
from stadtgrund.query.search_condition import search_condition
from stadtgrund.store import setup
from stadtgrund.store.database import Database
from stadtgrund.store.forms import reconcile

_COMMON: dict[str, Any] = {
    "title": {"de": "Titel"},
    "description": {"de": "Beschreibung."},
    "source": {"kind": "ogr", "location": "${DATA}/x.gpkg", "crs": "EPSG:25832"},
    "id_field": {"kind": "column", "column": "nr"},
}
ORTE: dict[str, Any] = {
    **_COMMON,
    "id": "orte",
    "geometry": {"type": "Point", "crs": "EPSG:25832"},
    "fields": [
        {"name": "nr", "type": "string", "required": True, "unique": True},
        {"name": "name", "type": "string"},
        {"name": "strasse", "type": "string"},
        {"name": "text", "type": "string"},
        {"name": "seit", "type": "date"},
        {"name": "schluessel", "type": "string", "key": "ags"},
        {"name": "notiz", "type": "string", "grounds": ["personal_data"]},
    ],
    "temporal": {"instant": "seit"},
    "sortables": ["name"],
}
LISTE: dict[str, Any] = {
    **_COMMON,
    "id": "liste",
    "fields": [{"name": "nr", "type": "integer", "required": True, "unique": True}, {"name": "amt", "type": "string"}],
    "forms": {"open": {"where": "nr < 3"}},
}
ZAHLEN: dict[str, Any] = {
    **_COMMON,
    "id": "nurzahlen",
    "fields": [{"name": "nr", "type": "string", "required": True, "unique": True}, {"name": "wert", "type": "number"}],
}
TEXTS: dict[str, tuple[str | None, str | None, str | None]] = {
    "baum": ("Baum", "Hauptstraße", None),
    "baeume": ("Bäume", "HAUPTSTRASSE 12a", "Alte Bäume am Müllerplatz"),
    "ascii": ("Baeume der Muellerstrasse", None, None),
    "schule": ("Grundschule Nord", "Karl-Marx-Straße", "Neue Schulen für Frauen"),
    "haus": ("Haus der Jugend", "Äußere Neustraße", "Häuser, und Gärten"),
    "phrase": ("Jugend", "Hausweg", "das Haus"),
    "neu": ("Neuer Markt", None, "Statue eines Bären; eine Frau"),
    "zeichen": ('a<b>&c O\'Brien "quoted" back\\slash', "100 % – 3,5 m²", "Café Île, Æther, Łódź, Straßenbahn-Haltestelle"),
    "leer": (None, None, None),
}
ROWS = [
    {
        "nr": nr,
        "name": name,
        "strasse": street,
        "text": text,
        "seit": "2024-05-01" if nr == "baeume" else None,
        "schluessel": "05911000",
        "notiz": f"geheim {nr}",
        "geom": f"POINT({370_000 + place * 1000} 5700000)",
    }
    for place, (nr, (name, street, text)) in enumerate(TEXTS.items())
]


@pytest.fixture(scope="module")
def orte(module_db: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """`orte` (a field closed for open), `liste` (rows closed for open, no geometry), `nurzahlen` (nothing to search)."""
    contracts = [checked(contract_of(values)) for values in (ORTE, LISTE, ZAHLEN)]
    folder = write_deployment(tmp_path_factory.mktemp("search") / "teststadt", *contracts)
    deployment = registry.read(folder, folder / "data")
    publish_rows(module_db, deployment, "orte", ROWS)
    amts = [{"nr": 1, "amt": "Gartenamt"}, {"nr": 2, "amt": "Straßenamt"}, {"nr": 3, "amt": "Geheimes Straßenamt"}]
    publish_rows(module_db, deployment, "liste", amts, compile_where=compile_where)
    publish_rows(module_db, deployment, "nurzahlen", [{"nr": "a", "wert": 1.5}])
    with module_db.connect("open", autocommit=True) as connection:
        connection.execute("SET jit = off")
        yield Published(module_db, deployment, connection)


@pytest.fixture(scope="module")
def owner(module_db: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection that may call the functions themselves."""
    with module_db.connect("owner", autocommit=True) as connection:
        yield connection


def found(city: Published, text: str, dataset: str = "orte", **more: Any) -> list[Any]:
    query = FeatureQuery(relation=city.relation(dataset), limit=1000, search=Search.parse(text), **more)
    page = items.read_page(query, city.row(items.page(query)))
    count = items.read_count(query, city.row(items.count(query)))
    assert count.matched == page.returned and page.current
    return [feature["id"] for feature in json.loads(b"[" + page.body + b"]")]


TREES = ["ascii", "baeume", "baum"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Baum", TREES),
        ("Bäume", TREES),
        ("BAEUME", TREES),
        ("bäumen", TREES),
        ("Müller", ["ascii", "baeume"]),
        ("Mueller", ["ascii", "baeume"]),
        ("Muellerplatz", ["baeume"]),
        ("Hauptstraße", ["baeume", "baum"]),
        ("hauptstrasse", ["baeume", "baum"]),
        ("HAUPTSTRASSE 12A", ["baeume"]),
        ("hauptstr", ["baeume", "baum"]),  # the beginning of a word
        ("Schule", ["schule"]),
        ("Grundschu", ["schule"]),
        ("Karl Ma", []),  # two letters are no beginning
        ("Karl Mar", ["schule"]),
        ("Frau", ["neu", "schule"]),
        ("Frauen", ["neu", "schule"]),  # ue in it is no ü
        ("neuer", ["neu", "schule"]),
        ("Neue", ["neu", "schule"]),
        ("Neu", ["haus", "neu", "schule"]),  # the beginning of Neustraße
        ("Haltest", ["zeichen"]),
        ("Haltestellen", ["zeichen"]),
        ("Statuen", ["neu"]),
        ("Bär", ["neu"]),
        ("Haus", ["haus", "phrase"]),
        ("Haus der Jugend", ["haus"]),
        ("Haus  der\tJugend", ["haus"]),
        ("Jugend Haus", []),  # in the order specified
        ("Haus Jugend", []),  # … and together
        ("der", ["ascii", "haus"]),  # no word is too small to be asked for
        ("Jugend Hausweg", []),  # no phrase from field to field
        ("karl marx strasse", ["schule"]),
        ("Karl-Marx-Straße", ["schule"]),
        ("Strassenbahnhaltestelle", []),
        ("Straßenbahn Haltestelle", ["zeichen"]),
        ("Straßenbahn-Haltestelle", ["zeichen"]),
        ("cafe ile", ["zeichen"]),
        ("café", ["zeichen"]),
        ("Äther", ["zeichen"]),
        ("Lodz", ["zeichen"]),
        ("O'Brien", ["zeichen"]),
        ("O Brien", ["zeichen"]),
        ("100%", ["zeichen"]),
        ("3 5 m2", ["zeichen"]),
        ("10", []),  # a number is not the beginning of another
        ("Grundschule,Markt", ["neu", "schule"]),
        ("Grundschule, Haus der Jugend ,xyz", ["haus", "schule"]),
        (" ,Markt,", ["neu"]),
        ("05911000", []),  # a key
        ("geheim", []),
        ("xyz", []),
        ("Наус", []),
        ("' | 'haus", ["haus", "phrase"]),
        ("haus:* & !jugend", []),
        ("\\'haus", ["haus", "phrase"]),
        ("haus\0jugend", []),
        ("Haus 🙂 der – Jugend", ["haus"]),
    ],
)
def test_what_is_found(orte: Published, text: str, expected: list[str]) -> None:
    assert found(orte, text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", ",", " , ,", "!?", "\0", "…", "🙂", "x" * (MAX_LENGTH + 1), ",".join("ab" for _ in range(MAX_WORDS + 1))]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="terms parted by commas"):
        Search.parse(text)


def test_with_all_other_conditions(orte: Published) -> None:
    relation = orte.relation("orte")
    assert found(orte, "Baum", bbox=BBox(-180, -90, 180, 90)) == TREES
    assert found(orte, "Baum", bbox=BBox(100, 10, 101, 11)) == []
    assert found(orte, "Baum", datetime=Interval.parse("2024-05-01")) == ["baeume"]
    assert found(orte, "Baum", filter=cql2.parse("nr <> 'baum'", "cql2-text", relation)) == ["ascii", "baeume"]
    assert found(orte, "Baum", sortby=(SortKey("name", True),)) == ["baeume", "baum", "ascii"]


def test_pages_by_cursor(orte: Published) -> None:
    relation = orte.relation("orte")
    for keys in ((), (SortKey("name"),)):
        query = FeatureQuery(relation=relation, limit=1, search=Search.parse("Baum"), sortby=keys)
        seen, asked = [], query
        while True:
            page = items.read_page(asked, orte.row(items.page(asked)))
            seen += [feature["id"] for feature in json.loads(b"[" + page.body + b"]")]
            if page.next is None:
                break
            token = page.next.encode(query)
            with pytest.raises(InvalidCursor):
                Cursor.decode(token, replace(query, search=Search.parse("Bäume")))
            asked = replace(query, cursor=Cursor.decode(token, query))
        assert seen == found(orte, "Baum", sortby=keys)


def test_a_form_is_searched_by_what_it_shows(orte: Published) -> None:
    """A field and a row that open does not have are not found by it, in whatever way it asks."""
    assert orte.relation("orte").search == ("name", "strasse", "text")
    assert found(orte, "Straßenamt", "liste") == [2]
    with orte.db.connect("verwaltung") as connection:
        words = "SELECT sg_id FROM p_verwaltung.{} WHERE words @@ to_tsquery('sg.german', %s)"
        assert len(connection.execute(words.format("_words__orte"), ("'geheim'",)).fetchall()) == len(ROWS)
        assert connection.execute(words.format("_words__liste"), ("'geheim':*",)).fetchall() == [(3,)]
    (lexemes,) = orte.column("SELECT string_agg(words::text, ' ') FROM p_open._words__orte")
    assert "baum" in lexemes and "geheim" not in lexemes and "05911000" not in lexemes
    with orte.db.connect("owner") as connection:
        tables = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND starts_with(relname, '_words__')").fetchall()
    assert len(tables) == 4
    for (name,) in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            orte.connection.execute(f'SELECT words FROM rel."{name}"')
    for call in ("sg.words('a', 'a')", "sg.fold('a')", "sg.respelled('a')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            orte.connection.execute(f"SELECT {call}")


def test_nothing_to_search(orte: Published) -> None:
    with pytest.raises(InvalidParameter, match="no text to search"):
        FeatureQuery(relation=orte.relation("nurzahlen"), limit=1, search=Search.parse("a"))
    assert orte.column("SELECT count(*) FROM pg_class WHERE relname = '_words__nurzahlen'") == [0]


def _changed(city: Published, contract: Contract) -> registry.Deployment:
    return replace(city.deployment, contracts={**city.deployment.contracts, contract.id: contract})


def test_the_contract_chooses_and_apply_obeys(orte: Published) -> None:
    def apply(fields: tuple[str, ...] | None) -> int:
        contract = orte.deployment.contract("orte").model_copy(update={"search": fields})
        reconcile(orte.db, _changed(orte, contract), contract)
        with orte.db.connect("owner") as connection:
            query = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND starts_with(relname, '_words__orte')"
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    assert apply(("name", "notiz")) == 2
    assert orte.relation("orte").search == ("name",)
    assert found(orte, "Hauptstraße") == [] and found(orte, "Baum") == TREES
    assert apply(()) == 0
    assert orte.relation("orte").search == ()
    assert apply(None) == 2
    assert found(orte, "Hauptstraße") == ["baeume", "baum"]


def test_a_database_of_the_version_before_gains_the_search(db: Database, tmp_path: Path) -> None:
    """Published before the migration: no words, a 400 for `q`; then the migration and `apply`, without loading."""
    folder = write_deployment(tmp_path / "teststadt", checked(contract_of(ORTE)))
    deployment = registry.read(folder, folder / "data")
    publish_rows(db, deployment, "orte", ROWS)
    with db.connect("owner", autocommit=True) as owner:
        owner.execute("DROP VIEW p_open._words__orte, p_verwaltung._words__orte")
        for (name,) in owner.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND starts_with(relname, '_words__')").fetchall():
            owner.execute(f'DROP TABLE rel."{name}"')
        owner.execute("DROP TEXT SEARCH CONFIGURATION sg.german CASCADE")
        owner.execute("DROP TEXT SEARCH DICTIONARY sg.german_stem")
        owner.execute("DROP FUNCTION sg.words(text, text), sg.respelled(text), sg.fold(text)")
        owner.execute("UPDATE meta.state SET collection = collection - 'search'")
        owner.execute("UPDATE meta.setting SET value = '120' WHERE key = 'schema_version'")
        assert 130 in setup.migrate(owner, db.prefix)
    with db.connect("open", autocommit=True) as connection:
        city = Published(db, deployment, connection)
        assert city.relation("orte").search == ()
        with pytest.raises(InvalidParameter, match="no text to search"):
            found(city, "Baum")
        reconcile(db, deployment, deployment.contract("orte"))
        assert found(city, "Baum") == TREES


def test_the_index_answers(module_db: Database, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of 6,000 rows a seldom word is found by the GIN index, alone and under a box, without a setting that forces it."""
    values = {**ORTE, "id": "viele"}
    folder = write_deployment(tmp_path_factory.mktemp("many") / "teststadt", checked(contract_of(values)))
    deployment = registry.read(folder, folder / "data")
    rows = [
        {"nr": f"{n:05d}", "name": f"Objekt {n % 977}", "strasse": f"Weg {n % 13}", "geom": f"POINT({360_000 + n} 5700000)"}
        for n in range(6_000)
    ]
    publish_rows(module_db, deployment, "viele", rows)
    with module_db.connect("open", autocommit=True) as connection:
        city = Published(module_db, deployment, connection)
        for more in ({}, {"bbox": BBox(7.0, 51.3, 7.2, 51.6)}, {"sortby": (SortKey("name"),)}):
            query = FeatureQuery(relation=city.relation("viele"), limit=10, search=Search.parse("Objekt 901"), **more)  # type: ignore[arg-type]
            for statement in (items.page(query), items.count(query)):
                plan = "\n".join(city.column("EXPLAIN " + statement.sql, statement.params))
                assert "Seq Scan on viele" not in plan and "Seq Scan on _words" not in plan
                assert ("_words_idx" in plan) or "bbox" in more, "a box that is as selective may come first"


# Letters that texts of a city have, and some that they should not.
_ALPHABET = st.one_of(
    st.sampled_from("aeouqnstßẞäöüÄÖÜéèçñøæœłıŁØΣςσ²½ﬁſ 0123456789-.,'\"\\%_/()„“–…€§°µ\u0308\u0301"),
    st.characters(min_codepoint=1, max_codepoint=0x24F),
    st.characters(max_codepoint=0x52F, categories=("L", "Nd")),
    st.characters(min_codepoint=0x1E00, max_codepoint=0x1EFF, categories=("L",)),
    st.characters(min_codepoint=0x2000, max_codepoint=0x206F),
    st.characters(min_codepoint=0x1F300, max_codepoint=0x1F9FF),
)


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(_ALPHABET, max_size=40))
def test_both_sides_fold_alike(owner: psycopg.Connection[Any], text: str) -> None:
    assert owner.execute("SELECT sg.fold(%s)", (text,)).fetchone() == (fold(text),)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(_ALPHABET, min_size=1, max_size=40))
def test_a_text_finds_itself(orte: Published, owner: psycopg.Connection[Any], text: str) -> None:
    """Whatever a name is, asking for it whole finds it; nothing of it is an operator."""
    asked = text.replace(",", " ")
    try:
        search = Search.parse(asked)
    except InvalidParameter:
        assert not fold(asked).strip()
        return
    condition = search_condition(orte.relation("orte"), search)
    tested = condition.sql.partition("@@ ")[2].removesuffix(")")
    query = f"SELECT sg.words(f, sg.respelled(f)) @@ q OR numnode(q) = 0 FROM (SELECT {tested}) AS t (q), sg.fold(%s) AS f"
    row = owner.execute(query, (*condition.params, f"vorher \ue000{asked}\ue000nachher")).fetchone()  # type: ignore[arg-type]
    assert row == (True,), ascii(text)


def test_a_book_in_a_field_is_indexed_as_far_as_it_goes(owner: psycopg.Connection[Any]) -> None:
    """A tsvector has at most 1 MB: a longer text must not stop a publish."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [a + b + "ae" + c for a in letters for b in letters for c in letters]
    book = " ".join(f"{word}{n}" for n in range(40) for word in words)
    query = "SELECT length(sg.words(f, sg.respelled(f))), sg.words(f, sg.respelled(f)) @@ to_tsquery('sg.german', 'aaaea0')"
    row = owner.execute(query + " FROM left(sg.fold(%s), 50000) AS f", (book,)).fetchone()  # type: ignore[arg-type]
    assert row is not None and row[0] > 4000 and row[1]
