"""Runs under the distribution's own python3 with python3-qgis: open collections as QGIS does, and render them.

Usage: qgis_probe.py LANDING_PAGE FOLDER COLLECTION...
Writes one line of JSON per collection to stdout: valid, count, geometry, crs, extent, fields, first feature, error; and a PNG into FOLDER
for what has a geometry.
"""

import json
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QSize, QVariant
from qgis.PyQt.QtGui import QColor


def plain(value):
    """Return an attribute as JSON can carry it."""
    if isinstance(value, QVariant) and value.isNull():
        return None
    if hasattr(value, "toString"):
        return value.toString("yyyy-MM-dd")
    return value


def probe(url, folder, name):
    """Open one collection, count it by reading every feature, and draw it."""
    # pagingEnabled must be said: 'default' turns paging off in QGIS 3.22
    layer = QgsVectorLayer(f"url='{url}' typename='{name}' pagingEnabled='true'", name, "OAPIF")
    answer = {"collection": name, "valid": layer.isValid(), "error": "" if layer.error().isEmpty() else layer.error().message()}
    if not layer.isValid():
        return answer
    features = list(layer.getFeatures())
    answer["count"] = len(features)
    answer["ids"] = sorted(str(feature["id"]) if "id" in layer.fields().names() else "" for feature in features)
    answer["fields"] = layer.fields().names()
    answer["first"] = [plain(value) for value in features[0].attributes()] if features else []
    answer["geometry"] = QgsWkbTypes.displayString(layer.wkbType())
    answer["crs"] = layer.crs().authid()
    box = layer.extent()
    answer["extent"] = [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()]
    if layer.isSpatial():
        settings = QgsMapSettings()
        settings.setLayers([layer])
        settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:25832"))
        settings.setOutputSize(QSize(400, 400))
        settings.setBackgroundColor(QColor("white"))
        settings.setExtent(settings.fullExtent())
        job = QgsMapRendererSequentialJob(settings)
        job.start()
        job.waitForFinished()
        image = job.renderedImage()
        image.save(str(Path(folder) / f"{name}.png"))
        colours = {image.pixel(x, y) for x in range(0, 400, 2) for y in range(0, 400, 2)}
        answer["colours"] = len(colours)
        answer["render_errors"] = [error.message for error in job.errors()]
    return answer


def main():
    """Probe every collection named on the command line."""
    url, folder, *names = sys.argv[1:]
    application = QgsApplication([], False)
    application.initQgis()
    for name in names:
        print(json.dumps(probe(url, folder, name), ensure_ascii=False, default=str), flush=True)
    QgsProject.instance().clear()
    application.exitQgis()


if __name__ == "__main__":
    main()
