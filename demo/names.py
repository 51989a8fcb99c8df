"""Names of streets, areas and people as a German town has them; all combinations are invented."""

from __future__ import annotations

__all__ = ["DISTRICTS", "FIRST_NAMES", "LAST_NAMES", "QUARTERS", "TREES", "street_names"]

from itertools import chain, product
from typing import Final

import numpy as np

_TREES = (
    "Ahorn Birken Buchen Eichen Erlen Eschen Fichten Föhren Hasel Holunder Kastanien Kiefern Lärchen Linden Pappel Platanen Rüster "
    "Schlehen Tannen Ulmen Wacholder Weiden Weißdorn Zedern Kirsch Birn Apfel Mirabellen Nuss Quitten Ginster Efeu Farn Heide"
)
_FLOWERS = (
    "Akelei Anemonen Astern Dahlien Distel Enzian Fingerhut Flieder Geranien Iris Jasmin Kamillen Klee Krokus Lavendel Lilien "
    "Lupinen Malven Margeriten Mohn Narzissen Nelken Primel Rosen Salbei Schlüsselblumen Tulpen Veilchen Wicken Zinnien"
)
_ANIMALS = (
    "Amsel Bussard Dachs Drossel Elster Falken Finken Fuchs Habicht Hasen Hirsch Igel Kiebitz Kranich Kuckuck Lerchen Meisen Milan "
    "Nachtigallen Otter Reh Reiher Rotkehlchen Schwalben Specht Sperber Star Storchen Wachtel Zaunkönig Zeisig"
)
_PEOPLE = (
    "Bach Beethoven Brahms Bruckner Haydn Händel Mozart Schubert Schumann Telemann Wagner Weber Goethe Schiller Lessing Heine "
    "Hölderlin Eichendorff Mörike Fontane Keller Kleist Lenau Rilke Storm Uhland Wieland Kant Hegel Leibniz Fichte Humboldt Planck "
    "Röntgen Siemens Liebig Bunsen Gauß Kepler Kopernikus Mendel Virchow Koch Behring Daimler Benz Diesel Zeppelin Dürer Cranach "
    "Holbein Grünewald Menzel Liebermann Marc Macke Nolde Stein Hardenberg Blücher Scharnhorst Gutenberg Melanchthon Hutten "
    "Sickingen Raiffeisen Pestalozzi Fröbel Kolping Ketteler Bebel Lassalle Ebert Rathenau Stresemann Erzberger Naumann Droste "
    "Günderrode"
)
_COUPLES = (
    "Clara-Schumann Sophie-Scholl Käthe-Kollwitz Anne-Frank Geschwister-Scholl Albert-Einstein Robert-Koch Otto-Hahn Lise-Meitner "
    "Marie-Curie Hannah-Arendt Thomas-Mann Bertolt-Brecht Max-Planck Carl-Benz Rosa-Luxemburg Willy-Brandt Konrad-Adenauer Theodor- "
    "Heuss Elly-Heuss Dietrich-Bonhoeffer Edith-Stein Albert-Schweitzer Bettina-von-Arnim Annette-von-Droste Ricarda-Huch Paul-Klee "
    "Otto-Dix Ernst-Barlach Friedrich-Ebert Gustav-Heinemann Nelly-Sachs"
)
_TOWNS = (
    "Mainz Worms Speyer Koblenz Trier Bremen Hamburg Berlin Dresden Leipzig Erfurt Weimar Kassel Fulda Gießen Marburg Köln Bonn "
    "Aachen Münster Osnabrück Augsburg Ulm Stuttgart Nürnberg Würzburg Bamberg Passau Regensburg Landau Pirmasens Zweibrücken Metz "
    "Straßburg Colmar Basel Breslau Danzig Stettin Königsberg Görlitz Rostock Wismar Lübeck Kiel Flensburg Goslar Celle"
)
_FIELDS = (
    "Acker Anger Bruch Bühl Dorfacker Eck Eichwald Erlengrund Feldrain Flur Galgenberg Gründel Grund Hang Hasenbühl Hochgericht "
    "Hölzchen Kapellenberg Kirschgarten Klostergut Krautacker Kreuz Kühlen Grund Lehmberg Mühlgraben Neuberg Oberfeld Ochsenrain "
    "Pfarracker Rebstock Rosengarten Rothenbusch Schäferbrunnen Schlossgarten Schützenrain Sonnenhang Steinbruch Tiefental "
    "Unterfeld Vogelsang Wasserturm Weinberg Weiher Wiesengrund Wingert Ziegelofen Zollstock"
)
_LANES = (
    "Bäcker Böttcher Färber Fischer Gerber Glocken Goldschmied Hafner Hirten Hopfen Juden Kapuziner Kessler Kirch Kloster Kloben "
    "Krämer Küfer Kupfer Leder Mauer Metzger Mühl Münz Nonnen Pfarr Rathaus Ritter Sattler Schild Schloss Schlosser Schmied "
    "Schneider Schul Schuster Seiler Spital Spitz Töpfer Tor Turm Zeughaus Zimmer Zwinger Brunnen Büttel"
)

