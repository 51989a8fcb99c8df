"""One small broken contract per rule; the message is part of the product and asserted as it is."""

from __future__ import annotations

from typing import get_args

import pytest
from support.catalog_folder import CITY, SCHULEN, Folder

from stadtgrund.catalog import checks, checks_of_deployment, checks_of_source, registry, release
from stadtgrund.catalog.contract import Source
from stadtgrund.catalog.rewrite import write_protection
from stadtgrund.errors import ContractError
from stadtgrund.query.form_filter import compile_where
from stadtgrund.settings import ROOT

FIELDS = "Felder: bsn, name, schueler, beginn, ende."
OF_OGR = "Bei ogr erlaubt: location, layer, crs, rhythm, where, encoding, null_values."
RESERVED = "cmax, cmin, ctid, geom, sg_hash, sg_id, sg_revision, sg_row, tableoid, xmax, xmin"
RENAME = "Anders nennen: {name: %s_wert, from: %s}."


def found(root: object) -> list[str]:
    return [str(problem) for problem in checks.check(root)]  # type: ignore[arg-type]


WHERES = [
    ("foo(bsn) = 1", "Unknown function 'foo'"),
    ("name = 5", "property 'name' (string) with the value 5"),
    ("schueler", "property 'schueler' (integer) is not a condition"),
    ("beginn > 'gestern'", "'gestern' is not a date"),
    ("T_AFTER(beginn, 5)", "not for the value 5"),
]


@pytest.mark.parametrize(("where", "detail"), WHERES)
def test_a_row_filter_that_cannot_be_compiled(where: str, detail: str, folder: Folder) -> None:
    text = SCHULEN.replace("sortables: [bsn]", f'forms: {{open: {{where: "{where}"}}}}\nsortables: [bsn]')
    (problem,) = checks.examined(folder(schulen=text), compile_where=compile_where)[0]
    assert (problem.file, problem.line, problem.field) == ("datasets/schulen.yaml", 14, "forms.open.where")
    assert problem.message.startswith("Danach lassen sich die Zeilen nicht auswählen: Funktion, Feld und Wert passen nicht zusammen (")
    assert detail in problem.message


def test_a_row_filter_by_place(folder: Folder) -> None:
    place = "S_INTERSECTS(NAME, POLYGON((7 51, 8 51, 8 52, 7 51)))"
    text = SCHULEN.replace("sortables: [bsn]", f'forms: {{open: {{where: "{place}"}}}}\nsortables: [bsn]')
    assert checks.examined(folder(schulen=text.replace("NAME", "geometry")), compile_where=compile_where)[0] == []
    (told,) = found(folder(schulen=text.replace("NAME", "geom")))
    assert told == (
        "datasets/schulen.yaml:14: forms.open.where: Das Feld „geom“ gibt es nicht. Gemeint: geometry? "
        "Felder: geometry, bsn, name, schueler, beginn, ende."
    )
    flat = text.replace("NAME", "geometry").replace("geometry: {type: Point}\n", "").replace("tiles: ", "items: true} # ")
    assert any("Das Feld „geometry“ gibt es nicht." in problem for problem in found(folder(schulen=flat)))


@pytest.mark.parametrize("name", ["berlin", "musterstadt"])
def test_the_committed_deployments_are_right(name: str) -> None:
    assert checks.examined(ROOT / "pygeoapi-config" / name, compile_where=compile_where)[0] == []


def test_a_contract_without_fault(folder: Folder) -> None:
    root = folder(schulen=SCHULEN)
    assert found(root) == []
    assert checks.checked(root).name == "teststadt"


