from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from support.catalog_folder import CITY, SCHULEN, Folder

from stadtgrund.catalog import registry
from stadtgrund.errors import ContractError, NotFound

KEYS = (
    "id, title, description, keywords, identifiers, responsibility, licence, attribution, protection, forms, source, geometry, "
    "id_field, fields, temporal, sortables, search, quality, publish"
)


def problems(root: Path) -> list[str]:
    return [str(problem) for problem in registry.read_documents(root).problems]


def test_the_deployment_fills_in_its_defaults(folder: Folder) -> None:
    deployment = registry.read(folder(schulen=SCHULEN))
    contract = deployment.contract("schulen")
    assert (deployment.name, deployment.title.de, deployment.srid, deployment.language) == ("teststadt", "Teststadt", 25832, "de")
    assert contract.geometry is not None
    assert contract.geometry.crs == "EPSG:25832"
    assert contract.responsibility.owner is not None
    assert contract.responsibility.owner.organisation == "Amt 62"
    assert contract.responsibility.contact is not None
    assert contract.responsibility.contact.email == "geodaten@example.org"
    assert contract.licence == "dl-de/zero-2-0"
    assert deployment.path_of("schulen").name == "schulen.yaml"
    assert set(deployment.profiles) == {"open", "verwaltung"}


def test_what_a_contract_says_itself_goes_first(folder: Folder) -> None:
    city = CITY.replace("EPSG:25832", "EPSG:25833") + "attribution: Teststadt\n"
    own = SCHULEN.replace("{type: Point}", "{type: Point, crs: EPSG:25832}")
    own += "licence: cc-by-4.0\nresponsibility: {owner: {organisation: Schulamt}}\n"
    contract = registry.read(folder(city, schulen=own)).contract("schulen")
    assert contract.geometry is not None
    assert contract.geometry.crs == "EPSG:25832"
    assert contract.responsibility.owner is not None
    assert contract.responsibility.owner.organisation == "Schulamt"
    assert contract.attribution is None, "the default attribution belongs to the default licence"


def test_nothing_of_it_changes_afterwards(folder: Folder) -> None:
    deployment = registry.read(folder(schulen=SCHULEN))
    with pytest.raises(FrozenInstanceError):
        deployment.name = "andere"  # type: ignore[misc]
    with pytest.raises(TypeError):
        deployment.contracts["x"] = deployment.contracts["schulen"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("${DATA}/a/*.gpkg", "{data}/a/*.gpkg"),
        ("quellen/a.csv", "{folder}/quellen/a.csv"),
        ("/srv/a.csv", "/srv/a.csv"),
        ("https://example.org/wfs", "https://example.org/wfs"),
    ],
)
def test_locations(folder: Folder, tmp_path: Path, location: str, expected: str) -> None:
    text = SCHULEN.replace("${DATA}/schulen.geojson", location)
    deployment = registry.read(folder(schulen=text), tmp_path / "daten")
    found = deployment.location(deployment.contract("schulen"))
    assert found == expected.format(data=tmp_path / "daten", folder=deployment.folder)


def test_data_is_relative_to_the_folder(folder: Folder, tmp_path: Path) -> None:
    assert registry.read(folder(CITY + "data: ../daten\n", schulen=SCHULEN)).data == tmp_path / "daten"


def test_the_box_in_metres_holds_the_one_in_degrees(folder: Folder) -> None:
    deployment = registry.read(folder())
    assert deployment.box(4326) == (7.6, 49.3, 7.9, 49.5)
    west, south, east, north = deployment.box(25832)
    assert (round(west, -3), round(south, -3), round(east, -3), round(north, -3)) == (398000, 5461000, 420000, 5484000)


