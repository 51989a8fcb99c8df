"""JSON Schema of a contract for editors, with German descriptions: completion and remarks while a steward types."""

from __future__ import annotations

__all__ = ["contract_schema", "text"]

import json
from typing import Any

from stadtgrund.catalog.contract import Contract
from stadtgrund.catalog.licences import LICENCES
from stadtgrund.catalog.questions import QUESTIONS

_MODELS = {
    "Contract": "Ein Datensatz: id = Tabelle = Sammlung.",
    "Field": "Ein Feld (Attribut).",
    "Form": "Eine Form der Freigabe: Spalten, Zeilenfilter, Geometrie, Mindestfallzahl.",
    "Geometry": "Die Geometriespalte geom im Speicher-Koordinatensystem.",
    "IdField": "Woher die Kennung eines Objekts kommt.",
    "JoinKey": "Ein Paar von Feldern, die gleich sein müssen.",
    "MinCount": "Mindestfallzahl: eine Zahl darunter (und über 0) wird geheim gehalten.",
    "Protection": "Die festgehaltene Schutzprüfung; `stadtgrund release` schreibt sie. Ohne checked ist der Datensatz ein Entwurf.",
    "Publication": "Was von dem Datensatz veröffentlicht wird.",
    "Responsibility": "Die vier Rollen; was fehlt, kommt aus deployment.yml.",
    "Role": "Wer zuständig ist und wie man die Stelle erreicht.",
    "Rule": "Eine Qualitätsregel und was geschieht, wenn sie verletzt ist.",
    "Source": "Woher die Zeilen kommen.",
    "Temporal": "Welche Felder sagen, wann: ein Zeitpunkt, oder Beginn und Ende (einschließlich; eines darf offen sein).",
    "Text": "Ein Text für Menschen: deutsch immer, englisch wo vorhanden.",
    "Tiles": "Vektorkacheln.",
}

