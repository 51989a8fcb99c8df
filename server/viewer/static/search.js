// Search over the collections that the deployment names, ten hits each: every word must be in some field. Long words are
// contained, whatever their case; a house number or its letter is the whole value, as half of the city contains a 5.

import { items } from './api.js';
import { el, fault, put } from './dom.js';

const quote = (text) => `'${text.replaceAll("'", "''")}'`;
const pattern = (text) => quote(`%${text.replaceAll('\\', '\\\\').replaceAll('%', '\\%').replaceAll('_', '\\_')}%`);

function fits(field, schema, word) {
  const types = [schema?.type].flat(); // with "null" where the attribute may be absent
  if (types.includes('integer')) return /^\d{1,9}$/.test(word) ? `${field} = ${Number(word)}` : null;
  if (!types.includes('string')) return null;
  return /^(\d{1,3}|.)$/u.test(word) ? `CASEI(${field}) = CASEI(${quote(word)})` : `CASEI(${field}) LIKE CASEI(${pattern(word)})`;
}

async function one(where, words, schemaOf) {
  const { properties } = await schemaOf(where.collection);
  const every = words.map((word) => where.fields.map((field) => fits(field, properties[field], word)).filter(Boolean));
  if (every.some((ways) => !ways.length)) return [];
  const filter = every.map((ways) => `(${ways.join(' OR ')})`).join(' AND ');
  const found = await items(where.collection, { filter, 'filter-lang': 'cql2-text', limit: 10 });
  return found.features.map((feature) => ({ where, feature }));
}

export function label(where, feature) {
  return where.fields.map((f) => feature.properties[f]).filter((v) => v !== null && v !== undefined && v !== '').join(' ');
}

export async function search(text, places, choose, schemaOf) {
  const words = text.trim().replace(/\b(\d+)([a-z])\b/gi, '$1 $2').split(/[\s,]+/).filter(Boolean).slice(0, 6);
  if (!words.length) { put('results', el('p', {}, 'Bitte mindestens ein Wort eingeben, z. B. „Marktstraße 5“.')); return; }
  put('results', el('p', {}, 'Suche …'));
  const answers = await Promise.allSettled(places.map((where) => one(where, words, schemaOf)));
  const hits = answers.flatMap((a) => (a.status === 'fulfilled' ? a.value : []));
  const failed = answers.filter((a) => a.status === 'rejected');
  if (!hits.length && failed.length) { put('results', fault(failed[0].reason)); return; }
  if (!hits.length) { put('results', el('p', {}, `Nichts gefunden zu „${text}“. Weniger Wörter oder eine andere Schreibweise helfen oft.`)); return; }
  put('results', el('ul', {}, hits.map(({ where, feature }) => el('li', {},
    el('button', { class: 'link', type: 'button', onclick: () => choose(where.collection, feature) }, `${label(where, feature)} (${where.title})`)))));
}