# old text, new text, what is said of line and field, what is said
DATASET = [
    ("id: schulen", "id: schule", "2: id", "Die Datei muss heißen wie die id: schule.yaml (sie heißt schulen)."),
    ("name: name", "name: bsn", "10: fields[bsn].name", "Das Feld „bsn“ gibt es zweimal."),
    (
        "name: name",
        "name: geom",
        "10: fields[geom].name",
        f"„geom“ ist der Plattform vorbehalten ({RESERVED}). " + RENAME % ("geom", "geom"),
    ),
    (
        "name: name",
        "name: sg_x",
        "10: fields[sg_x].name",
        f"„sg_x“ ist der Plattform vorbehalten ({RESERVED}). " + RENAME % ("sg_x", "sg_x"),
    ),
    *[
        (
            "name: name",
            f"name: {name}, from: NAME",
            f"10: fields[{name}].name",
            f"„{name}“ ist ein Parameter der API; danach ließe sich nicht suchen. " + RENAME % (name, "NAME"),
        )
        for name in (
            "f",
            "limit",
            "offset",
            "cursor",
            "bbox",
            "crs",
            "datetime",
            "properties",
            "sortby",
            "filter",
            "skipgeometry",
            "q",
            "lang",
        )
    ],
    (
        "id_field: {kind: column, column: bsn}\n",
        "",
        "2: id_field",
        "fehlt: {kind: column, column: <Feld>}, oder {kind: content}, wenn kein Feld eindeutig ist.",
    ),
    (
        "{kind: column, column: bsn}",
        "{kind: assigned}",
        "7: id_field.kind",
        "assigned lädt diese Version nicht; erlaubt: column, composite, content.",
    ),
    ("{kind: column, column: bsn}", "{kind: column}", "7: id_field.column", "fehlt: das Feld, das die Kennung ist."),
    (
        "{kind: column, column: bsn}",
        "{kind: column, column: bns}",
        "7: id_field.column",
        f"Das Feld „bns“ gibt es nicht. Gemeint: bsn? {FIELDS}",
    ),
    (
        "{kind: column, column: bsn}",
        "{kind: column, column: beginn}",
        "7: id_field.column",
        "beginn ist date; eine Kennung ist string, integer oder uuid.",
    ),
    ("{kind: column, column: bsn}", "{kind: composite, columns: [bsn]}", "7: id_field.columns", "Mindestens zwei Felder angeben."),
    (
        "{kind: column, column: bsn}",
        "{kind: composite, columns: [bsn, x]}",
        "7: id_field.columns[2]",
        f"Das Feld „x“ gibt es nicht. {FIELDS}",
    ),
    ("{kind: column, column: bsn}", "{kind: content, column: bsn}", "7: id_field.column", "gilt nur für kind: column."),
    ("{kind: column, column: bsn}", "{kind: content, columns: [bsn]}", "7: id_field.columns", "gilt nur für kind: composite."),
    ("sortables: [bsn]", "sortables: [nam]", "14: sortables[1]", f"Das Feld „nam“ gibt es nicht. Gemeint: name? {FIELDS}"),
    ("sortables: [bsn]", "sortables: [bsn, bsn]", "14: sortables[2]", "bsn steht zweimal."),
    ("sortables: [bsn]", "search: [nam]", "14: search[1]", f"Das Feld „nam“ gibt es nicht. Gemeint: name? {FIELDS}"),
    ("sortables: [bsn]", "search: [name, name]", "14: search[2]", "name steht zweimal."),
    ("sortables: [bsn]", "search: [beginn]", "14: search[1]", "beginn ist date; durchsucht wird Text (string)."),
    ("name: name, type: string", "name: name, type: json", "14: sortables[2]", "name ist json und hat keine Ordnung."),
    ("sortables: [bsn]", "temporal: {}", "14: temporal", "Entweder instant angeben, oder start und/oder end."),
    ("sortables: [bsn]", "temporal: {instant: beginn, end: ende}", "14: temporal", "Entweder instant angeben, oder start und/oder end."),
    (
        "sortables: [bsn]",
        "temporal: {instant: begin}",
        "14: temporal.instant",
        f"Das Feld „begin“ gibt es nicht. Gemeint: beginn? {FIELDS}",
    ),
    ("sortables: [bsn]", "temporal: {start: name}", "14: temporal.start", "name ist string; nötig ist date oder datetime."),
    (
        "{name: ende, type: date}",
        "{name: ende, type: datetime}",
        "14: temporal",
        "start und end müssen beide date oder beide datetime sein.",
    ),
    (
        "name: name, type: string",
        "name: name, type: string, format: '%d.%m.%Y'",
        "10: fields[name].format",
        "gilt nur für date und datetime.",
    ),
    (
        "name: beginn, type: date",
        "name: beginn, type: date, format: TT.MM.JJJJ",
        "12: fields[beginn].format",
        "„TT.MM.JJJJ“ ist kein Format; erlaubt ist etwa %d.%m.%Y.",
    ),
    ("name: name, type: string", "name: name, type: string, unit: m", "10: fields[name].unit", "Eine Einheit haben nur Zahlen."),
    (
        "name: beginn, type: date",
        "name: beginn, type: date, values: {a: {de: A}}",
        "12: fields[beginn].values",
        "Eine Codeliste haben nur string und integer.",
    ),
    ("name: name, type: string", "name: name, type: string, values: {}", "10: fields[name].values", "Die Codeliste ist leer."),
    ('unit: "1"', "values: {x: {de: X}}", "11: fields[schueler].values.x", "„x“ ist keine ganze Zahl."),
    (
        "name: name, type: string",
        "name: name, type: string, key: plzz",
        "10: fields[name].key",
        "Den Schlüsseltyp „plzz“ gibt es nicht. Gemeint: plz? "
        "Bekannt sind: ags, ars, strassenschluessel, flurstueck, plz, hausnummer; eigene in keys/plzz.yml.",
    ),
    (
        "name: schueler, type: integer",
        "name: schueler, type: integer, key: plz",
        "11: fields[schueler].type",
        "Ein Schlüssel ist Text (string): führende Nullen gehören zu ihm.",
    ),
    ("geometry: {type: Point}\n", "", "14: publish.tiles", "Kacheln brauchen eine Geometrie (geometry)."),
    ("[9, 16]", "[16, 9]", "15: publish.tiles.zoom", "Die kleinere Zoomstufe zuerst: [von, bis]."),
    (
        '"<14": [bsn]',
        '"unter 14": [bsn]',
        "15: publish.tiles.fields.unter 14",
        "„unter 14“ ist keine Zoombedingung; erlaubt sind etwa <14, >=14, 12.",
    ),
    ('"<14": [bsn]', '"<14": [bns]', "15: publish.tiles.fields.<14[1]", f"Das Feld „bns“ gibt es nicht. Gemeint: bsn? {FIELDS}"),
    (
        "kind: ogr",
        "kind: wfs",
        "5: source.kind",
        "wfs lädt diese Version nicht; erlaubt: ogr, table, raster, join. Bis dahin als Datei ausgeben und mit ogr laden.",
    ),
    ("rhythm: yearly", "sheet: Tabelle1", "5: source.sheet", f"gilt nur für kind: table. {OF_OGR}"),
    ("rhythm: yearly", "nodata: -9999", "5: source.nodata", f"gilt nur für kind: raster. {OF_OGR}"),
    ("rhythm: yearly", "left: strassen", "5: source.left", f"gilt nur für kind: join. {OF_OGR}"),
    ("rhythm: yearly", "skip_rows: {bsn: Summe}", "5: source.skip_rows", f"gilt nur für kind: table. {OF_OGR}"),
    ("rhythm: yearly", "header_row: 3", "5: source.header_row", f"gilt nur für kind: table. {OF_OGR}"),
    ('location: "${DATA}/schulen.geojson", ', "", "5: source.location", "fehlt: Pfad oder Muster, etwa ${DATA}/schulen/*.geojson."),
    ("${DATA}", "${DATEN}", "5: source.location", "${DATEN} ist unbekannt; erlaubt ist ${DATA}."),
    ("rhythm: yearly", "crs: EPSG:99999", "5: source.crs", "PROJ kennt EPSG:99999 nicht."),
    ("{type: Point}", "{type: Point, crs: EPSG:12345}", "6: geometry.crs", "PROJ kennt EPSG:12345 nicht."),
    (
        "publish: {",
        "publish: {edit: true, ",
        "15: publish.edit",
        "edit: true verträgt sich nicht mit source.rhythm: yearly; eine Ladung überschriebe "
        "die Änderungen. Eines von beiden entfernen (oder rhythm: once).",
    ),
    ("sortables: [bsn]", "quality: [{rule: unique}]", "14: quality[1].field", "fehlt: unique prüft ein Feld."),
    (
        "sortables: [bsn]",
        "quality: [{rule: row_count, field: bsn, minimum: 1}]",
        "14: quality[1].field",
        "row_count prüft kein einzelnes Feld.",
    ),
    (
        "sortables: [bsn]",
        "quality: [{rule: required, field: nummer}]",
        "14: quality[1].field",
        f"Das Feld „nummer“ gibt es nicht. {FIELDS}",
    ),
    ("sortables: [bsn]", "quality: [{rule: codelist, field: name}]", "14: quality[1].field", "name hat keine Codeliste (values)."),
    (
        "sortables: [bsn]",
        "quality: [{rule: unique, field: bsn, on_fail: repair}]",
        "14: quality[1].on_fail",
        "repair gibt es nur für valid_geometry; für unique: report, reject oder stop.",
    ),
    ("sortables: [bsn]", "quality: [{rule: row_count}]", "14: quality[1]", "row_count braucht minimum oder drop_max."),
    (
        "sortables: [bsn]",
        "quality: [{rule: row_count, minimum: 1, on_fail: reject}]",
        "14: quality[1].on_fail",
        "row_count lehnt keine Zeilen ab: report oder stop.",
    ),
    ("sortables: [bsn]", "quality: [{rule: unique, field: bsn, minimum: 1}]", "14: quality[1].minimum", "gilt nur für row_count."),
    (
        "sortables: [bsn]",
        "quality: [{rule: valid_geometry}, {rule: valid_geometry}]",
        "14: quality[2]",
        "Die Regel valid_geometry steht zweimal.",
    ),
    (
        "sortables: [bsn]",
        "licence: dl-de/by-2.0",
        "14: licence",
        "„dl-de/by-2.0“ steht nicht in der Liste. Gemeint: dl-de/by-2-0? Erlaubt: dl-de/by-2-0, "
        "dl-de/zero-2-0, cc-by-4.0, cc-by, cc-by-3.0-de, cc-by-sa-4.0, cc-by-sa-3.0-de, cc-zero, odbl, odc-by, geonutzv, geonutzv-berlin, "
        "andere-offene, andere-geschlossene.",
    ),
    ("sortables: [bsn]", "licence: cc-by-4.0", "2: attribution", "fehlt: cc-by-4.0 verlangt den Namen der Quelle."),
    (
        "sortables: [bsn]",
        "responsibility: {contact: {organisation: Schulamt}}",
        "14: responsibility.contact",
        "Der Kontakt braucht email oder url.",
    ),
    ("sortables: [bsn]", "protection: {by: Amt}", "14: protection.by", "checked fehlt: die Schutzprüfung trägt `stadtgrund release` ein."),
    ("sortables: [bsn]", "protection: {checked: 2026-01-01}", "14: protection.by", "fehlt: wer hat geprüft?"),
    ("sortables: [bsn]", "protection: {checked: 2999-01-01, by: Amt}", "14: protection.checked", "liegt in der Zukunft."),
    (
        "sortables: [bsn]",
        "protection: {checked: 2026-01-01, by: Amt, weighing: a.md}",
        "14: protection.weighing",
        "Die Datei a.md fehlt im Deployment-Ordner.",
    ),
    (
        "sortables: [bsn]",
        "protection: {checked: 2026-01-01, by: Amt, fields: {bns: 0123456789ab}}",
        "14: protection.fields.bns",
        f"Das Feld „bns“ gibt es nicht. Gemeint: bsn? {FIELDS}",
    ),
    (
        "sortables: [bsn]",
        "forms: {open: {omit: [schulen]}}",
        "14: forms.open.omit[1]",
        f"Das Feld „schulen“ gibt es nicht. Gemeint: schueler? {FIELDS}",
    ),
    (
        "sortables: [bsn]",
        "forms: {open: {where: 'schueler >'}}",
        "14: forms.open.where",
        "kein gültiger Filter (CQL2, Zeile:Spalte 1:11); erlaubt ist etwa: status = 'offen' AND jahr >= 2020.",
    ),
    (
        "sortables: [bsn]",
        "forms: {open: {where: 'NOT (bsn = 1 AND klassen > 2)'}}",
        "14: forms.open.where",
        "Das Feld „klassen“ gibt es nicht. Felder: geometry, bsn, name, schueler, beginn, ende.",
    ),
    (
        "sortables: [bsn]",
        "forms: {open: {min_count: {minimum: 5, fields: []}}}",
        "14: forms.open.min_count.fields",
        "Mindestens ein Feld angeben.",
    ),
    (
        "sortables: [bsn]",
        "forms: {open: {min_count: {minimum: 5, fields: [name]}}}",
        "14: forms.open.min_count.fields[1]",
        "name ist string, keine Fallzahl.",
    ),
    (
        "sortables: [bsn]",
        "forms: {open: {omit: [schueler], min_count: {minimum: 5, fields: [schueler]}}}",
        "14: forms.open.min_count.fields[1]",
        "schueler steht schon in omit.",
    ),
    (
        "{name: ende, type: date}",
        "{name: schueler_status, type: string}",
        "14: forms.open.min_count.fields[1]",
        "Neben schueler entsteht die Spalte schueler_status: der Name muss frei und höchstens 59 Zeichen lang sein.",
    ),
]
EXTRA = {
    "name ist json und hat keine Ordnung.": ("sortables: [bsn]", "sortables: [bsn, name]"),
    "start und end müssen beide date oder beide datetime sein.": ("sortables: [bsn]", "temporal: {start: beginn, end: ende}"),
    "Neben schueler entsteht die Spalte schueler_status: der Name muss frei und höchstens 59 Zeichen lang sein.": (
        "sortables: [bsn]",
        "forms: {open: {min_count: {minimum: 5, fields: [schueler]}}}",
    ),
}
"""What needs a second change to be wrong."""


