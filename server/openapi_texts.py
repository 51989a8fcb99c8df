"""The OpenAPI document in German, by the English texts that its building blocks have."""

from __future__ import annotations

__all__ = ["GERMAN", "in_german"]

from typing import Any

from server.params import MAX_LIMIT

GERMAN: dict[str, str] = {
    # Summaries
    "Service": "Dienst",
    "API of a collection, with each of its attributes": "API eines Datensatzes, mit jedem seiner Attribute",
    "Collection": "Datensatz",
    "Collections": "Datensätze",
    "Conformance classes": "Konformitätsklassen",
    "Excerpt": "Auszug",
    "End a job and remove its result": "Einen Auftrag beenden und sein Ergebnis löschen",
    "File": "Datei",
    "How far a job is": "Stand eines Auftrags",
    "Item": "Objekt",
    "Items": "Objekte",
    "Jobs of the caller's key": "Aufträge des eigenen Schlüssels",
    "Landing page": "Startseite",
    "Processes": "Prozesse",
    "Run a process": "Einen Prozess ausführen",
    "Queryables": "Abfragbare Attribute",
    "Sortables": "Sortierbare Attribute",
    "Styles": "Stile",
    "The result of a job": "Das Ergebnis eines Auftrags",
    "This document": "Dieses Dokument",
    "Tile": "Kachel",
    "Tile matrix set": "Kachelmatrixsatz",
    "Tile matrix sets": "Kachelmatrixsätze",
    "Tileset": "Kachelsatz",
    "Tilesets": "Kachelsätze",
    "What a process takes and gives": "Was ein Prozess nimmt und gibt",
    # Processes
    "A job was made.": "Ein Auftrag ist angelegt.",
    "Address of the job.": "Adresse des Auftrags.",
    "Entries a page; more than {limit} counts as {limit}.": "Einträge je Seite; mehr als {limit} gilt als {limit}.",
    "Id of a job.": "Kennung eines Auftrags.",
    "Id of a process.": "Kennung eines Prozesses.",
    "Jobs in one of these states.": "Aufträge in einem dieser Zustände.",
    "Jobs of these processes.": "Aufträge dieser Prozesse.",
    "Jobs that have run for so many seconds at most.": "Aufträge, die höchstens so viele Sekunden liefen.",
    "Jobs that have run for so many seconds.": "Aufträge, die wenigstens so viele Sekunden liefen.",
    "Jobs that were made at this time: an instant, a date or an interval.": (
        "Aufträge, die zu dieser Zeit angelegt wurden: ein Zeitpunkt, ein Tag oder ein Zeitraum."
    ),
    "Entries to skip.": "Einträge, die übersprungen werden.",
    "Kind of job.": "Art des Auftrags.",
    "What the process gives.": "Was der Prozess gibt.",
    "respond-async makes a job: the answer is 201 with its address.": (
        "respond-async macht daraus einen Auftrag: die Antwort ist 201 mit seiner Adresse."
    ),
    # Parameters
    "A CQL2 expression over the queryables.": "Ein CQL2-Ausdruck über die abfragbaren Attribute.",
    "A date, an RFC 3339 instant or an interval of two of them; .. is an open end. One of the two may be a duration (P7D).": (
        "Ein Tag, ein Zeitpunkt nach RFC 3339 oder ein Zeitraum aus zweien; .. ist ein offenes Ende. "
        "Eines von beiden darf eine Dauer sein (P7D)."
    ),
    "Attributes to return; all unless told.": "Attribute der Antwort; ohne Angabe alle.",
    "CRS of bbox; CRS84 unless told.": "CRS von bbox; ohne Angabe CRS84.",
    "CRS of geometries in filter; CRS84 unless told.": "CRS der Geometrien in filter; ohne Angabe CRS84.",
    "CRS of the answer's coordinates; CRS84 unless told, with heights CRS84h.": (
        "CRS der Koordinaten in der Antwort; ohne Angabe CRS84, mit Höhen CRS84h."
    ),
    "Collections that have all words of one of these terms, parted by commas, in title, description, keywords or id.": (
        "Datensätze, die alle Wörter eines dieser Begriffe (durch Kommas getrennt) in Titel, Beschreibung, Schlagwörtern, Kennung haben."
    ),
    "Collections to have as layers, the lowest first: ids or addresses; all unless told.": (
        "Datensätze, die Layer werden, der unterste zuerst: Kennungen oder Adressen; ohne Angabe alle."
    ),
    "Column, counted from the west.": "Spalte, von Westen gezählt.",
    "Features a page; more than {limit} counts as {limit}.": "Objekte je Seite; mehr als {limit} gilt als {limit}.",
    "Features that meet this box: four numbers, or six with heights, in the axis order of bbox-crs. In collections whose features "
    "have heights, those between bottom and top are selected; in the others heights select nothing.": (
        "Objekte, die dieses Rechteck berühren: vier Zahlen, oder sechs mit Höhen, in der Achsenfolge von bbox-crs. In Datensätzen mit "
        "Höhen wählen sie die Objekte zwischen unten und oben aus; in den anderen wählen Höhen nichts aus."
    ),
    "Features to skip. For long walks follow the link rel=next instead.": (
        "So viele Objekte werden übersprungen. Wer alle Seiten holt, folgt besser dem Link rel=next."
    ),
    "Format of the file.": "Format der Datei.",
    "Full text: features that have one of these terms, parted by commas. The words of a term follow each other; the last may be the "
    "beginning of a word. Case, accents, umlauts (ü = ue) and endings make no difference.": (
        "Volltext: Objekte mit einem dieser Begriffe, durch Kommas getrennt. Die Wörter eines Begriffs folgen einander; das letzte darf "
        "ein Wortanfang sein. Groß- und Kleinschreibung, Akzente, Umlaute (ü = ue) und Endungen machen keinen Unterschied."
    ),
    "Id of a collection.": "Kennung eines Datensatzes.",
    "Id of a feature.": "Kennung eines Objekts.",
    "Language of filter.": "Sprache von filter.",
    "Language of titles and texts.": "Sprache der Titel und Texte.",
    "Name of a file, as the collection links it.": "Name einer Datei, wie ihn der Datensatz verlinkt.",
    "Representation of the answer.": "Darstellung der Antwort.",
    "Representation of the answer; without it the Accept header decides.": (
        "Darstellung der Antwort; ohne Angabe entscheidet der Header Accept."
    ),
    "Representation of the tile.": "Darstellung der Kachel.",
    "Row, counted from the north.": "Zeile, von Norden gezählt.",
    "Sortables, each with an optional + or - before it.": "Sortierbare Attribute, jedes mit + oder - davor, wenn gewünscht.",
    "Tile matrix set.": "Kachelmatrixsatz.",
    "Where the page begins, as the link rel=next says it.": "Wo die Seite beginnt, wie es der Link rel=next sagt.",
    "Whether geometries are left out.": "Ob die Geometrien wegbleiben.",
    "Zoom level.": "Zoomstufe.",
    # Responses
    "A key was sent and is not valid.": "Ein Schlüssel wurde gesendet und gilt nicht.",
    "A parameter is unknown or its value is not valid; the answer names what is allowed.": (
        "Ein Parameter ist unbekannt, oder sein Wert gilt nicht; die Antwort nennt, was erlaubt ist."
    ),
    "No representation in a media type that was asked for.": "Keine Darstellung in einem der gewünschten Medientypen.",
    "Nothing is asked for in particular: the file of the whole collection.": (
        "Nach nichts Besonderem wird gefragt: die Datei des ganzen Datensatzes."
    ),
    "Nothing lies in this tile.": "In dieser Kachel liegt nichts.",
    "The answer is over the limit; ask for less.": "Die Antwort ist über der Grenze; fragen Sie nach weniger.",
    "The body did not arrive in time.": "Der Inhalt kam nicht rechtzeitig an.",
    "The body is of a media type that is not read here.": "Der Inhalt hat einen Medientyp, der hier nicht gelesen wird.",
    "The client has the current answer.": "Der Client hat die aktuelle Antwort.",
    "The database is not reachable or took too long; the same request may succeed later.": (
        "Die Datenbank ist nicht erreichbar oder brauchte zu lange; dieselbe Anfrage kann später gelingen."
    ),
    "The file is still being written; after Retry-After seconds the same address has it.": (
        "Die Datei wird noch geschrieben; nach Retry-After Sekunden hat sie dieselbe Adresse."
    ),
    "The range of bytes that was asked for.": "Der Bereich von Bytes, nach dem gefragt wurde.",
    "The server could not answer.": "Der Server konnte nicht antworten.",
    "There is no such thing, or not for this caller.": "Das gibt es nicht, oder nicht für diesen Schlüssel.",
}
GERMAN = {key.format(limit=MAX_LIMIT): text.format(limit=MAX_LIMIT) for key, text in GERMAN.items()}


def in_german(part: Any) -> Any:
    """Return a document, or a part of one, with the summaries and descriptions that have a German text in German."""
    if isinstance(part, dict):
        return {
            key: GERMAN.get(value, value) if key in ("summary", "description") and isinstance(value, str) else in_german(value)
            for key, value in part.items()
        }
    return [in_german(each) for each in part] if isinstance(part, list) else part