_PROPERTIES = {
    "Contract": {
        "id": "Name von Datensatz, Tabelle und Sammlung; die Datei heißt ebenso. a-z, 0-9 und _, höchstens 48 Zeichen.",
        "title": "Titel, wie ihn Menschen lesen.",
        "description": "Was der Datensatz enthält, in ein oder zwei Sätzen.",
        "keywords": "Schlagwörter für die Suche.",
        "identifiers": "Frühere Namen der Ebene; auffindbar und umgeleitet.",
        "responsibility": "Wer zuständig ist: owner, steward, operator, contact.",
        "licence": "Lizenz aus der Liste von DCAT-AP.de; sonst die aus deployment.yml.",
        "attribution": "Name der Quelle, wie er genannt werden muss (Pflicht bei Lizenzen mit Namensnennung).",
        "protection": "Ergebnis der Schutzprüfung; wird von `stadtgrund release` geschrieben.",
        "forms": "Einschränkungen je Profil (open, verwaltung); ohne Angabe gilt die volle Form.",
        "source": "Quelle der Daten.",
        "geometry": "Geometrietyp und Koordinatensystem; fehlt bei Tabellen ohne Ort.",
        "id_field": "Kennung der Objekte.",
        "fields": "Die Felder in der Reihenfolge, in der sie erscheinen.",
        "temporal": "Zeitbezug für den Parameter datetime.",
        "sortables": "Felder, nach denen sortiert werden darf; jedes bekommt einen Index.",
        "search": "Textfelder für die Volltextsuche (q); ohne Angabe alle außer Schlüsseln und Kennung, [] = keine Suche.",
        "quality": "Qualitätsregeln.",
        "publish": "Veröffentlichung: Objekte, Kacheln, Bearbeitung, Stil.",
    },
    "Field": {
        "name": "Name der Spalte und des Attributs: a-z, 0-9 und _, Umlaute als ae, oe, ue.",
        "from": "Name an der Quelle, wenn er anders ist. In einer Verknüpfung left.<Feld> oder right.<Feld>.",
        "type": "Datentyp.",
        "title": "Bezeichnung für Menschen.",
        "description": "Was das Feld bedeutet.",
        "unit": 'Einheit, etwa m, m², kW; "1" für eine Anzahl.',
        "required": "Ob der Wert immer da sein muss.",
        "unique": "Ob jeder Wert nur einmal vorkommen darf.",
        "key": "Schlüsseltyp, nach dem der Wert geprüft und vereinheitlicht wird: ags, ars, strassenschluessel, flurstueck, plz, "
        "hausnummer oder einer aus keys/.",
        "values": "Codeliste: erlaubte Werte und was sie bedeuten.",
        "format": "Wie die Quelle ein Datum schreibt, etwa %d.%m.%Y.",
        "grounds": "Schutzgründe dieses Feldes; mit Schutzgrund ist es nicht öffentlich.",
    },
    "Form": {
        "omit": "Felder, die diese Form nicht zeigt.",
        "where": "Filter in CQL2 über die Felder; andere Zeilen sind nicht enthalten.",
        "geometry": "Geometrie: voll, nur Mittelpunkt (centroid) oder keine.",
        "min_count": "Mindestfallzahl für Felder mit Anzahlen.",
    },
    "Geometry": {
        "type": "Geometrietyp der Spalte.",
        "crs": "Speicher-Koordinatensystem; sonst das aus deployment.yml.",
        "within": "deployment: Objekte außerhalb der Stadt werden abgelehnt; anywhere: keine Prüfung.",
        "dimensions": "2 oder 3 Dimensionen.",
    },
    "IdField": {
        "kind": "column: ein Feld; composite: mehrere Felder, mit - verbunden; content: Prüfsumme der Zeile mit einem Geheimnis der "
        "Datenbank; assigned: zugeordnet.",
        "column": "Das Feld (bei column).",
        "columns": "Die Felder (bei composite).",
    },
    "JoinKey": {
        "left": "Feld der linken Seite.",
        "right": "Feld der rechten Seite.",
        "key": "Schlüsseltyp, nach dem beide vereinheitlicht werden.",
    },
    "MinCount": {
        "minimum": "Kleinste Zahl, die gezeigt wird.",
        "fields": "Felder mit Anzahlen; neben jedem entsteht <Feld>_status.",
    },
    "Protection": {
        "checked": "Tag der Schutzprüfung; ohne ihn ist der Datensatz ein Entwurf.",
        "by": "Wer geprüft hat: Stelle, Funktion.",
        "grounds": "Schutzgründe des Datensatzes; mit Schutzgrund bleibt er der Verwaltung vorbehalten, bis eine Abwägung vorliegt.",
        "weighing": "Datei im Deployment-Ordner (oder Text) mit der Abwägung, die ihn trotzdem öffnet.",
        "source": "Prüfsumme der geprüften Quelle; nicht von Hand ändern.",
        "fields": "Prüfsumme je geprüftem Feld; nicht von Hand ändern.",
    },
    "Publication": {
        "items": "Ob Objekte abgerufen werden können.",
        "tiles": "Vektorkacheln; ohne Angabe keine.",
        "edit": "Ob hier bearbeitet wird; verträgt sich nicht mit einer Quelle, die regelmäßig geladen wird.",
        "style": "Name eines Stils aus styles/.",
    },
    "Responsibility": {
        "owner": "Datenverantwortliche Stelle.",
        "steward": "Wer die Daten pflegt.",
        "operator": "Wer die Plattform betreibt.",
        "contact": "Wen man fragen kann (E-Mail oder Adresse im Netz nötig).",
    },
    "Role": {
        "organisation": "Behörde oder Betrieb.",
        "unit": "Amt, Abteilung oder Sachgebiet.",
        "email": "Funktionspostfach.",
        "phone": "Telefon.",
        "url": "Adresse im Netz.",
    },
    "Rule": {
        "rule": "Die Regel.",
        "field": "Das geprüfte Feld (bei required, unique, codelist).",
        "on_fail": "report: melden; repair: reparieren (nur valid_geometry); reject: Zeile ablehnen; stop: Ladung abbrechen.",
        "drop_max": "row_count: größter erlaubter Rückgang gegenüber der letzten Version, als Anteil (0.3 = 30 %).",
        "minimum": "row_count: kleinste erlaubte Zahl von Zeilen.",
    },
    "Source": {
        "kind": "Art der Quelle: ogr (Geodaten-Datei), table (CSV, XLSX), raster, join (Verknüpfung) und weitere.",
        "location": "Pfad oder Muster; ${DATA} ist der Datenordner. .zip wird direkt gelesen, bei Tabellen auch .gz.",
        "layer": "Ebene in der Datei, wenn es mehrere gibt.",
        "crs": "Koordinatensystem der Quelle; ersetzt oder bestätigt ihre eigene Angabe.",
        "rhythm": "Wie oft die Quelle neu ist; daran wird die Aktualität gemessen.",
        "where": "Attributfilter an der Quelle (OGR).",
        "sheet": "Tabellenblatt (XLSX).",
        "header_row": "Zeile mit den Spaltennamen, ab 1; darüber steht nichts, was zählt.",
        "delimiter": "Trennzeichen (CSV).",
        "decimal": "Dezimalzeichen.",
        "encoding": "Zeichenkodierung, etwa UTF-8 oder CP1252.",
        "null_values": "Texte, die für „kein Wert“ stehen.",
        "skip_rows": "Spalte: Wert von Zeilen, die keine Daten sind, etwa einer Summenzeile.",
        "x": "Spalte mit Rechtswert oder Länge.",
        "y": "Spalte mit Hochwert oder Breite.",
        "nodata": "Wert des Rasters, der „kein Wert“ bedeutet.",
        "unit": "Einheit der Werte des Rasters.",
        "scenario": "Szenario, das das Raster zeigt.",
        "left": "Datensatz der linken Seite; seine Zeilen und Geometrien bleiben.",
        "right": "Datensatz der rechten Seite; seine Werte kommen dazu.",
        "on": "Felder, die gleich sein müssen.",
        "join": "Art der Verknüpfung.",
        "unmatched_left": "keep: eine Zeile ohne Gegenstück bleibt; drop: sie fällt weg. Gezählt wird sie immer.",
        "live": "Ob die Verknüpfung bei jeder Abfrage neu entsteht.",
    },
    "Temporal": {"instant": "Feld mit dem Zeitpunkt.", "start": "Feld mit dem Beginn.", "end": "Feld mit dem Ende."},
    "Text": {"de": "Deutsch.", "en": "Englisch."},
    "Tiles": {
        "zoom": "Kleinste und größte Zoomstufe.",
        "fields": 'Je Zoombedingung, etwa "<14", die Felder, die eine Kachel enthält; sonst alle.',
    },
}


def contract_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a dataset's file."""
    schema = Contract.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = schema.pop("$defs")
    _describe("Contract", schema)
    for name, definition in definitions.items():
        _describe(name, definition)
    schema["properties"]["licence"] = {**_without_type(schema["properties"]["licence"]), "enum": [*LICENCES, None]}
    for owner, name in ((definitions["Field"], "grounds"), (definitions["Protection"], "grounds")):
        owner["properties"][name]["items"]["description"] = " ".join(
            f"{question.ground}: {question.name.de} – {question.question.de}" for question in QUESTIONS
        )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stadtgrund-Vertrag eines Datensatzes",
        **schema,
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """Return the schema as the text that is committed."""
    return json.dumps(contract_schema(), ensure_ascii=False, indent=2) + "\n"


def _describe(name: str, definition: dict[str, Any]) -> None:
    """Replace the English docstrings, which are for developers, and drop the titles that pydantic makes of names."""
    definition.pop("title", None)
    definition["description"] = _MODELS[name]
    for key, value in definition.get("properties", {}).items():
        value.pop("title", None)
        value["description"] = _PROPERTIES[name][key]


def _without_type(definition: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key not in ("anyOf", "type")}
