"""One style source per theme, and what derives from it: a MapLibre style and a QGIS style (QML).

A style is a list of rules over one attribute, drawn in order; rules do not overlap, and one without a condition takes the rest.
House styles lie in `styles/`, a deployment's own in its folder `styles/`; a dataset without one gets a plain style by geometry type.
Sizes are pixels on screen; colours are #rrggbb.
"""

from __future__ import annotations

__all__ = ["Draw", "Label", "Style", "StyleRule", "maplibre_layers", "plain", "qml", "qml_aliases", "read", "scale_of"]

from pathlib import Path
from typing import Annotated, Any, Literal
from xml.etree import ElementTree

import yaml
from pydantic import ConfigDict, StringConstraints, ValidationError
from pydantic import Field as Attr

from stadtgrund.catalog.contract import GeometryType, Model, Text
from stadtgrund.errors import ContractError, Problem

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]
Kind = Literal["fill", "line", "point"]
_KINDS: dict[str, Kind] = {
    "Point": "point",
    "MultiPoint": "point",
    "LineString": "line",
    "MultiLineString": "line",
    "Polygon": "fill",
    "MultiPolygon": "fill",
    "Geometry": "fill",
}


class Draw(Model):
    """How a feature is drawn: `size_px` is a line's width or a point's diameter."""

    color: Colour
    opacity: Annotated[float, Attr(ge=0, le=1)] = 1.0
    outline: Colour | None = None
    outline_px: Annotated[float, Attr(ge=0, le=20)] = 0.6
    size_px: Annotated[float, Attr(gt=0, le=60)] = 2.0
    dash: tuple[float, float] | None = None


class StyleRule(Model):
    """Which features, from which zoom on, drawn how. Neither `values` nor a range = all that is left."""

    title: Text
    values: tuple[str | int | bool, ...] = ()
    at_least: float | None = None
    below: float | None = None
    zoom: Annotated[int, Attr(ge=0, le=24)] = 0
    draw: Draw

    @property
    def is_rest(self) -> bool:
        """Whether the rule takes every feature that no rule before it took."""
        return not self.values and self.at_least is None and self.below is None


class Label(Model):
    """Text beside a feature; in QGIS only, as the viewer brings no fonts."""

    field: str
    size_pt: float = 8
    zoom: int = 15