@pytest.mark.parametrize(("old", "new", "place", "message"), DATASET)
def test_a_dataset_is_refused_with_the_line_and_what_to_write_instead(folder: Folder, old: str, new: str, place: str, message: str) -> None:
    assert old in SCHULEN
    text = SCHULEN.replace(old, new, 1)
    if message in EXTRA:
        text = text.replace(*EXTRA[message])
    assert found(folder(schulen=text)) == [f"datasets/schulen.yaml:{place}: {message}"]


def test_names_that_are_the_platforms(folder: Folder) -> None:
    text = SCHULEN.replace("id: schulen", "id: sg_schulen")
    assert found(folder(sg_schulen=text)) == ["datasets/sg_schulen.yaml:2: id: Namen mit sg_ sind der Plattform vorbehalten."]


@pytest.mark.parametrize("role", ["owner", "steward", "operator"])
def test_each_role_is_needed(folder: Folder, role: str) -> None:
    lines = [line for line in CITY.splitlines(keepends=True) if not line.startswith(f"  {role}")]
    (said,) = found(folder("".join(lines), schulen=SCHULEN))
    assert said.startswith(f"datasets/schulen.yaml:2: responsibility.{role}: Die Rolle {role} (")
    assert said.endswith("fehlt: hier oder in deployment.yml angeben.")


