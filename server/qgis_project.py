"""A profile's collections as a QGIS project (.qgz): groups, German aliases, styles, project CRS = storage CRS.

The layers are OGC API - Features (provider OAPIF). A key is never written into the file: an authcfg id names the entry of the
user's own QGIS authentication database. Readable from QGIS 3.22 on.
"""

from __future__ import annotations

__all__ = ["aliases", "project"]

import io
import zipfile
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

import pyproj

from stadtgrund.catalog import styles
from stadtgrund.catalog.collection import Collection
from stadtgrund.catalog.contract import Text

_GEOMETRY = {
    "Point": "Point",
    "MultiPoint": "Point",
    "LineString": "Line",
    "MultiLineString": "Line",
    "Polygon": "Polygon",
    "MultiPolygon": "Polygon",
}
_WKB = {
    "Point": "Point",
    "MultiPoint": "MultiPoint",
    "LineString": "LineString",
    "MultiLineString": "MultiLineString",
    "Polygon": "Polygon",
}
_RANK = {"Point": 0, "Line": 1, "Polygon": 2}
_SWITCHED_OFF_ABOVE = 50_000
"""Rows above which a layer starts switched off: opening a project must not fetch a city's parcels."""


def project(
    title: str,
    collections: Sequence[Collection],
    url: str,
    *,
    srid: int,
    authcfg: str | None = None,
    order: Sequence[str] = (),
    shown: Sequence[str] = (),
) -> bytes:
    """Return the .qgz of `collections`, which are served at `url`.

    Parameters
    ----------
    srid : int
        The deployment's storage CRS.
    authcfg : str, optional
        Seven characters: id of the QGIS authentication configuration that holds the key.
    order : sequence of str
        Ids in the order in which they are drawn, the first on top; others follow by geometry type.
    shown : sequence of str
        Ids of the layers that are switched on; none named = all that are not too large.
    """
    places = {name: place for place, name in enumerate(order)}
    listed = sorted((c for c in collections if c.items), key=lambda c: (places.get(c.id, len(places)), *_rank(c)))
    root = ElementTree.Element("qgis", projectname=title, version="3.22.0-Białowieża")
    ElementTree.SubElement(root, "title").text = title
    _crs(ElementTree.SubElement(root, "projectCrs"), srid)
    # Without this property QGIS does not look at the project's CRS at all.
    projections = ElementTree.SubElement(ElementTree.SubElement(root, "properties"), "SpatialRefSys")
    ElementTree.SubElement(projections, "ProjectionsEnabled", type="int").text = "1"
    tree = ElementTree.SubElement(root, "layer-tree-group")
    layers = ElementTree.SubElement(root, "projectlayers")
    drawing = ElementTree.SubElement(root, "layerorder")
    groups: dict[str, ElementTree.Element] = {}
    for collection in listed:
        theme = collection.keywords[0] if collection.keywords else "Weitere"
        if theme not in groups:
            groups[theme] = ElementTree.SubElement(tree, "layer-tree-group", name=theme, checked="Qt::Checked", expanded="1")
        source = _source(collection, url, authcfg)
        layer_id = f"{collection.id}_stadtgrund"
        ElementTree.SubElement(
            groups[theme],
            "layer-tree-layer",
            id=layer_id,
            name=collection.title.de,
            source=source,
            providerKey="OAPIF",
            checked="Qt::Checked" if _is_on(collection, shown) else "Qt::Unchecked",
            expanded="0",
        )
        layers.append(_layer(collection, layer_id, source))
        ElementTree.SubElement(drawing, "layer", id=layer_id)
    # The groups are themes, so the tree alone cannot say what lies above what.
    drawn = ElementTree.SubElement(tree, "custom-order", enabled="1")
    for collection in listed:
        ElementTree.SubElement(drawn, "item").text = f"{collection.id}_stadtgrund"
    _canvas(root, listed, srid)
    document = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ElementTree.tostring(root, encoding="unicode")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        entry = zipfile.ZipInfo("stadtgrund.qgs", (2000, 1, 1, 0, 0, 0))
        # It says by itself how it is packed: the archive's own setting does not reach it.
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, document)
    return packed.getvalue()


def _is_on(collection: Collection, shown: Sequence[str]) -> bool:
    if collection.geometry is None:
        return False
    return collection.id in shown if shown else collection.facts.count <= _SWITCHED_OFF_ABOVE


