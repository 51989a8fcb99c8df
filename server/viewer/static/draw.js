// Drawing one polygon: click sets a corner, double click or Enter closes, Escape discards.

const COLOURS = { Konflikt: '#b3261e', Synergie: '#1b7a3d', Auflage: '#a15c00', Hinweis: '#0b5c8a' };
const EMPTY = { type: 'FeatureCollection', features: [] };

export class Sketch {
  constructor(map, done) {
    this.map = map;
    this.done = done;
    this.corners = [];
    this.active = false;
    map.addSource('sketch', { type: 'geojson', data: EMPTY });
    map.addSource('project', { type: 'geojson', data: EMPTY });
    const metadata = { drawn: true };
    map.addLayer({ id: 'project-fill', type: 'fill', source: 'project', metadata, paint: { 'fill-color': '#f0a500', 'fill-opacity': 0.25 } });
    map.addLayer({ id: 'project-line', type: 'line', source: 'project', metadata, paint: { 'line-color': '#b35c00', 'line-width': 3 } });
    map.addLayer({ id: 'project-point', type: 'circle', source: 'project', metadata, filter: ['==', ['geometry-type'], 'Point'],
      paint: { 'circle-color': '#f0a500', 'circle-radius': 8, 'circle-stroke-color': '#7a3f00', 'circle-stroke-width': 2 } });
    map.addSource('hits', { type: 'geojson', data: EMPTY });
    const colour = ['match', ['get', 'class'], ...Object.entries(COLOURS).flat(), '#5d6b78'];
    map.addLayer({ id: 'hits-line', type: 'line', source: 'hits', metadata, paint: { 'line-color': colour, 'line-width': 3 } });
    map.addLayer({ id: 'hits-point', type: 'circle', source: 'hits', metadata, filter: ['==', ['geometry-type'], 'Point'],
      paint: { 'circle-color': colour, 'circle-radius': 5, 'circle-stroke-color': '#ffffff', 'circle-stroke-width': 1.5 } });
    map.addLayer({ id: 'sketch-line', type: 'line', source: 'sketch', metadata, paint: { 'line-color': '#b35c00', 'line-width': 2, 'line-dasharray': [2, 1] } });
    map.on('click', (e) => this.active && this.corner(e.lngLat));
    map.on('dblclick', (e) => { if (this.active) { e.preventDefault(); this.close(); } });
    map.getCanvas().addEventListener('keydown', (e) => {
      if (this.active && e.key === 'Enter') this.close();
      if (this.active && e.key === 'Escape') this.stop();
    });
  }

  start() {
    this.corners = [];
    this.active = true;
    this.map.doubleClickZoom.disable();
    this.map.getCanvas().style.cursor = 'crosshair';
  }

  stop() {
    this.active = false;
    this.corners = [];
    this.map.getSource('sketch').setData(EMPTY);
    this.map.getCanvas().style.cursor = '';
    setTimeout(() => this.map.doubleClickZoom.enable(), 300);
  }

  corner(at) {
    const last = this.corners.at(-1);
    if (last && Math.abs(last[0] - at.lng) < 1e-9 && Math.abs(last[1] - at.lat) < 1e-9) return;
    this.corners.push([Number(at.lng.toFixed(7)), Number(at.lat.toFixed(7))]);
    this.map.getSource('sketch').setData({ type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates: this.corners } });
  }

  close() {
    const corners = this.corners;
    if (corners.length < 3) return;
    this.stop();
    this.done({ type: 'Polygon', coordinates: [[...corners, corners[0]]] });
  }

  /** Outline what a check found, in the colours of its classes. */
  mark(rules) {
    const features = rules.flatMap((rule) => rule.hits.filter((hit) => hit.geometry)
      .map((hit) => ({ type: 'Feature', properties: { class: rule.class }, geometry: hit.geometry })));
    this.map.getSource('hits').setData({ type: 'FeatureCollection', features });
  }

  show(geometry) {
    this.map.getSource('project').setData(geometry ? { type: 'Feature', properties: {}, geometry } : EMPTY);
  }
}