def test_a_contact_and_a_licence_are_needed(folder: Folder) -> None:
    city = "".join(line for line in CITY.splitlines(keepends=True) if not line.startswith(("contact", "licence")))
    assert found(folder(city, schulen=SCHULEN)) == [
        "datasets/schulen.yaml:2: responsibility.contact: Die Rolle contact (Kontakt) fehlt: hier oder in deployment.yml angeben.",
        "datasets/schulen.yaml:2: licence: fehlt: hier oder in deployment.yml angeben, etwa dl-de/by-2-0.",
    ]


STYLE = "title: {de: Schulhaus}\nrules:\n  - {title: {de: Schule}, draw: {color: '#2f5fb3'}}\n"


def test_a_style_is_looked_for_here_and_among_the_house_styles(folder: Folder) -> None:
    text = SCHULEN.replace("publish: {", "publish: {style: schulhaus, ")
    (said,) = found(folder(schulen=text))
    assert said.startswith("datasets/schulen.yaml:15: publish.style: Den Stil „schulhaus“ gibt es nicht. Bekannt sind: ")
    assert found(folder(files={"styles/schulhaus.yaml": STYLE}, schulen=text)) == []


def test_a_former_name_belongs_to_one_dataset(folder: Folder) -> None:
    text = SCHULEN.replace("sortables", "identifiers: [ms:schulen, horte]\nsortables")
    other = SCHULEN.replace("id: schulen", "id: horte\nidentifiers: ['ms:schulen']")
    assert found(folder(schulen=text, horte=other)) == [
        "datasets/horte.yaml:3: identifiers[1]: „ms:schulen“ gehört schon zu schulen.",
        "datasets/schulen.yaml:14: identifiers[1]: „ms:schulen“ gehört schon zu horte.",
        "datasets/schulen.yaml:14: identifiers[2]: „horte“ gehört schon zu horte.",
    ]


