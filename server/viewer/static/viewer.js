// The planner's page: map, layers, search, construction sites by date, and the check of a project.

import * as maplibregl from './vendor/maplibre-gl.mjs';
import * as api from './api.js';
import { check, ring } from './check.js';
import { at, attributes, el, fault, put, show } from './dom.js';
import { Sketch } from './draw.js';
import * as layers from './layers.js';
import { search } from './search.js';

maplibregl.setWorkerUrl(new URL('./vendor/maplibre-gl-worker.mjs', import.meta.url).href);

let map = null;
let sketch = null;
let project = null;
let open = null;
let collections = [];
let switchOf = () => null;

let config;
try {
  config = await api.get('/viewer/config.json');
} catch (error) {
  // A key that is no longer valid must not lock the page.
  put('results', fault(error));
  if (!api.hasKey()) throw error;
  api.useKey('');
  config = await api.get('/viewer/config.json');
}
document.title = at('title').textContent = `${config.title}: Planungskarte`;

function bounds(geometry) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  const walk = (c) => {
    if (typeof c[0] === 'number') { box[0] = Math.min(box[0], c[0]); box[1] = Math.min(box[1], c[1]); box[2] = Math.max(box[2], c[0]); box[3] = Math.max(box[3], c[1]); } else c.forEach(walk);
  };
  walk(geometry.coordinates);
  return box;
}

function go(geometry) {
  if (!map || !geometry) return;
  const [x0, y0, x1, y1] = bounds(geometry);
  map.fitBounds([[x0, y0], [x1, y1]], { padding: 60, maxZoom: 18, duration: 0 });
}

async function popup(lngLat, collection, feature) {
  const schema = await layers.schemaOf(collection);
  const title = collections.find((c) => c.id === collection)?.title || collection;
  const body = el('div', { class: 'popup' }, el('h3', {}, title));
  if (config.process && collection === config.works?.collection) {
    body.append(el('button', { type: 'button', onclick: () => run({ baustelle: String(feature.id) }) }, 'Diese Maßnahme prüfen'));
  }
  if (config.process && collection === config.parcels) {
    body.append(el('button', { type: 'button', onclick: () => run({ flurstueck: String(feature.id) }) }, 'Dieses Flurstück prüfen'));
  }
  body.append(attributes(feature.properties, schema));
  open?.remove();
  open = new maplibregl.Popup({ maxWidth: '380px' }).setLngLat(lngLat).setDOMContent(body).addTo(map);
}

async function whole(collection, id) {
  return api.get(`/collections/${encodeURIComponent(collection)}/items/${encodeURIComponent(id)}`);
}

async function clicked(event) {
  if (sketch?.active) return;
  const shown = collections.map((c) => c.id);
  const hit = map.queryRenderedFeatures(event.point).find((f) => shown.includes(f.source));
  if (!hit) return;
  const id = hit.properties.id ?? hit.id;
  try {
    await popup(event.lngLat, hit.source, await whole(hit.source, id));
  } catch (error) {
    put('results', fault(error));
  }
}

async function choose(collection, feature) {
  go(feature.geometry);
  const box = switchOf(collection);
  if (map && box && !box.checked) box.click();
  if (map && feature.geometry) {
    const [x0, y0, x1, y1] = bounds(feature.geometry);
    await popup([(x0 + x1) / 2, (y0 + y1) / 2], collection, feature);
  } else {
    put('results', attributes(feature.properties, await layers.schemaOf(collection)));
  }
}

async function works(event) {
  event?.preventDefault();
  const day = at('day').value;
  const w = config.works;
  try {
    const found = await api.items(w.collection, { datetime: day, limit: 500 });
    const entries = found.features.map((f) => el('li', {}, el('button', { class: 'link', type: 'button', onclick: () => choose(w.collection, f) }, String(f.properties[w.title] ?? f.id))));
    const all = el('button', { class: 'link', type: 'button', onclick: () => { put('works-list'); if (map) layers.narrow(map, w.collection, null); } }, 'Alle Zeiträume zeigen');
    const count = `${found.numberMatched ?? found.features.length} Maßnahmen am ${new Date(day).toLocaleDateString('de-DE')}`;
    put('works-list', el('p', {}, count, ' · ', all), el('ul', { class: 'list' }, entries));
    if (map) {
      const ids = found.features.map((f) => String(f.id));
      layers.narrow(map, w.collection, ['in', ['to-string', ['get', 'id']], ['literal', ids]]);
      const box = switchOf(w.collection);
      if (box && !box.checked) box.click();
    }
  } catch (error) {
    put('works-list', fault(error));
  }
}