class Style(Model):
    """A style: `field` is the attribute that the rules look at. Rules do not overlap; the last may take the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Text
    field: str | None = None
    rules: tuple[StyleRule, ...]
    label: Label | None = None


def read(folders: list[Path]) -> dict[str, Style]:
    """Read `*.yaml` of all folders; a later folder's style replaces an earlier one of the same name.

    Raises
    ------
    ContractError
        Naming file and place of what is wrong.
    """
    styles: dict[str, Style] = {}
    problems: list[Problem] = []
    for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.yaml"))):
        try:
            styles[path.stem] = Style.model_validate(yaml.safe_load(path.read_text("utf-8")))
        except yaml.YAMLError as error:
            problems.append(Problem(str(path), None, "", str(error)))
        except ValidationError as error:
            problems += [Problem(str(path), None, ".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
    if problems:
        raise ContractError(problems)
    return styles


_PLAIN: dict[Kind, Draw] = {
    "fill": Draw(color="#9db7cf", opacity=0.55, outline="#35506b"),
    "line": Draw(color="#35506b", size_px=1.6),
    "point": Draw(color="#c2472d", outline="#ffffff", size_px=7),
}


def plain(title: Text, geometry: GeometryType) -> Style:
    """Return the style of a dataset that states none."""
    return Style(title=title, rules=(StyleRule(title=title, draw=_PLAIN[_KINDS[geometry]]),))


def _condition(style: Style, rule: StyleRule) -> list[Any] | None:
    parts: list[list[Any]] = []
    get = ["get", style.field]
    if rule.values:
        parts.append(["in", ["to-string", get], ["literal", [_as_text(value) for value in rule.values]]])
    if rule.at_least is not None:
        parts.append([">=", ["to-number", get], rule.at_least])
    if rule.below is not None:
        parts.append(["<", ["to-number", get], rule.below])
    if rule.at_least is not None or rule.below is not None:
        parts.insert(0, ["has", style.field])  # what is absent would count as 0
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else ["all", *parts]


def maplibre_layers(style: Style, layer: str, geometry: GeometryType, source: str) -> list[dict[str, Any]]:
    """Return the MapLibre style layers of `style` for the vector source `source`, whose layer is called `layer`.

    Ids are `<layer>-<n>`; `metadata.title` and `metadata.legend` carry what a legend needs.
    """
    kind = _KINDS[geometry]
    taken: list[list[Any]] = []
    layers: list[dict[str, Any]] = []
    for number, rule in enumerate(style.rules):
        condition = _condition(style, rule)
        mine = condition if condition is not None else (["!", ["any", *taken]] if taken else None)
        if condition is not None:
            taken.append(condition)
        entry: dict[str, Any] = {
            "id": f"{layer}-{number}",
            "type": "circle" if kind == "point" else kind,
            "source": source,
            "source-layer": layer,
            "paint": _paint(kind, rule.draw),
            "metadata": {"title": rule.title.as_l10n(), "legend": {"kind": kind, **rule.draw.model_dump(mode="json", exclude_none=True)}},
        }
        if rule.zoom:
            entry["minzoom"] = rule.zoom
        if mine is not None:
            entry["filter"] = mine
        layers.append(entry)
        if kind == "fill" and rule.draw.outline:
            layers.append(
                entry
                | {
                    "id": f"{layer}-{number}-outline",
                    "type": "line",
                    "paint": {"line-color": rule.draw.outline, "line-width": _by_zoom(rule.draw.outline_px)},
                    "metadata": {},
                }
            )
    return layers


def _by_zoom(size_px: float) -> list[Any]:
    """Return a size that is whole from zoom 15 on and 40 % of it up to zoom 11: a city's streets would else be one grey area."""
    return ["interpolate", ["linear"], ["zoom"], 11, round(size_px * 0.4, 2), 15, size_px]


def _paint(kind: Kind, draw: Draw) -> dict[str, Any]:
    if kind == "fill":
        return {"fill-color": draw.color, "fill-opacity": draw.opacity}
    if kind == "line":
        dash = {"line-dasharray": [side / draw.size_px for side in draw.dash]} if draw.dash else {}
        return {"line-color": draw.color, "line-width": _by_zoom(draw.size_px), "line-opacity": draw.opacity, **dash}
    return {
        "circle-color": draw.color,
        "circle-radius": _by_zoom(draw.size_px / 2),
        "circle-opacity": draw.opacity,
        **({"circle-stroke-color": draw.outline, "circle-stroke-width": draw.outline_px} if draw.outline else {}),
    }


def qml(style: Style, geometry: GeometryType, aliases: dict[str, str] | None = None) -> str:
    """Return a QGIS layer style (QML, readable from QGIS 3.22 on); `aliases` maps attribute to German title."""
    kind = _KINDS[geometry]
    root = ElementTree.Element("qgis", version="3.22.0", styleCategories="Symbology|Labeling|Fields|Forms")
    renderer = ElementTree.SubElement(root, "renderer-v2", type="RuleRenderer", symbollevels="0", enableorderby="0", forceraster="0")
    rules = ElementTree.SubElement(renderer, "rules", key="{root}")
    symbols = ElementTree.SubElement(renderer, "symbols")
    for number, rule in enumerate(style.rules):
        attributes = {"key": f"{{rule-{number}}}", "symbol": str(number), "label": rule.title.de}
        filtered = "ELSE" if rule.is_rest and number else _qgis_filter(style, rule)
        if filtered:
            attributes["filter"] = filtered
        if rule.zoom:
            attributes["scalemaxdenom"] = str(scale_of(rule.zoom))
        ElementTree.SubElement(rules, "rule", attributes)
        _symbol(symbols, str(number), kind, rule.draw)
    if style.label:
        _labelling(root, style.label)
    if aliases:
        root.append(qml_aliases(aliases))
    ElementTree.indent(root)
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def qml_aliases(aliases: dict[str, str]) -> ElementTree.Element:
    """Return the part of a QGIS layer style that gives attributes their titles."""
    holder = ElementTree.Element("aliases")
    for index, (field, title) in enumerate(aliases.items()):
        ElementTree.SubElement(holder, "alias", field=field, index=str(index), name=title)
    return holder


