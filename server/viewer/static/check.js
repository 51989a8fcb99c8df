// "Vorhaben prüfen": runs the process construction_overlay and lists what it found, layer by layer.

import { execute, page } from './api.js';
import { at, el, fault, put } from './dom.js';

const STATES = {
  empty: 'geprüft, nichts gefunden',
  missing: 'Daten liegen nicht vor',
  not_permitted: 'nicht einsehbar; Auskunft gibt',
};
const ORDER = ['Konflikt', 'Synergie', 'Auflage', 'Hinweis', 'Datenlücke'];

/** Corners "lon lat" a line → closed ring, or a sentence why not. */
export function ring(text) {
  const corners = text.trim().split(/\n+/).map((line) => line.trim().replaceAll(',', '.').split(/[\s;]+/).map(Number));
  if (corners.length < 3) throw new Error('Eine Fläche braucht mindestens drei Ecken.');
  for (const corner of corners) {
    if (corner.length !== 2 || corner.some((v) => !Number.isFinite(v))) throw new Error('Jede Zeile braucht zwei Zahlen: Länge und Breite in Grad, z. B. „7.9 49.5“.');
  }
  const [first, last] = [corners[0], corners.at(-1)];
  return first[0] === last[0] && first[1] === last[1] ? corners : [...corners, first];
}

function rule(r, focus) {
  const parts = [el('h3', {}, `${r.class}: ${r.title}`)];
  if (r.state === 'hit') {
    parts.push(el('p', {}, r.text || `${r.count} Treffer`));
    parts.push(el('ul', {}, r.hits.slice(0, 25).map((hit) => el('li', {}, hit.geometry
      ? el('button', { class: 'link', type: 'button', onclick: () => focus(hit) }, hit.text)
      : hit.text))));
    if (r.count > 25) parts.push(el('p', {}, `… und ${r.count - 25} weitere; alle stehen im Druckblatt.`));
  } else {
    parts.push(el('p', {}, r.state === 'not_permitted' ? `${STATES[r.state]} ${r.office}` : STATES[r.state]));
  }
  return el('div', { class: `rule ${r.state === 'hit' ? r.class : 'Datenlücke'}` }, parts);
}

export async function check(process, inputs, focus) {
  const button = at('run');
  button.disabled = true;
  put('check-status', el('p', {}, 'Prüfung läuft …'));
  put('hits');
  try {
    const report = await execute(process, { ...inputs, format: 'json' });
    const hits = report.rules.filter((r) => r.state === 'hit');
    const rest = report.rules.filter((r) => r.state !== 'hit');
    hits.sort((a, b) => ORDER.indexOf(a.class) - ORDER.indexOf(b.class));
    put('check-status', el('div', { class: 'summary' }, ORDER.map((c) => el('span', {}, `${c}: ${report.summary[c] || 0}`))));
    put('hits', el('div', { class: 'hits' }, hits.map((r) => rule(r, focus))),
      el('button', { type: 'button', onclick: () => print(process, inputs) }, 'Druckblatt öffnen'),
      el('details', {}, el('summary', {}, `Ohne Treffer geprüft oder nicht prüfbar (${rest.length})`), rest.map((r) => rule(r, focus))));
    return report;
  } catch (error) {
    put('check-status', fault(error));
    return null;
  } finally {
    button.disabled = false;
  }
}

async function print(process, inputs) {
  const sheet = window.open('', '_blank');
  try {
    const url = URL.createObjectURL(await page(process, inputs));
    if (sheet) sheet.location = url; else window.location = url;
  } catch (error) {
    sheet?.close();
    put('check-status', fault(error));
  }
}