def test_an_unknown_dataset_is_answered_with_the_known_ones(folder: Folder) -> None:
    deployment = registry.read(folder(schulen=SCHULEN))
    with pytest.raises(NotFound) as caught:
        deployment.contract("schule")
    assert str(caught.value) == "Datensatz „schule“ ist unbekannt. Gemeint: schulen? Bekannt sind: schulen."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: {de: Schulen, en: Schools}\n", "", "datasets/schulen.yaml:2: title: fehlt und ist erforderlich."),
        (
            "id: schulen",
            "id: Schulen",
            "datasets/schulen.yaml:2: id: „Schulen“ ist nicht erlaubt; erlaubt: Kleinbuchstaben a-z, Ziffern und _, "
            "mit einem Buchstaben beginnend, höchstens 48 Zeichen.",
        ),
        (
            "sortables",
            "sortable",
            "datasets/schulen.yaml:14: sortable: Diesen Schlüssel gibt es nicht. Gemeint: sortables? Erlaubt: id, title, "
            "description, keywords, identifiers, responsibility, licence, attribution, protection, forms, "
            "source, geometry, id_field, fields, "
            "temporal, sortables, search, quality, publish.",
        ),
        (
            "kind: ogr",
            "kind: org",
            "datasets/schulen.yaml:5: source.kind: „org“ ist nicht erlaubt. Gemeint: ogr? "
            "Erlaubt: ogr, wfs, ogcapi, table, sql, postgis, raster, join.",
        ),
        (
            "required: true",
            "required: vielleicht",
            "datasets/schulen.yaml:9: fields[bsn].required: „vielleicht“ ist nicht erlaubt; erlaubt: true oder false.",
        ),
        (
            "title: {de: Schulnummer}",
            "title: {de: 1}",
            'datasets/schulen.yaml:9: fields[bsn].title.de: 1 steht für Text: in Anführungszeichen setzen ("1").',
        ),
        ('unit: "1"', "unit: 1", 'datasets/schulen.yaml:11: fields[schueler].unit: 1 steht für Text: in Anführungszeichen setzen ("1").'),
        (
            "title: {de: Schulnummer}",
            "title: {de: true}",
            'datasets/schulen.yaml:9: fields[bsn].title.de: true steht für Text: in Anführungszeichen setzen ("true").',
        ),
        (
            "title: {de: Schulnummer}",
            "title: Schulnummer",
            "datasets/schulen.yaml:9: fields[bsn].title: „Schulnummer“ ist nicht erlaubt; erlaubt: ein Block mit: de, en.",
        ),
        ("title: {de: Schulnummer}", "title: {de: ''}", "datasets/schulen.yaml:9: fields[bsn].title.de: darf nicht leer sein."),
        (
            "{type: Point}",
            "{type: Punkt}",
            "datasets/schulen.yaml:6: geometry.type: „Punkt“ ist nicht erlaubt. Gemeint: Point? Erlaubt: Point, "
            "MultiPoint, LineString, MultiLineString, Polygon, MultiPolygon, Geometry.",
        ),
        (
            "{type: Point}",
            "{type: Point, crs: 25832}",
            'datasets/schulen.yaml:6: geometry.crs: 25832 steht für Text: in Anführungszeichen setzen ("25832").',
        ),
        (
            "{type: Point}",
            "{type: Point, crs: ETRS89}",
            "datasets/schulen.yaml:6: geometry.crs: „ETRS89“ ist nicht erlaubt; erlaubt: EPSG:<Nummer>, etwa EPSG:25832, oder OGC:CRS84.",
        ),
        ("sortables: [bsn]", "sortables: bsn", "datasets/schulen.yaml:14: sortables: „bsn“ ist keine Liste; erlaubt: [erstes, zweites]."),
        ("[9, 16]", "[9]", "datasets/schulen.yaml:15: publish.tiles.zoom[2]: fehlt und ist erforderlich."),
        ("[9, 16]", "[9, 1, 2]", "datasets/schulen.yaml:15: publish.tiles.zoom: hat 3 Einträge; erlaubt: 2."),
        ("[9, 16]", "[9, 25]", "datasets/schulen.yaml:15: publish.tiles.zoom[2]: „25“ ist zu groß; erlaubt: bis 24."),
        ("[9, 16]", "[-1, 16]", "datasets/schulen.yaml:15: publish.tiles.zoom[1]: „-1“ ist zu klein; erlaubt: ab 0."),
        ("[9, 16]", "[neun, 16]", "datasets/schulen.yaml:15: publish.tiles.zoom[1]: „neun“ ist keine ganze Zahl."),
        (
            "sortables: [bsn]",
            "quality: [{rule: row_count, drop_max: viel}]",
            "datasets/schulen.yaml:14: quality[1].drop_max: „viel“ ist keine Zahl (Dezimalzeichen ist der Punkt).",
        ),
        (
            "sortables: [bsn]",
            "forms: {offen: {}}",
            "datasets/schulen.yaml:14: forms.offen: „offen“ ist nicht erlaubt. Gemeint: open? Erlaubt: open, verwaltung.",
        ),
        (
            "sortables: [bsn]",
            "forms: {open: {omit: [bsn], ohne: x}}",
            "datasets/schulen.yaml:14: forms.open.ohne: Diesen Schlüssel gibt es nicht. Erlaubt: omit, where, geometry, min_count.",
        ),
        (
            "sortables: [bsn]",
            "protection: {checked: gestern}",
            "datasets/schulen.yaml:14: protection.checked: „gestern“ ist kein Datum; erlaubt: JJJJ-MM-TT, etwa 2026-03-01.",
        ),
        (
            "sortables: [bsn]",
            "protection: {grounds: [Personen]}",
            "datasets/schulen.yaml:14: protection.grounds[1]: „Personen“ ist nicht erlaubt. "
            "Erlaubt: personal_data, running_decision, business_secret, security_critical, third_party_rights.",
        ),
        (
            "sortables: [bsn]",
            "protection: {source: 3F9C}",
            "datasets/schulen.yaml:14: protection.source: „3F9C“ ist nicht erlaubt; erlaubt: "
            "die zwölf Zeichen, die `stadtgrund release` schreibt (von Hand nicht zu ändern).",
        ),
        ("sortables: [bsn]", "fields: []", "datasets/schulen.yaml:14: fields: steht zweimal (zuerst in Zeile 8); eines entfernen."),
        (
            SCHULEN,
            "- schulen\n",
            "datasets/schulen.yaml:1: Eine Liste ist nicht erlaubt; erlaubt: ein Block mit: id, title, description, keywords, "
            "identifiers, responsibility, licence, attribution, protection, forms, source, geometry, id_field, "
            "fields, temporal, sortables, search, quality, publish.",
        ),
    ],
)
def test_a_wrong_shape_is_refused_with_file_line_field_and_what_is_allowed(folder: Folder, old: str, new: str, said: str) -> None:
    assert old in SCHULEN
    assert problems(folder(schulen=SCHULEN.replace(old, new, 1))) == [said]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: {de: Teststadt}\n", "", "deployment.yml:1: title: fehlt und ist erforderlich."),
        ('"07312000"', "7312000", 'deployment.yml:3: ags: 7312000 steht für Text: in Anführungszeichen setzen ("7312000").'),
        (
            '"07312000"',
            '"7312000"',
            "deployment.yml:3: ags: „7312000“ ist nicht erlaubt; erlaubt: der amtliche Gemeindeschlüssel: "
            '8 Ziffern in Anführungszeichen, etwa "07312000".',
        ),
        ("EPSG:25832", "OGC:CRS84", "deployment.yml:4: crs: „OGC:CRS84“ ist nicht erlaubt; erlaubt: EPSG:<Nummer>, etwa EPSG:25832."),
        ("[7.6, 49.3, 7.9, 49.5]", "[7.6, 49.3, 7.9]", "deployment.yml:5: box[4]: fehlt und ist erforderlich."),
        ("contact: {organisation: Geodaten, email: geodaten@example.org}", "contact: {name: x}", None),
    ],
)
def test_deployment_yml_too(folder: Folder, old: str, new: str, said: str | None) -> None:
    found = problems(folder(CITY.replace(old, new, 1), schulen=SCHULEN))
    if said is None:
        assert found == [
            "deployment.yml:7: contact.organisation: fehlt und ist erforderlich.",
            "deployment.yml:7: contact.name: Diesen Schlüssel gibt es nicht. Erlaubt: organisation, unit, email, phone, url.",
        ]
    else:
        assert found == [said]