DISTRICTS: Final = {"01": "Innenstadt", "02": "Nord", "03": "Ost", "04": "Süd", "05": "West", "06": "Höhendörfer", "07": "Auendörfer"}
# key → name, angle in degrees, distance from the market square as a share of the main settlement's radius
QUARTERS: Final[dict[str, tuple[str, float, float]]] = {
    "011": ("Altstadt", 0, 0.0),
    "012": ("Neustadt", 60, 0.36),
    "013": ("Bahnhofsviertel", 150, 0.36),
    "014": ("Mühlenviertel", 235, 0.38),
    "015": ("Gerbervorstadt", 320, 0.38),
    "021": ("Weinberg", 75, 0.72),
    "022": ("Nordstadt", 108, 0.72),
    "023": ("Kieferndell", 74, 1.16),
    "024": ("Stadtwald", 128, 1.35),
    "031": ("Oststadt", 5, 0.68),
    "032": ("Lerchenfeld", 36, 0.78),
    "033": ("Gewerbepark Ost", -20, 0.88),
    "041": ("Südstadt", 262, 0.75),
    "042": ("Schäferbrunnen", 295, 0.78),
    "043": ("Rosengarten", 280, 1.1),
    "051": ("Weststadt", 172, 0.7),
    "052": ("Hasenbühl", 148, 0.82),
    "053": ("Ziegelhütte", 212, 0.76),
    "061": ("Oberau", 50, 1.27),
    "062": ("Großhöhen", 97, 1.26),
    "063": ("Kleinhöhen", 168, 1.32),
    "071": ("Wiesental", 218, 1.28),
    "072": ("Brückendorf", 326, 1.3),
}
TREES: Final = [
    ("Acer platanoides", "Spitzahorn", 12),
    ("Tilia cordata", "Winterlinde", 14),
    ("Quercus robur", "Stieleiche", 16),
    ("Platanus × hispanica", "Ahornblättrige Platane", 18),
    ("Aesculus hippocastanum", "Gewöhnliche Rosskastanie", 15),
    ("Carpinus betulus", "Hainbuche", 9),
    ("Fraxinus excelsior", "Gemeine Esche", 14),
    ("Betula pendula", "Hänge-Birke", 8),
    ("Robinia pseudoacacia", "Robinie", 11),
    ("Prunus avium", "Vogelkirsche", 9),
    ("Sorbus aria", "Mehlbeere", 6),
    ("Ginkgo biloba", "Ginkgo", 7),
    ("Fagus sylvatica", "Rotbuche", 17),
    ("Populus nigra 'Italica'", "Säulenpappel", 5),
    ("Pyrus calleryana", "Chinesische Wildbirne", 6),
    ("Salix alba", "Silberweide", 15),
]
_LAST_NAMES = (
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder "
    "Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Krause Meier Lehmann Köhler Öztürk Yılmaz Nowak "
    "Kowalski Rossi Petrović"
)
LAST_NAMES: Final = tuple(_LAST_NAMES.split())
_FIRST_NAMES = (
    "Anna Ben Clara David Emma Felix Greta Hannes Ida Jonas Katrin Lukas Marie Noah Olga Paul Rosa Simon Tilda Uwe Vera Wilhelm "
    "Jürgen Günther Müge Łukasz"
)
FIRST_NAMES: Final = tuple(_FIRST_NAMES.split())


def street_names(kinds: list[str], rng: np.random.Generator) -> list[str]:
    """Return one name per street, none twice; `kinds` are the streets' classes, which colour the choice."""
    trees, flowers, animals, people, couples, towns, fields, lanes = (
        text.split() for text in (_TREES, _FLOWERS, _ANIMALS, _PEOPLE, _COUPLES, _TOWNS, _FIELDS, _LANES)
    )
    fields = [word for word in fields if word not in ("Kühlen", "Grund")]
    pools = {
        "Hauptverkehrsstraße": [*(f"{_demonym(t)} Straße" for t in towns), *(f"{c}-Straße" for c in couples)],
        "Sammelstraße": [f"{p}{s}" for s, p in product(("straße", "allee"), people)],
        "Altstadtgasse": [f"{w}{s}" for s, w in product(("gasse", "straße", "winkel", "steg"), lanes)],
    }
    nature = [*trees, *flowers, *animals]
    homes = [
        *(
            f"{w}{s}"
            for s, w in product(("weg", "straße", "pfad", "ring", "steig", "hain", "hof", "grund", "blick", "gasse", "winkel"), nature)
        ),
        *(f"{c}-Weg" for c in couples),
        *(f"{p}{s}" for s, p in product(("weg", "ring", "platz"), people)),
        *(f"{a} {f}" for a, f in product(("Am", "Im", "Hinterm", "Beim"), fields)),
    ]
    order = {kind: iter(_shuffled(pool, rng)) for kind, pool in pools.items()}
    rest = iter(_shuffled(homes, rng))
    names, track = [], 0
    for kind in kinds:
        if kind == "Wirtschaftsweg":
            track += 1
            names.append(f"Wirtschaftsweg {track}")
        else:
            names.append(next(chain(order.get(kind, iter(())), rest)))
    return names


def _demonym(town: str) -> str:
    special = {"Bremen": "Bremer", "Dresden": "Dresdener", "Münster": "Münsterer", "Gießen": "Gießener", "Zweibrücken": "Zweibrücker"}
    return special.get(town, town + ("r" if town.endswith("e") else "er"))


def _shuffled(pool: list[str], rng: np.random.Generator) -> list[str]:
    # the first suffixes are the most common ones: shuffle in slices, so that they stay in front
    size = max(1, len(pool) // 3)
    return [pool[start + i] for start in range(0, len(pool), size) for i in rng.permutation(len(pool[start : start + size]))]
