// Search over the collections that the deployment names: text contained, case folded, ten hits each.

import { items } from './api.js';
import { el, fault, put } from './dom.js';

const quote = (text) => `'${text.replaceAll("'", "''")}'`;
const pattern = (text) => quote(`%${text.replaceAll('\\', '\\\\').replaceAll('%', '\\%').replaceAll('_', '\\_')}%`);

async function one(where, words) {
  const every = words.map((word) => '(' + where.fields.map((f) => `CASEI(${f}) LIKE CASEI(${pattern(word)})`).join(' OR ') + ')');
  const found = await items(where.collection, { filter: every.join(' AND '), 'filter-lang': 'cql2-text', limit: 10 });
  return found.features.map((feature) => ({ where, feature }));
}

export function label(where, feature) {
  return where.fields.map((f) => feature.properties[f]).filter((v) => v !== null && v !== undefined && v !== '').join(' ');
}

export async function search(text, places, choose) {
  const words = text.trim().split(/[\s,]+/).filter(Boolean).slice(0, 5);
  if (!words.length) { put('results', el('p', {}, 'Bitte mindestens ein Wort eingeben, z. B. „Marktstraße 5“.')); return; }
  put('results', el('p', {}, 'Suche …'));
  const answers = await Promise.allSettled(places.map((where) => one(where, words)));
  const hits = answers.flatMap((a) => (a.status === 'fulfilled' ? a.value : []));
  const failed = answers.filter((a) => a.status === 'rejected');
  if (!hits.length && failed.length) { put('results', fault(failed[0].reason)); return; }
  if (!hits.length) { put('results', el('p', {}, `Nichts gefunden zu „${text}“. Weniger Wörter oder eine andere Schreibweise helfen oft.`)); return; }
  put('results', el('ul', {}, hits.map(({ where, feature }) => el('li', {},
    el('button', { class: 'link', type: 'button', onclick: () => choose(where.collection, feature) }, `${label(where, feature)} (${where.title})`)))));
}