def test_a_table_and_its_coordinates(folder: Folder) -> None:
    def table(source: str, geometry: str) -> list[str]:
        text = SCHULEN.replace("kind: ogr", f"kind: table{source}").replace("geometry: {type: Point}", f"geometry: {{type: {geometry}}}")
        return found(folder(schulen=text))

    assert table("", "Point") == [
        "datasets/schulen.yaml:6: geometry: Eine Tabelle hat nur mit source.x und source.y eine Geometrie.",
    ]
    assert table(", x: rechts", "Point")[0] == "datasets/schulen.yaml:5: source: x und y gehören zusammen."
    assert table(", x: rechts, y: hoch", "Point") == [
        "datasets/schulen.yaml:5: source: crs fehlt: in welchem Koordinatensystem sind x und y?",
    ]
    assert table(", x: rechts, y: hoch, crs: 'EPSG:25832'", "LineString") == [
        "datasets/schulen.yaml:6: geometry: x und y ergeben Punkte: geometry: {type: Point}.",
    ]
    assert table(", x: rechts, y: hoch, crs: 'EPSG:25832'", "Point") == []


RASTER = """\
id: dgm
title: {de: Gelände}
description: {de: Gelände.}
source: {kind: raster, location: "${DATA}/dgm.tif"}
"""


def test_a_grid_has_no_rows(folder: Folder) -> None:
    assert found(folder(dgm=RASTER)) == []
    text = RASTER + "fields: [{name: a, type: string}]\nforms: {open: {omit: [a]}}\npublish: {edit: true}\n"
    text += "quality: [{rule: row_count, minimum: 1}]\n"
    assert found(folder(dgm=text)) == [
        "datasets/dgm.yaml:5: fields: Ein Raster hat keine Zeilen: hier nichts angeben.",
        "datasets/dgm.yaml:6: forms.open: Ein Raster hat keine Zeilen und Spalten: forms entfällt.",
        "datasets/dgm.yaml:7: publish.edit: Ein Datensatz der Art raster lässt sich nicht bearbeiten.",
        "datasets/dgm.yaml:8: quality: Ein Raster hat keine Zeilen: hier nichts angeben.",
    ]


IN_CSV = "gilt nur für XLSX; in einer CSV stattdessen: delimiter, encoding."
IN_XLSX = "gilt nur für CSV; in einer XLSX stattdessen: sheet."


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('location: "${DATA}/z.csv.gz", delimiter: ";", encoding: cp1252, decimal: ",", skip_rows: {schule: Summe}, header_row: 2', []),
        ('location: "${DATA}/z.XLSX", sheet: A, decimal: ",", null_values: ["-"]', []),
        ('location: "${DATA}/z.*", sheet: A, encoding: cp1252', []),  # the name does not say of which format the files are
        ('location: "${DATA}/z.csv", sheet: A', [f"source.sheet: {IN_CSV}"]),
        ('location: "${DATA}/z.xlsx", delimiter: ";"', [f"source.delimiter: {IN_XLSX}"]),
        ('location: "${DATA}/z.xlsm", encoding: cp1252', [f"source.encoding: {IN_XLSX}"]),
        ('location: "${DATA}/z.csv", crs: EPSG:25832', ["source.crs: gilt in einer Tabelle nur mit x und y (Spalten der Koordinaten)."]),
        (
            'location: "${DATA}/z.csv", layer: a',
            [
                "source.layer: gilt nur für kind: ogr. Bei table erlaubt: location, crs, rhythm, sheet, header_row, delimiter, decimal, "
                "encoding, null_values, skip_rows, x, y."
            ],
        ),
    ],
)
def test_what_the_reader_of_a_table_would_ignore_is_refused(source: str, said: list[str], folder: Folder) -> None:
    text = ZAHLEN.replace('location: "${DATA}/zahlen.csv"', source)
    assert found(folder(zahlen=text)) == [f"datasets/zahlen.yaml:4: {line}" for line in said]


def test_every_key_of_a_source_says_for_which_kinds_it_is() -> None:
    """A new key that one reader ignores would be taken in silence."""
    assert set(Source.model_fields) - set(checks_of_source.KINDS_OF_KEY) == {"kind", "rhythm"}
    assert all(set(kinds) < set(get_args(Source.model_fields["kind"].annotation)) for kinds in checks_of_source.KINDS_OF_KEY.values())


def test_a_closed_licence_and_open_data_contradict_each_other(folder: Folder) -> None:
    root = folder(schulen=SCHULEN.replace("sortables", "licence: andere-geschlossene\nsortables"))
    release_all(root)
    (said,) = found(root)
    assert "andere-geschlossene ist keine offene Lizenz, der Datensatz ist aber öffentlich" in said


def test_an_id_that_is_not_public_is_told_before_anybody_wonders(folder: Folder) -> None:
    root = folder(schulen=SCHULEN.replace("sortables", "forms: {open: {omit: [bsn]}}\nsortables"))
    release_all(root)
    (said,) = found(root)
    assert said.endswith(
        "id_field: Nur Verwaltung: Die Kennung der Objekte besteht aus bsn; das Feld ist nicht freigegeben. "
        "Feld freigeben oder id_field: {kind: content}."
    )