def _rank(collection: Collection) -> tuple[int, int, str]:
    kind = _GEOMETRY.get(collection.geometry.type, "Polygon") if collection.geometry else "Polygon"
    return (1 if collection.geometry is None else 0, _RANK[kind], collection.title.de)


def _source(collection: Collection, url: str, authcfg: str | None) -> str:
    # pagingEnabled must be 'true': 'default' turns paging off in 3.22, and only one page arrives without a word.
    parts = ["pagingEnabled='true'", "restrictToRequestBBOX='1'", "srsname='OGC:CRS84'", f"typename='{collection.id}'", f"url='{url}'"]
    if authcfg:
        parts.append(f"authcfg={authcfg}")
    return " ".join(parts)


def _crs(parent: ElementTree.Element, srid: int | None) -> None:
    # QGIS takes the name only beside a srsid, else the WKT: it gets both.
    name = f"EPSG:{srid}" if srid else "OGC:CRS84"
    system = ElementTree.SubElement(parent, "spatialrefsys")
    ElementTree.SubElement(system, "wkt").text = pyproj.CRS(name).to_wkt()
    ElementTree.SubElement(system, "srsid").text = str(srid or 3452)
    ElementTree.SubElement(system, "authid").text = name


def _layer(collection: Collection, layer_id: str, source: str) -> ElementTree.Element:
    layer = ElementTree.Element("maplayer", type="vector", autoRefreshEnabled="0", refreshOnNotifyEnabled="0")
    if collection.geometry:
        layer.set("geometry", _GEOMETRY.get(collection.geometry.type, "Unknown geometry"))
        layer.set("wkbType", _WKB.get(collection.geometry.type, collection.geometry.type))
    else:
        layer.set("geometry", "No geometry")
    ElementTree.SubElement(layer, "id").text = layer_id
    ElementTree.SubElement(layer, "datasource").text = source
    ElementTree.SubElement(layer, "layername").text = collection.title.de
    ElementTree.SubElement(layer, "abstract").text = collection.description.de
    _crs(ElementTree.SubElement(layer, "srs"), None)
    provider = ElementTree.SubElement(layer, "provider", encoding="UTF-8")
    provider.text = "OAPIF"
    if collection.attribution:
        metadata = ElementTree.SubElement(layer, "resourceMetadata")
        ElementTree.SubElement(metadata, "rights").text = collection.attribution
    if collection.geometry:
        style = collection.style or styles.plain(collection.title, collection.geometry.type)
        nearest = min(rule.zoom for rule in style.rules)
        if nearest:
            # What no rule draws need not be fetched.
            layer.attrib |= {"hasScaleBasedVisibilityFlag": "1", "minScale": str(styles.scale_of(nearest)), "maxScale": "0"}
        layer.extend(list(ElementTree.fromstring(styles.qml(style, collection.geometry.type, aliases(collection)).split("\n", 1)[1])))
    else:
        layer.append(styles.qml_aliases(aliases(collection)))
    return layer


def aliases(collection: Collection) -> dict[str, str]:
    """Return the attributes' German titles with their units, by name."""
    return {field.name: _alias(field.title, field.unit) for field in collection.fields}


def _alias(title: Text, unit: str | None) -> str:
    return f"{title.de} [{unit}]" if unit and unit != "1" else title.de


def _canvas(root: ElementTree.Element, collections: Iterable[Collection], srid: int) -> None:
    boxes = [c.facts.extent.storage for c in collections if c.geometry and c.geometry.srid == srid and c.facts.extent.storage]
    canvas = ElementTree.SubElement(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    ElementTree.SubElement(canvas, "units").text = "meters"
    if boxes:
        sides = {
            "xmin": f"{min(b[0] for b in boxes):.2f}",
            "ymin": f"{min(b[1] for b in boxes):.2f}",
            "xmax": f"{max(b[2] for b in boxes):.2f}",
            "ymax": f"{max(b[3] for b in boxes):.2f}",
        }
        extent = ElementTree.SubElement(canvas, "extent")
        for name, value in sides.items():
            ElementTree.SubElement(extent, name).text = value
        view = ElementTree.SubElement(ElementTree.SubElement(root, "ProjectViewSettings"), "DefaultViewExtent", sides)
        _crs(view, srid)
    _crs(ElementTree.SubElement(canvas, "destinationsrs"), srid)
