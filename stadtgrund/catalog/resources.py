"""A contract reduced to what one form shows, and that as a resource of pygeoapi."""

from __future__ import annotations

__all__ = ["FEATURES", "TILES", "collection", "placeholder", "resource"]

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from stadtgrund.catalog.access import FormSpec
from stadtgrund.catalog.collection import Collection, CollectionField, CollectionGeometry, Extent, Facts, JoinFacts
from stadtgrund.catalog.contract import API_PARAMETERS, RESERVED_COLUMNS, Contract, Field, Temporal, Text, Tiles
from stadtgrund.catalog.licences import LICENCES
from stadtgrund.catalog.registry import Deployment
from stadtgrund.catalog.search import searched
from stadtgrund.catalog.styles import Style
from stadtgrund.crs import CRS84_URI, storage, supported

FEATURES = "providers.features.PostGISFeatures"
"""Name of the feature plugin, as pygeoapi imports it."""
TILES = "providers.tiles.PostGISTiles"
"""Name of the tile plugin."""

_WORLD = (-180.0, -90.0, 180.0, 90.0)
_STATUS = {
    "ok": Text(de="Der Wert liegt vor.", en="The value is given."),
    "suppressed": Text(
        de="Der Wert ist geheim, weil die Fallzahl zu klein ist.", en="The value is suppressed because the count is too small."
    ),
    "missing": Text(de="Es gibt keinen Wert.", en="There is no value."),
}


def placeholder() -> Facts:
    """Return facts of a version that is not known: for `stadtgrund render`, which asks no database."""
    return Facts(version=0, published=datetime(1970, 1, 1, tzinfo=UTC), count=0)


def collection(contract: Contract, deployment: Deployment, spec: FormSpec, reason: Text, facts: Facts) -> Collection:
    """Return what a profile knows of the dataset in this form; nothing that the form does not show is in it."""
    fields = tuple(_fields(contract, spec))
    shown = {field.name for field in fields}
    geometry = _geometry(contract, spec)
    temporal = _temporal(contract, shown)
    licence = LICENCES.get(contract.licence or "")
    id_column = contract.id_field.column if contract.id_field and contract.id_field.kind == "column" else None
    roles = contract.responsibility
    return Collection(
        id=contract.id,
        form=spec.name,
        title=contract.title,
        description=contract.description,
        keywords=contract.keywords,
        identifiers=contract.identifiers,
        owner=roles.owner,
        contact=roles.contact,
        licence_title=licence.title if licence else None,
        licence_url=licence.url if licence else None,
        attribution=contract.attribution,
        access=reason,
        rhythm=contract.source.rhythm,
        fields=fields,
        id_type="integer" if id_column and contract.field(id_column).type == "integer" else "string",
        id_field=id_column if id_column in shown else None,
        geometry=geometry,
        temporal=temporal,
        sortables=tuple(name for name in contract.sortables if name in shown),
        search=searched(contract, spec.fields),
        items=contract.publish.items and not contract.is_raster,
        tiles=_tiles(contract, spec, shown) if geometry else None,
        style=_style(contract, deployment, shown),
        raster=contract.is_raster,
        city84=deployment.box84,
        facts=_facts(contract, spec, facts, with_boxes=contract.is_raster or geometry is not None, with_times=temporal is not None),
    )


def _style(contract: Contract, deployment: Deployment, shown: set[str]) -> Style | None:
    """Return the dataset's style; None where it has none, or draws by a field that the form does not show."""
    style = deployment.styles.get(contract.publish.style or "")
    if style is None or (style.field and style.field not in shown):
        return None
    return style if style.label is None or style.label.field in shown else style.model_copy(update={"label": None})


def _fields(contract: Contract, spec: FormSpec) -> Iterator[CollectionField]:
    counted = spec.min_count.fields if spec.min_count else ()
    for name in spec.fields:
        field = contract.field(name)
        protected = name in counted
        yield CollectionField(
            name=name,
            type=field.type,
            title=field.title or Text(de=name),
            description=field.description,
            unit=field.unit,
            values=field.values,
            open_values=field.values is not None and not _refuses_other_values(contract, name),
            nullable=protected or not field.required,
            source=field.source_name if _is_reserved(field.source_name.lower()) else None,
        )
        if protected:
            yield _status(field)


def _is_reserved(name: str) -> bool:
    """Whether no field may be called so."""
    return name in API_PARAMETERS | RESERVED_COLUMNS or name.startswith("sg_")


def _refuses_other_values(contract: Contract, name: str) -> bool:
    """Whether no published row has a value that is not in the field's code list."""
    return any(rule.rule == "codelist" and rule.field == name and rule.on_fail in ("reject", "stop") for rule in contract.quality)


def _status(field: Field) -> CollectionField:
    title = field.title or Text(de=field.name)
    return CollectionField(
        name=f"{field.name}_status",
        type="string",
        title=Text(de=f"{title.de} (Status)", en=f"{title.get('en')} (status)"),
        values=_STATUS,
        nullable=False,
        status_of=field.name,
    )


def _geometry(contract: Contract, spec: FormSpec) -> CollectionGeometry | None:
    if contract.geometry is None or spec.geometry == "none":
        return None
    if spec.geometry == "centroid":
        return CollectionGeometry(type="Point", srid=contract.geometry.srid)
    return CollectionGeometry(type=contract.geometry.type, srid=contract.geometry.srid, dimensions=contract.geometry.dimensions)