async function run(source) {
  const inputs = { ...source, buffer_m: Number(at('buffer').value) };
  if (at('from').value) inputs.from = at('from').value;
  if (at('to').value) inputs.to = at('to').value;
  open?.remove();
  at('run').scrollIntoView();
  const report = await check(config.process, inputs, (hit) => { sketch?.show(report.project.geometry); go(hit.geometry); });
  if (report) {
    sketch?.show(report.project.geometry);
    sketch?.mark(report.rules);
    go(report.project.geometry);
    at('run').scrollIntoView();
  }
}

async function table(id) {
  const [schema, found] = [await layers.schemaOf(id), await api.items(id, { limit: 50 })];
  const names = Object.keys(found.features[0]?.properties || {});
  put('table', el('p', {}, `${found.features.length} von ${found.numberMatched ?? 'mehr'} Einträgen`), el('table', {},
    el('thead', {}, el('tr', {}, names.map((n) => el('th', { scope: 'col' }, schema.properties[n]?.title || n)))),
    el('tbody', {}, found.features.map((f) => el('tr', {}, names.map((n) => el('td', {}, show(f.properties[n], schema.properties[n]))))))));
}

async function withoutMap() {
  at('map').hidden = true;
  at('no-map').hidden = false;
  at('draw').disabled = true;
  document.querySelector('#check details').open = true;
  const pick = at('table-layer');
  pick.replaceChildren(...collections.map((c) => el('option', { value: c.id }, c.title)));
  pick.addEventListener('change', () => table(pick.value).catch((error) => put('table', fault(error))));
  if (collections.length) await table(pick.value);
  layers.switches(collections, [], async (id, on) => { if (on) { pick.value = id; await table(id); } return []; });
}

function hasWebGl() {
  const canvas = document.createElement('canvas');
  return Boolean(canvas.getContext('webgl2') || canvas.getContext('webgl'));
}

async function withMap() {
  map = new maplibregl.Map({
    container: 'map',
    style: { version: 8, sources: {}, layers: [{ id: 'paper', type: 'background', paint: { 'background-color': '#f4f2ec' } }] },
    bounds: config.bounds,
    fitBoundsOptions: { padding: 20 },
    maxZoom: 20,
    attributionControl: { compact: false, customAttribution: config.attribution.replaceAll('&', '&amp;').replaceAll('<', '&lt;') },
    transformRequest: (url) => ({ url, headers: url.startsWith(api.address('/')) ? api.authorisation() : {} }),
  });
  map.addControl(new maplibregl.NavigationControl(), 'top-right');
  map.addControl(new maplibregl.ScaleControl({ unit: 'metric' }), 'bottom-left');
  await new Promise((ready) => map.on('load', ready));
  sketch = new Sketch(map, (geometry) => {
    project = geometry;
    sketch.show(geometry);
    at('corners').value = geometry.coordinates[0].slice(0, -1).map((c) => c.join(' ')).join('\n');
  });
  map.on('click', clicked);
  switchOf = layers.switches(collections, config.shown, async (id, on) => {
    try {
      if (on) return await layers.add(map, id, config.order);
      layers.remove(map, id);
    } catch (error) {
      put('results', fault(error));
    }
    return [];
  });
  window.viewer = { map };
}

at('key').value = '';
at('who').textContent = api.hasKey() ? 'Sicht der Verwaltung' : 'öffentliche Sicht';
at('key-form').addEventListener('submit', (e) => { e.preventDefault(); api.useKey(at('key').value); location.reload(); });
at('search').addEventListener('submit', (e) => { e.preventDefault(); search(at('q').value, config.search, choose, layers.schemaOf); });
at('draw').addEventListener('click', () => sketch?.start());
at('clear').addEventListener('click', () => { sketch?.stop(); sketch?.show(null); sketch?.mark([]); project = null; at('corners').value = ''; put('hits'); put('check-status'); });
at('check').addEventListener('submit', (e) => {
  e.preventDefault();
  try {
    project = { type: 'Polygon', coordinates: [ring(at('corners').value)] };
    run({ geometry: project });
  } catch (error) {
    put('check-status', fault(error));
  }
});

try {
  collections = await layers.list(config.order);
  if (config.works && collections.some((c) => c.id === config.works.collection)) {
    at('works-section').hidden = false;
    at('day').value = new Date().toISOString().slice(0, 10);
    at('works').addEventListener('submit', works);
  }
  if (config.process) at('check-section').hidden = false;
  await (hasWebGl() ? withMap() : withoutMap());
  document.body.dataset.ready = 'true';
} catch (error) {
  if (api.hasKey()) api.useKey('');
  put('results', fault(error));
}