ZAHLEN = """\
id: zahlen
title: {de: Zahlen}
description: {de: Zahlen je Schule.}
source: {kind: table, location: "${DATA}/zahlen.csv"}
id_field: {kind: column, column: schule}
fields:
  - {name: schule, type: string}
  - {name: kinder, type: integer}
"""
JOIN = """\
id: verbund
title: {de: Verbund}
description: {de: Schulen mit Zahlen.}
source: {kind: join, left: schulen, right: zahlen, on: [{left: bsn, right: schule}]}
geometry: {type: Point}
id_field: {kind: column, column: bsn}
fields:
  - {name: bsn, from: left.bsn, type: string}
  - {name: kinder, from: right.kinder, type: integer}
"""


def release_all(root: object, *closed: str) -> None:
    """Record a protection check of each dataset without a ground; those in `closed` with one."""
    from datetime import date

    deployment = registry.read(root)  # type: ignore[arg-type]
    for name, contract in deployment.contracts.items():
        grounds: tuple[str, ...] = ("business_secret",) if name in closed else ()
        checked = release.record(contract, checked=date(2026, 1, 1), by="Amt", grounds=grounds)  # type: ignore[arg-type]
        write_protection(deployment.path_of(name), checked.protection)


OF_JOIN = "Bei join erlaubt: rhythm, left, right, on, join, unmatched_left, live."
FORMAT_OF_A_JOIN = "9: fields[beginn].format: gilt nicht für eine Verknüpfung: die Werte sind gelesen."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "left: schulen",
            "left: schule",
            ["4: source.left: Den Datensatz „schule“ gibt es nicht. Gemeint: schulen? Bekannt sind: schulen, verbund, zahlen."],
        ),
        ("left: schulen, ", "", ["4: source.left: fehlt: der Datensatz dieser Seite."]),
        ("type: string}\n", "type: string}\n  - {name: beginn, from: left.beginn, type: date, format: '%Y'}\n", [FORMAT_OF_A_JOIN]),
        (
            "fields:\n",
            "quality: [{rule: valid_geometry}]\nfields:\n",
            ["7: quality[1]: gilt nicht für eine Verknüpfung: die Geometrie ist an der Seite geprüft, von der sie kommt."],
        ),
        ("kind: join, ", "kind: join, crs: EPSG:25832, ", [f"4: source.crs: gilt nur für kind: ogr oder table oder raster. {OF_JOIN}"]),
        ("kind: join, ", "kind: join, where: a=1, ", [f"4: source.where: gilt nur für kind: ogr. {OF_JOIN}"]),
        ("kind: join, ", "kind: join, location: x, ", ["4: source.location: Eine Verknüpfung hat left und right statt location."]),
        (
            "right: zahlen",
            "right: verbund",
            [
                "4: source: Die Verknüpfung führt im Kreis: verbund → verbund.",
                "4: source.on[1].right: verbund: Das Feld „schule“ gibt es nicht. Felder: bsn, kinder.",
            ],
        ),
        ("left: bsn", "left: nummer", [f"4: source.on[1].left: schulen: Das Feld „nummer“ gibt es nicht. {FIELDS}"]),
        (
            "right: schule}",
            "right: schule, key: schulnr}",
            [
                "4: source.on[1].key: Den Schlüsseltyp „schulnr“ gibt es nicht. Bekannt sind: ags, ars, "
                "strassenschluessel, flurstueck, plz, hausnummer; eigene in keys/schulnr.yml."
            ],
        ),
        (", on: [{left: bsn, right: schule}]", "", ["4: source.on: fehlt: [{left: <Feld>, right: <Feld>, key: <Schlüsseltyp>}]."]),
        ("kind: join", "kind: join, join: within", ["4: source.join: lädt diese Version nicht; erlaubt: join: key, ohne live."]),
        ("kind: join", "kind: join, live: true", ["4: source.live: lädt diese Version nicht; erlaubt: join: key, ohne live."]),
        (
            "left: schulen, right: zahlen, on: [{left: bsn, right: schule}]",
            "left: zahlen, right: zahlen, on: [{left: schule, right: schule}]",
            [
                "5: geometry: Weder zahlen noch zahlen hat eine Geometrie.",
            ],
        ),
        ("from: left.bsn", "from: bsn", ["8: fields[bsn].from: from fehlt: left.bsn oder right.bsn."]),
        (
            "from: right.kinder",
            "from: right.kind",
            ["9: fields[kinder].from: zahlen: Das Feld „kind“ gibt es nicht. Gemeint: kinder? Felder: schule, kinder."],
        ),
        ("type: integer", "type: number", ["9: fields[kinder].type: zahlen.kinder ist integer; eine Verknüpfung ändert den Typ nicht."]),
    ],
)
def test_a_join_is_refused(folder: Folder, old: str, new: str, said: list[str]) -> None:
    assert old in JOIN
    assert found(folder(schulen=SCHULEN, zahlen=ZAHLEN, verbund=JOIN)) == []
    problems = found(folder(verbund=JOIN.replace(old, new, 1)))
    assert [problem for problem in problems if "fields[" not in problem or "fields[" in said[0]] == [
        f"datasets/verbund.yaml:{line}" for line in said
    ]


def test_a_longer_circle(folder: Folder) -> None:
    other = JOIN.replace("id: verbund", "id: zahlen")
    root = folder(schulen=SCHULEN, zahlen=other.replace("right: zahlen", "right: verbund"), verbund=JOIN)
    circles = [problem for problem in found(root) if "im Kreis" in problem]
    assert circles == [
        "datasets/verbund.yaml:4: source: Die Verknüpfung führt im Kreis: verbund → zahlen → verbund.",
        "datasets/zahlen.yaml:4: source: Die Verknüpfung führt im Kreis: zahlen → verbund → zahlen.",
    ]


