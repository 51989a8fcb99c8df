// The API as the viewer uses it: JSON by GET, one process by POST, the key of the administration where there is one.

const base = new URL('../', document.baseURI).href.replace(/\/$/, '');
let key = sessionStorage.getItem('key') || '';

export const address = (path) => (path.startsWith('http') ? path : base + path);
export const authorisation = () => (key ? { Authorization: `Bearer ${key}` } : {});
export const hasKey = () => Boolean(key);

export function useKey(value) {
  key = value.trim();
  if (key) sessionStorage.setItem('key', key);
  else sessionStorage.removeItem('key');
}

/** The page speaks German, whatever the browser prefers. */
function asked(path, parameters = {}) {
  const url = new URL(address(path));
  for (const [name, value] of Object.entries({ ...parameters, lang: 'de' })) url.searchParams.set(name, value);
  return url;
}

/** A fault with the sentence of the server's problem document. */
export class Fault extends Error {}

async function answer(response) {
  const text = await response.text();
  let body;
  try { body = JSON.parse(text); } catch { body = null; }
  if (!response.ok) throw new Fault(body?.detail || body?.description || `Die Anfrage wurde mit ${response.status} beantwortet.`);
  if (body === null) throw new Fault('Die Antwort war kein JSON.');
  return body;
}

export async function get(path, parameters = {}) {
  return answer(await fetch(asked(path, parameters), { headers: { Accept: 'application/json, application/geo+json', ...authorisation() } }));
}

export async function items(collection, parameters) {
  const url = asked(`/collections/${encodeURIComponent(collection)}/items`, parameters);
  return answer(await fetch(url, { headers: { Accept: 'application/geo+json', ...authorisation() } }));
}

export async function execute(process, inputs) {
  return answer(await fetch(asked(`/processes/${process}/execution`), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/json', ...authorisation() },
    body: JSON.stringify({ inputs }),
  }));
}

export async function page(process, inputs) {
  const response = await fetch(asked(`/processes/${process}/execution`), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'text/html', ...authorisation() },
    body: JSON.stringify({ inputs: { ...inputs, format: 'html' } }),
  });
  if (!response.ok) throw new Fault(`Das Druckblatt kam nicht (${response.status}).`);
  return response.blob();
}