def _temporal(contract: Contract, shown: set[str]) -> Temporal | None:
    """Return which fields say when; None when the form hides one of them, as half an interval would tell something else."""
    temporal = contract.temporal
    if temporal is None or not shown.issuperset(filter(None, (temporal.instant, temporal.start, temporal.end))):
        return None
    return temporal


def _tiles(contract: Contract, spec: FormSpec, shown: set[str]) -> Tiles | None:
    tiles = contract.publish.tiles
    if tiles is None:
        return None
    counted = spec.min_count.fields if spec.min_count else ()
    fields = {
        condition: tuple(each for name in names if name in shown for each in ((name, f"{name}_status") if name in counted else (name,)))
        for condition, names in tiles.fields.items()
    }
    return Tiles(zoom=tiles.zoom, fields=fields)


def _facts(contract: Contract, spec: FormSpec, facts: Facts, *, with_boxes: bool, with_times: bool) -> Facts:
    extent = Extent(
        crs84=facts.extent.crs84 if with_boxes else None,
        storage=facts.extent.storage if with_boxes else None,
        begin=facts.extent.begin if with_times else None,
        end=facts.extent.end if with_times else None,
    )
    return facts.model_copy(update={"extent": extent, "join": _join_facts(contract, spec, facts.join)})


def _join_facts(contract: Contract, spec: FormSpec, join: JoinFacts | None) -> JoinFacts | None:
    """Return the counts of a join, with the unmatched keys only where the form shows the key and all rows."""
    if join is None:
        return None
    origins = {contract.field(name).source_name for name in spec.fields}
    keys_shown = all(origins & {f"left.{pair.left}", f"right.{pair.right}"} for pair in contract.source.on)
    if keys_shown and spec.where is None:
        return join
    return join.model_copy(update={"left_unmatched_keys": (), "right_unmatched_keys": ()})


def resource(
    collection: Collection,
    base_url: str,
    *,
    profile: str = "open",
    dsn: str = "",
    rendered: bool = False,
) -> dict[str, Any]:
    """Return the collection as a pygeoapi 0.24 resource, valid by its configuration schema.

    Parameters
    ----------
    base_url : str
        Where the API answers, without a slash at its end.
    profile, dsn : str
        What the providers' `data` names: the profile whose views they read, and how its role connects.
    rendered : bool
        True for a committed `pygeoapi.yml` (`stadtgrund render`): extent is the city's box, as the data are not known; `storage_crs` is
        left out, as stock pygeoapi would transform each CRS84 box by its four corners; no identity is asked for. False for our host.
    """
    facts = collection.facts
    box = collection.city84 if rendered else facts.extent.crs84
    extents: dict[str, Any] = {"spatial": {"bbox": [round(x, 7) for x in box or collection.city84 or _WORLD], "crs": CRS84_URI}}
    if not rendered and (facts.extent.begin or facts.extent.end):
        extents["temporal"] = {"begin": _instant(facts.extent.begin), "end": _instant(facts.extent.end)}
    data: dict[str, Any] = {"dsn": dsn, "profile": profile, "collection": collection.id}
    if not rendered:
        data["identity"] = True
    return {
        "type": "collection",
        "title": collection.title.as_l10n(),
        "description": collection.description.as_l10n(),
        "keywords": list(collection.keywords),
        "links": list(_links(collection, base_url)),
        "extents": extents,
        "providers": list(_providers(collection, data, rendered)),
    }


def _instant(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def _links(collection: Collection, base_url: str) -> Iterator[dict[str, str]]:
    if collection.licence_url:
        yield {"type": "text/html", "rel": "license", "title": collection.licence_title or "", "href": collection.licence_url}
    if collection.contact and collection.contact.url:
        yield {"type": "text/html", "rel": "author", "title": collection.contact.organisation, "href": collection.contact.url}
    if collection.geometry:
        yield {
            "type": "application/vnd.mapbox.style+json",
            "rel": "style",
            "title": "MapLibre",
            "href": f"{base_url}/styles/{collection.id}",
        }


def _providers(collection: Collection, data: dict[str, Any], rendered: bool) -> Iterator[dict[str, Any]]:
    if collection.raster:
        return
    geometry = collection.geometry
    common: dict[str, Any] = {"data": data, "id_field": collection.id_field or "sg_id"}
    if collection.temporal:
        common["time_field"] = collection.temporal.instant or collection.temporal.start or collection.temporal.end
    if title := _title_field(collection):
        common["title_field"] = title
    if collection.items:
        uris = [crs.uri for crs in supported(geometry.srid)] if geometry else [CRS84_URI]
        feature = {"type": "feature", "name": FEATURES, **common, "crs": uris}
        if geometry and not rendered:
            feature["storage_crs"] = storage(geometry.srid).uri
        yield feature
    if collection.tiles and geometry:
        low, high = collection.tiles.zoom
        yield {
            "type": "tile",
            "name": TILES,
            **common,
            "options": {"zoom": {"min": low, "max": high}},
            "format": {"name": "pbf", "mimetype": "application/vnd.mapbox-vector-tile"},
        }


def _title_field(collection: Collection) -> str | None:
    """Return the attribute that people would call a feature by."""
    texts = [field.name for field in collection.fields if field.type == "string" and not field.status_of]
    for wanted in ("name", "bezeichnung", "titel"):
        if wanted in texts:
            return wanted
    return next((name for name in texts if name.endswith("name")), collection.id_field)
