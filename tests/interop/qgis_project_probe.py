"""Runs under the distribution's own python3 with python3-qgis: open an exported project as QGIS does, and draw it.

Usage: qgis_project_probe.py PROJECT.qgz PICTURE.png WIDTH HEIGHT [XMIN YMIN XMAX YMAX]
Writes one JSON document to stdout: title, crs, groups, and of each layer validity, count, renderer, rules, aliases; draws what is switched
on, in the box (project CRS) or the project's own view.
"""

import json
import sys

from qgis.core import (
    QgsApplication,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def described(layer, group):
    """Return what QGIS made of a layer; it is counted by reading every feature."""
    answer = {
        "name": layer.name(),
        "group": group,
        "valid": layer.isValid(),
        "error": "" if layer.error().isEmpty() else layer.error().message(),
        "source": layer.source(),
        "crs": layer.crs().authid(),
    }
    if not layer.isValid():
        return answer
    answer["count"] = sum(1 for _ in layer.getFeatures())
    answer["geometry"] = QgsWkbTypes.displayString(layer.wkbType())
    answer["aliases"] = {field.name(): field.alias() for field in layer.fields()}
    if layer.isSpatial():
        renderer = layer.renderer()
        answer["renderer"] = renderer.type()
        rules = renderer.rootRule().children() if renderer.type() == "RuleRenderer" else []
        answer["rules"] = [{"label": r.label(), "filter": r.filterExpression(), "color": r.symbol().color().name()} for r in rules]
        answer["faults"] = [r.label() for r in rules if r.filter() and r.filter().hasParserError()]
        answer["labelled"] = layer.labeling() is not None
    return answer


def main():
    """Open, describe, draw."""
    path, picture, width, height, *box = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    project = QgsProject.instance()
    assert project.read(path), project.error()
    root = project.layerTreeRoot()
    layers = [described(node.layer(), node.parent().name()) for node in root.findLayers()]
    view = project.viewSettings().defaultViewExtent()
    settings = QgsMapSettings()
    settings.setDestinationCrs(project.crs())
    settings.setLayers([layer for layer in root.layerOrder() if root.findLayer(layer.id()).isVisible()])
    settings.setOutputSize(QSize(int(width), int(height)))
    settings.setBackgroundColor(QColor("#f4f2ec"))
    settings.setExtent(QgsRectangle(*map(float, box)) if box else QgsReferencedRectangle(view))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(picture)
    colours = {image.pixel(x, y) for x in range(0, int(width), 2) for y in range(0, int(height), 2)}
    print(
        json.dumps(
            {
                "title": project.title(),
                "crs": project.crs().authid(),
                "groups": [group.name() for group in root.findGroups()],
                "view": [view.xMinimum(), view.yMinimum(), view.xMaximum(), view.yMaximum()],
                "layers": layers,
                "colours": len(colours),
                "render_errors": [error.message for error in job.errors()],
            },
            ensure_ascii=False,
        )
    )
    project.clear()
    application.exitQgis()


if __name__ == "__main__":
    main()
