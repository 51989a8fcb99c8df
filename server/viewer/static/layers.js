// The layers of the API on the map: one vector source a collection, drawn in its own style.

import { address, get } from './api.js';
import { at, el, put } from './dom.js';

const schemas = new Map();
const own = new Map(); // layer id → the filter of its style
const heights = new Map(); // collection id → its height on the map
const narrowed = new Map(); // collection id → a condition on top of that

export async function schemaOf(id) {
  if (!schemas.has(id)) schemas.set(id, get(`/collections/${encodeURIComponent(id)}/schema`, { f: 'json' }).catch(() => ({ properties: {} })));
  return schemas.get(id);
}

export async function list(order) {
  const { collections } = await get('/collections', { f: 'json' });
  const tiled = collections.filter((c) => c.links.some((l) => l.rel?.endsWith('tilesets-vector')));
  const place = (c) => { const i = order.indexOf(c.id); return i < 0 ? order.length : i; };
  return tiled.sort((a, b) => place(a) - place(b));
}

/** Height of a collection on the map, whatever order they are switched on in: as the deployment lists them, the first on top. */
function heightOf(order, id, type) {
  const place = order.indexOf(id);
  if (place >= 0) return order.length - place;
  return type === 'fill' ? 0 : order.length + 1; // what is not listed: areas below all, lines and points above
}

function before(map, height) {
  return map.getStyle().layers.find((l) => l.metadata?.drawn || heights.get(l.source) > height)?.id;
}

export async function add(map, id, order) {
  if (map.getSource(id)) {
    for (const layer of layersOf(map, id)) map.setLayoutProperty(layer.id, 'visibility', 'visible');
    return [];
  }
  const style = await get(`/styles/${encodeURIComponent(id)}`, { f: 'json' });
  if (!map.getSource(id)) {
    // Tiles by the address that this page has: the public one may be another, and the page loads from its own host only.
    const { url, ...source } = style.sources[id];
    map.addSource(id, { ...source, tiles: source.tiles.map((tile) => address(tile.slice(tile.indexOf('/collections/')))) });
    const height = heightOf(order, id, style.layers[0].type);
    heights.set(id, height);
    const above = before(map, height);
    for (const layer of style.layers) {
      own.set(layer.id, layer.filter);
      map.addLayer(layer, above);
    }
    narrow(map, id, narrowed.get(id));
  }
  return style.layers;
}

export function remove(map, id) {
  for (const layer of layersOf(map, id)) map.setLayoutProperty(layer.id, 'visibility', 'none');
}

export function layersOf(map, id) {
  return map.getStyle().layers.filter((layer) => layer.source === id);
}

/** Show of a collection only what fits `condition` too; null shows all of it. It holds for a layer that is switched on later. */
export function narrow(map, id, condition) {
  if (condition) narrowed.set(id, condition);
  else narrowed.delete(id);
  for (const layer of layersOf(map, id)) {
    const filters = [own.get(layer.id), condition].filter(Boolean);
    map.setFilter(layer.id, filters.length > 1 ? ['all', ...filters] : filters[0] ?? null);
  }
}

function swatch(legend) {
  const style = legend.kind === 'line' ? `background:${legend.color}` : `background:${legend.color};border-color:${legend.outline || legend.color}`;
  return el('span', { class: `swatch ${legend.kind}`, style, 'aria-hidden': 'true' });
}

export function legend(layers) {
  const rules = layers.filter((l) => l.metadata?.legend);
  return el('ul', { class: 'legend' }, rules.map((l) => el('li', {}, swatch(l.metadata.legend), l.metadata.title.de)));
}

/** The list of switches; `toggle(id, on)` returns the layers to put in the legend, or nothing. */
export function switches(collections, on, toggle) {
  put('layers', collections.map((c) => {
    const box = el('input', { type: 'checkbox', id: `layer-${c.id}`, checked: on.includes(c.id) });
    const note = el('div');
    const change = async () => {
      box.disabled = true;
      const layers = await toggle(c.id, box.checked);
      note.replaceChildren(...(box.checked && layers?.length ? [legend(layers)] : []));
      box.disabled = false;
    };
    box.addEventListener('change', change);
    if (on.includes(c.id)) change();
    return el('li', {}, el('label', { for: `layer-${c.id}` }, box, c.title), note);
  }));
  return (id) => at(`layer-${id}`);
}