def test_an_ags_with_a_leading_zero_needs_no_quotes(folder: Folder) -> None:
    assert registry.read(folder(CITY.replace('"07312000"', "07312000"), schulen=SCHULEN)).ags == "07312000"
    assert registry.read(folder(CITY.replace('"07312000"', "01001000"), schulen=SCHULEN)).ags == "01001000"


def test_all_problems_of_all_files_come_at_once(folder: Folder) -> None:
    root = folder(
        CITY.replace("title", "titel"),
        files={"profiles.yml": "offen: {}\n", "keys/x.yml": "name: y\ntitle: {de: Y}\n", "server.yml": "servr: {}\n"},
        schulen=SCHULEN.replace("type: string", "type: text"),
        kaputt="id: [",
    )
    with pytest.raises(ContractError) as caught:
        registry.read(root)
    files = {problem.file for problem in caught.value.problems}
    assert files == {"deployment.yml", "profiles.yml", "server.yml", "keys/x.yml", "datasets/kaputt.yaml", "datasets/schulen.yaml"}
    assert all(problem.line for problem in caught.value.problems)
    assert "keys/x.yml:1: name: muss heißen wie die Datei: x." in str(caught.value)


def test_english_where_the_locale_is_not_german(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    assert problems(folder(schulen=SCHULEN.replace("kind: ogr", "kind: org"))) == [
        "datasets/schulen.yaml:5: source.kind: “org” is not allowed. Did you mean ogr? "
        "Allowed: ogr, wfs, ogcapi, table, sql, postgis, raster, join."
    ]


def test_two_files_of_one_dataset(folder: Folder) -> None:
    assert problems(folder(schulen=SCHULEN, schulen2=SCHULEN)) == ["datasets/schulen2.yaml:2: id: „schulen“ steht schon in schulen.yaml."]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (problem,) = registry.read_documents(tmp_path / "leer").problems
    assert problem.file == "deployment.yml"
    assert problem.message.endswith("ein Deployment-Ordner hat deployment.yml und datasets/. Anderer Ordner: --config.")


def test_a_file_in_another_encoding(folder: Folder) -> None:
    root = folder()
    (root / "datasets" / "alt.yaml").write_bytes("id: alt\ntitle: {de: Größe}\n".encode("cp1252"))
    assert problems(root) == ["datasets/alt.yaml:2: Die Datei ist nicht in UTF-8; im Editor als UTF-8 speichern."]


def test_a_byte_order_mark_does_no_harm(folder: Folder) -> None:
    assert problems(folder(schulen="\ufeff" + SCHULEN)) == []


def test_a_folder_where_a_file_should_be(folder: Folder) -> None:
    root = folder()
    (root / "datasets" / "x.yaml").mkdir()
    assert problems(root) == ["datasets/x.yaml: nicht lesbar: Is a directory."]


def test_key_registers_are_read_from_yaml_and_csv(folder: Folder) -> None:
    root = folder(
        files={
            "keys/ortsteil.yml": "name: ortsteil\ntitle: {de: Ortsteil}\nwidth: 3\nregister: ortsteil.csv\n",
            "keys/ortsteil.csv": "key;title;valid_from;valid_to\n001;Mitte;;\n002;Nord;2020-01-01;\n",
        },
    )
    register = registry.read(root).keys.registers["ortsteil"]
    assert [entry.key for entry in register.values] == ["001", "002"]
    assert register.normalise(2) == "002"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schluessel;title\n001;Mitte\n", "keys/ortsteil.csv:1: key: In der ersten Zeile fehlt die Spalte key."),
        ("key,valid_from\n001,1.1.2020\n", "keys/ortsteil.csv:2: valid_from/valid_to: „1.1.2020“ ist kein Datum (JJJJ-MM-TT)."),
        (None, "keys/ortsteil.yml:3: register: ortsteil.csv: No such file or directory."),
    ],
)
def test_a_broken_register(folder: Folder, text: str | None, said: str) -> None:
    files = {"keys/ortsteil.yml": "name: ortsteil\ntitle: {de: Ortsteil}\nregister: ortsteil.csv\n"}
    assert problems(folder(files=files | ({"keys/ortsteil.csv": text} if text else {}))) == [said]