def test_a_join_does_not_open_what_is_closed(folder: Folder) -> None:
    root = folder(schulen=SCHULEN, zahlen=ZAHLEN, verbund=JOIN)
    release_all(root)
    assert found(root) == []
    release_all(root, "zahlen")
    (said,) = found(root)
    assert said.startswith("datasets/verbund.yaml:")
    assert "source.right: zahlen ist nicht öffentlich (Nur Verwaltung: Schutzprüfung vom 01.01.2026, Schutzgrund" in said
    release_all(root, "zahlen", "verbund")
    assert found(root) == [], "the result is closed too"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("{omit: [kinder]}", "fields[kinder]: zahlen.kinder ist nicht öffentlich, hier wäre es das"),
        ("{min_count: {minimum: 5, fields: [kinder]}}", "forms: zahlen ist öffentlich nur eingeschränkt"),
        ("{where: 'kinder > 5'}", "forms: zahlen ist öffentlich nur eingeschränkt"),
    ],
)
def test_a_join_keeps_the_form_of_its_parts(folder: Folder, form: str, said: str) -> None:
    root = folder(schulen=SCHULEN, zahlen=f"{ZAHLEN}forms: {{open: {form}}}\n", verbund=JOIN)
    release_all(root)
    assert [said in problem for problem in found(root)] == [True]
    folder(schulen=SCHULEN, zahlen=f"{ZAHLEN}forms: {{open: {form}}}\n", verbund=f"{JOIN}forms: {{open: {form}}}\n")
    release_all(root)
    assert found(root) == []


@pytest.mark.parametrize(
    ("of_part", "of_join", "kept"),
    [
        ("kinder > 5", "anzahl > 5", True),
        ("kinder > 5", "bsn LIKE 'a%' AND (anzahl > 5.0 AND anzahl < 90)", True),
        ("kinder > 5 AND schule IS NOT NULL", "nummer IS NOT NULL AND anzahl > 5", True),
        ("kinder > 5 OR kinder IS NULL", "anzahl > 5 OR anzahl IS NULL", True),
        ("kinder > 5", "anzahl IS NOT NULL", False),
        ("kinder > 5", "anzahl > 4", False),
        ("kinder > 5", "anzahl > 5 OR bsn = 'a'", False),
        ("kinder > 5", "NOT anzahl > 5", False),
        ("kinder > 5 AND schule IS NOT NULL", "anzahl > 5", False),
        ("schule <> 'a'", "bsn <> 'a'", False),
    ],
)
def test_a_join_keeps_the_rows_that_its_parts_hide(folder: Folder, of_part: str, of_join: str, kept: bool) -> None:
    renamed = JOIN.replace("name: kinder, from", "name: anzahl, from") + "  - {name: nummer, from: right.schule, type: string}\n"
    root = folder(
        schulen=SCHULEN,
        zahlen=f'{ZAHLEN}forms: {{open: {{where: "{of_part}"}}}}\n',
        verbund=f'{renamed}forms: {{open: {{omit: [nummer], where: "{of_join}"}}}}\n',
    )
    release_all(root)
    assert ["forms: zahlen ist öffentlich nur eingeschränkt" in problem for problem in found(root)] == ([] if kept else [True])


@pytest.mark.parametrize(
    ("of_part", "of_join", "kept"),
    [
        ("none", "none", True),
        ("none", "centroid", False),
        ("none", "full", False),
        ("centroid", "centroid", True),
        ("centroid", "none", True),
        ("centroid", "full", False),
        ("full", "centroid", True),
    ],
)
def test_a_join_shows_no_finer_geometry_than_its_part(folder: Folder, of_part: str, of_join: str, kept: bool) -> None:
    streets = SCHULEN.replace("{type: Point}", "{type: LineString}").split("publish")[0]
    streets = streets.replace("sortables", f"forms: {{open: {{geometry: {of_part}}}}}\nsortables")
    lines = JOIN.replace("{type: Point}", "{type: LineString}")
    root = folder(schulen=streets, zahlen=ZAHLEN, verbund=f"{lines}forms: {{open: {{geometry: {of_join}}}}}\n")
    release_all(root)
    assert ["forms: schulen ist öffentlich nur eingeschränkt" in problem for problem in found(root)] == ([] if kept else [True])