def scale_of(zoom: int) -> int:
    """Return the scale denominator of a WebMercatorQuad zoom level at 0.28 mm a pixel (OGC 17-083r4, annex D)."""
    return round(559_082_264.0287178 / (1 << zoom))


def _as_text(value: str | int | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _qgis_filter(style: Style, rule: StyleRule) -> str:
    name = '"' + (style.field or "").replace('"', '""') + '"'
    parts = []
    if rule.values:
        listed = ", ".join("'" + _as_text(value).replace("'", "''") + "'" for value in rule.values)
        parts.append(f"to_string({name}) IN ({listed})")
    if rule.at_least is not None:
        parts.append(f"{name} >= {rule.at_least:g}")
    if rule.below is not None:
        parts.append(f"{name} < {rule.below:g}")
    return " AND ".join(parts)


def _rgba(colour: str, opacity: float = 1.0) -> str:
    return ",".join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5)) + f",{round(opacity * 255)}"


def _symbol(parent: ElementTree.Element, name: str, kind: Kind, draw: Draw) -> None:
    symbol = ElementTree.SubElement(
        parent, "symbol", type={"fill": "fill", "line": "line", "point": "marker"}[kind], name=name, alpha="1", clip_to_extent="1"
    )
    classes = {"fill": "SimpleFill", "line": "SimpleLine", "point": "SimpleMarker"}
    layer = ElementTree.SubElement(symbol, "layer", {"class": classes[kind], "pass": "0", "enabled": "1", "locked": "0"})
    outline = draw.outline or draw.color
    if kind == "line":
        values = {
            "line_color": _rgba(draw.color, draw.opacity),
            "line_width": f"{draw.size_px:g}",
            "line_width_unit": "Pixel",
            "line_style": "solid",
            "capstyle": "round",
            "joinstyle": "round",
        }
        if draw.dash:
            values |= {"use_custom_dash": "1", "customdash": f"{draw.dash[0]:g};{draw.dash[1]:g}", "customdash_unit": "Pixel"}
    else:
        values = {
            "color": _rgba(draw.color, draw.opacity),
            "outline_color": _rgba(outline),
            "outline_width": f"{draw.outline_px:g}",
            "outline_width_unit": "Pixel",
            "outline_style": "solid" if draw.outline else "no",
            "style": "solid",
        }
        if kind == "point":
            values |= {"name": "circle", "size": f"{draw.size_px:g}", "size_unit": "Pixel"}
    options = ElementTree.SubElement(layer, "Option", type="Map")
    for key, value in values.items():
        ElementTree.SubElement(options, "Option", name=key, type="QString", value=value)
        ElementTree.SubElement(layer, "prop", k=key, v=value)


def _labelling(root: ElementTree.Element, label: Label) -> None:
    labelling = ElementTree.SubElement(root, "labeling", type="simple")
    settings = ElementTree.SubElement(labelling, "settings", calloutType="simple")
    ElementTree.SubElement(
        settings,
        "text-style",
        fieldName=label.field,
        isExpression="0",
        fontSize=f"{label.size_pt:g}",
        fontSizeUnit="Point",
        textColor="40,40,40,255",
        textOpacity="1",
    )
    ElementTree.SubElement(
        settings, "rendering", scaleVisibility="1", scaleMax=str(scale_of(label.zoom)), scaleMin="0", drawLabels="1", obstacle="1"
    )
