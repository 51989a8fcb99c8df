"""Texts in German, by the English text in the templates and in pygeoapi's links."""

from __future__ import annotations

__all__ = ["GERMAN"]

GERMAN: dict[str, str] = {
    "A day, an instant or an interval: 2024-05-01/..": "Ein Tag, ein Zeitpunkt oder ein Zeitraum: 2024-05-01/..",
    "About the data": "Über die Daten",
    "Access": "Zugang",
    "Add all datasets to your project as layers: features to query and to style, and vector tiles for fast maps.": (
        "Alle Datensätze als Layer ins Projekt holen: Objekte zum Abfragen und Gestalten, Vektorkacheln für schnelle Karten."
    ),
    "All datasets": "Alle Datensätze",
    "All paths and parameters": "Alle Pfade und Parameter",
    "As of": "Stand",
    "Attribute": "Attribut",
    "Attributes": "Attribute",
    "Attribution": "Namensnennung",
    "Breadcrumb": "Brotkrumen",
    "CQL2, for example": "CQL2, zum Beispiel",
    "Conformance": "Konformität",
    "Coordinates of the answer: CRS84 unless told; the dataset's page lists the others.": (
        "Koordinaten der Antwort: CRS84, wenn nichts gesagt ist; die Seite des Datensatzes nennt die anderen."
    ),
    "Data as of": "Stand der Daten",
    "Dataset": "Datensatz",
    "Datasets": "Datensätze",
    "Description": "Beschreibung",
    "Extent": "Ausdehnung",
    "Features": "Objekte",
    "Features a page: 1000 unless told, 10000 at most. Follow the link rel=next for the next page.": (
        "Objekte je Seite: 1000, wenn nichts gesagt ist, höchstens 10000. Zur nächsten Seite führt der Link rel=next."
    ),
    "Fetch GeoJSON and vector tiles over a standard interface: OGC API Features and Tiles, with filters, paging and OpenAPI.": (
        "GeoJSON und Vektorkacheln über eine Standardschnittstelle holen: OGC API Features und Tiles, mit Filtern, Blättern und OpenAPI."
    ),
    "First steps": "Erste Schritte",
    "Home": "Start",
    "How to use it": "So benutzen Sie die Daten",
    "I develop": "Ich entwickle",
    "I plan a project": "Ich plane ein Vorhaben",
    "I work with QGIS": "Ich arbeite mit QGIS",
    "Join": "Verknüpfung",
    "Keywords": "Schlagwörter",
    "Kind": "Art",
    "Layer › Add layer › Raster layer, source type Protocol: HTTP(S), with this address:": (
        "Layer › Layer hinzufügen › Rasterlayer, Quelltyp „Protokoll: HTTP(S)“, mit dieser Adresse:"
    ),
    "Layer › Add layer › WFS / OGC API Features, new connection with this address:": (
        "Layer › Layer hinzufügen › WFS / OGC-API-Features, neue Verbindung mit dieser Adresse:"
    ),
    "Layers": "Ebenen",
    "Left side": "Linke Seite",
    "Licence": "Lizenz",
    "Links": "Verweise",
    "Machine-readable entries": "Maschinenlesbare Einstiege",
    "Main": "Hauptmenü",
    "Meaning": "Bedeutung",
    "Name": "Name",
    "Not found": "Nicht gefunden",
    "Nothing is published yet.": "Noch ist nichts veröffentlicht.",
    "OGC API by pygeoapi": "OGC API mit pygeoapi",
    "Only some attributes; no geometry.": "Nur einige Attribute; keine Geometrie.",
    "OpenAPI document": "OpenAPI-Dokument",
    "Pages": "Seiten",
    "Parameter": "Parameter",
    "Parameters": "Parameter",
    "Path": "Pfad",
    "Period": "Zeitraum",
    "Queryables for this collection as HTML": "Abfragbare Attribute als HTML",
    "Queryables for this collection as JSON": "Abfragbare Attribute als JSON",
    "Processes": "Prozesse",
    "Queryables": "Abfragbare Attribute",
    "Remarks": "Bemerkungen",
    "Raster": "Raster",
    "Responsible": "Verantwortlich",
    "See what is known about a place: which datasets there are, how current they are, who answers for them and how to get an extract.": (
        "Sehen, was über einen Ort bekannt ist: welche Datensätze es gibt, wie aktuell sie sind, wer für sie antwortet "
        "und wie Sie an einen Ausschnitt kommen."
    ),
    "Schema of collection in HTML": "Schema als HTML",
    "Schema of collection in JSON": "Schema als JSON",
    "Right side": "Rechte Seite",
    "Show features": "Objekte zeigen",
    "Skip to content": "Zum Inhalt springen",
    "Sortable attributes, - for descending.": "Sortierbare Attribute, mit - davor absteigend.",
    "Sortables": "Sortierbare Attribute",
    "Stored in": "Gespeichert in",
    "The server could not answer": "Der Server konnte nicht antworten",
    "This API conforms to these classes of the OGC standards. A class stands here only when it is tested.": (
        "Diese API erfüllt die folgenden Klassen der OGC-Standards. Eine Klasse steht nur hier, wenn sie geprüft ist."
    ),
    "The OpenAPI definition as HTML": "Die API-Beschreibung zum Lesen",
    "The OpenAPI definition as JSON": "Die API-Beschreibung als OpenAPI-Dokument",
    "The landing page of this server as HTML": "Startseite als HTML",
    "The landing page of this server as JSON": "Startseite als JSON",
    "This document as HTML": "Dieses Dokument als HTML",
    "This document as JSON": "Dieses Dokument als JSON",
    "This page as JSON": "Diese Seite als JSON",
    "This request does not work": "So geht diese Anfrage nicht",
    "Tiles as HTML": "Kacheln als HTML",
    "Tiles as JSON": "Kacheln als JSON",
    "Styles": "Darstellungen",
    "Tile matrix sets": "Kachelschemata",
    "Tiles": "Kacheln",
    "Title": "Titel",
    "To QGIS": "Zu QGIS",
    "To planning": "Zur Planung",
    "To the API": "Zur API",
    "Type": "Typ",
    "Unit": "Einheit",
    "Value": "Wert",
    "Values": "Werte",
    "Version": "Version",
    "What meets a box, degrees of longitude and latitude unless bbox-crs says otherwise.": (
        "Was ein Rechteck berührt, in Grad Länge und Breite, wenn bbox-crs nichts anderes sagt."
    ),
    "What requests can say": "Was Anfragen sagen können",
    "Zoom levels": "Zoomstufen",
    "a grid of values as Cloud Optimized GeoTIFF; clients read only the part that they need": (
        "ein Gitter von Werten als Cloud Optimized GeoTIFF; Programme lesen nur den Teil, den sie brauchen"
    ),
    "features": "Objekte",
    "in a box, coordinates in UTM": "in einem Rechteck, Koordinaten in UTM",
    "matched": "zugeordnet",
    "no": "nein",
    "of": "von",
    "published": "veröffentlicht",
    "the first ten features": "die ersten zehn Objekte",
    "to read": "zum Lesen",
    "transformed, accuracy": "transformiert, Genauigkeit",
    "which datasets there are": "welche Datensätze es gibt",
    "without a partner": "ohne Gegenstück",
    "yes": "ja",
}