def test_a_join_keeps_the_geometry_rule_of_the_side_that_it_takes_it_from(folder: Folder) -> None:
    streets = SCHULEN.replace("{type: Point}", "{type: LineString}").replace("sortables", "forms: {open: {geometry: none}}\nsortables")
    root = folder(schulen=streets.split("publish")[0], zahlen=ZAHLEN, verbund=JOIN)
    release_all(root)
    (said,) = found(root)
    assert "forms: schulen ist öffentlich nur eingeschränkt (where, geometry oder min_count)" in said
    folder(verbund=JOIN + "forms: {open: {geometry: none}}\n")
    release_all(root)
    assert found(root) == []


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (
            "cc-by-4.0\nattribution: Amt A",
            "dl-de/zero-2-0",
            "licence: zahlen steht unter cc-by-4.0 und verlangt den Namen der Quelle; dl-de/zero-2-0 tut das nicht.",
        ),
        ("cc-by-4.0\nattribution: Amt A", "cc-by-4.0\nattribution: Amt B", "attribution: Die Quelle von zahlen fehlt darin: „Amt A“."),
        ("odbl\nattribution: Amt A", "cc-by-4.0\nattribution: Amt A", "licence: zahlen steht unter odbl: das Ergebnis auch."),
        ("andere-geschlossene", "dl-de/zero-2-0", "licence: zahlen steht nicht unter einer offenen Lizenz."),
        ("cc-by-4.0\nattribution: Amt A", "cc-by-4.0\nattribution: Amt A, Amt B", None),
    ],
)
def test_a_join_keeps_licence_and_source_of_its_parts(folder: Folder, part: str, whole: str, said: str | None) -> None:
    root = folder(schulen=SCHULEN, zahlen=f"{ZAHLEN}licence: {part}\n", verbund=f"{JOIN}licence: {whole}\n")
    problems = found(root)
    if said is None:
        assert problems == []
    else:
        assert said in [problem.split(": ", 1)[1] for problem in problems]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "[7.6, 49.3, 7.9, 49.5]",
            "[7.9, 49.3, 7.6, 49.5]",
            "5: box: ist kein Ausschnitt in Grad; erlaubt: [West, Süd, Ost, Nord], etwa [7.6, 49.3, 7.9, 49.5].",
        ),
        (
            "[7.6, 49.3, 7.9, 49.5]",
            "[398000, 5461000, 420000, 5484000]",
            "5: box: ist kein Ausschnitt in Grad; erlaubt: [West, Süd, Ost, Nord], etwa [7.6, 49.3, 7.9, 49.5].",
        ),
        (
            "[7.6, 49.3, 7.9, 49.5]",
            "[49.3, 7.6, 49.5, 7.9]",
            "5: box: liegt nicht in Deutschland; Länge und Breite vertauscht? Erlaubt: [West, Süd, Ost, Nord].",
        ),
        ("EPSG:25832", "EPSG:99999", "4: crs: PROJ kennt EPSG:99999 nicht."),
    ],
)
def test_the_deployment_itself(folder: Folder, old: str, new: str, said: str) -> None:
    assert found(folder(CITY.replace(old, new)))[0] == f"deployment.yml:{said}"


def test_a_default_licence_of_the_list(folder: Folder) -> None:
    (said,) = found(folder(CITY.replace("dl-de/zero-2-0", "offen")))
    assert said.startswith("deployment.yml:6: licence: „offen“ steht nicht in der Liste. Erlaubt: dl-de/by-2-0, ")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("plz", "name: plz\ntitle: {de: X}\n", "keys/plz.yml: name: ist ein Schlüsseltyp der Plattform; anders nennen."),
        (
            "a",
            "name: a\ntitle: {de: X}\npattern: '['\n",
            "keys/a.yml: pattern: kein gültiger regulärer Ausdruck: unterminated character set at position 0.",
        ),
        ("a", "name: a\ntitle: {de: X}\nwidth: 3\nvalues: [{key: '1'}]\n", "keys/a.yml: 1: muss „001“ heißen."),
        ("a", "name: a\ntitle: {de: X}\npattern: '[0-9]'\nvalues: [{key: b}]\n", "keys/a.yml: b: „b“ hat nicht die Form von X ([0-9])."),
        (
            "a",
            "name: a\ntitle: {de: X}\nvalues: [{key: b}, {key: b, valid_from: 2020-01-01}]\n",
            "keys/a.yml: b: gilt an manchen Tagen zweimal.",
        ),
        (
            "a",
            "name: a\ntitle: {de: X}\nvalues: [{key: b, valid_from: 2020-01-02, valid_to: 2020-01-01}]\n",
            "keys/a.yml: b: endet, bevor es beginnt.",
        ),
        ("a", "name: a\ntitle: {de: X}\nvalues: [{key: b, valid_to: 2019-12-31}, {key: b, valid_from: 2020-01-01}]\n", None),
    ],
)
def test_key_registers(folder: Folder, name: str, text: str, said: str | None) -> None:
    assert found(folder(files={f"keys/{name}.yml": text})) == ([said] if said else [])


def test_all_rules_are_told_at_once_and_in_the_order_of_the_file(folder: Folder) -> None:
    text = SCHULEN.replace("name: name", "name: limit").replace("sortables: [bsn]", "sortables: [x]").replace("[9, 16]", "[16, 9]")
    root = folder(schulen=text)
    lines = [problem.line for problem in checks.check(root)]
    assert lines == [10, 14, 15]
    with pytest.raises(ContractError) as caught:
        checks.checked(root)
    assert len(caught.value.problems) == 3


def test_shape_and_meaning_are_told_together(folder: Folder) -> None:
    root = folder(schulen=SCHULEN.replace("sortables: [bsn]", "sortables: [x]"), zahlen=ZAHLEN.replace("kind: table", "kind: tabelle"))
    assert [problem.file for problem in checks.check(root)] == ["datasets/schulen.yaml", "datasets/zahlen.yaml"]


def test_every_rule_says_what_it_is() -> None:
    for rule in (*checks.RULES, *checks_of_deployment.RULES):
        assert rule.__doc__ and rule.__doc__.endswith(".")
