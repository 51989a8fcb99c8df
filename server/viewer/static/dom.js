// Elements without innerHTML: text from the data is only ever text.

export const el = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'class') node.className = value;
    else if (key === 'style') node.style.cssText = value; // an attribute would be refused by the page's content security policy
    else if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
};

export const at = (id) => document.getElementById(id);
export const put = (id, ...children) => at(id).replaceChildren(...children.flat());
export const fault = (error) => el('p', { class: 'error', role: 'alert' }, error.message || String(error));

const dates = new Intl.DateTimeFormat('de-DE', { dateStyle: 'medium' });
const numbers = new Intl.NumberFormat('de-DE', { maximumFractionDigits: 2 });
const plain = new Intl.NumberFormat('de-DE', { useGrouping: false });

export function show(value, schema = {}) {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'boolean') return value ? 'ja' : 'nein';
  const code = schema.oneOf?.find((each) => each.const === value);
  if (code?.title) return code.title;
  // A whole number without a unit is a year, a number or a code more often than an amount, so that its digits stand together.
  if (typeof value === 'number') return (schema['x-ogc-unit'] || !Number.isInteger(value) ? numbers : plain).format(value);
  if (schema.format === 'date' || schema.format === 'date-time') { const d = new Date(value); if (!isNaN(d)) return dates.format(d); }
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Units of UCUM as people write them. */
const spelled = { m2: 'm²', km2: 'km²', cm2: 'cm²', m3: 'm³', har: 'ha', deg: '°', Cel: '°C', 'kW.h': 'kWh', 'MW.h': 'MWh', 'm3/s': 'm³/s', 'ug/m3': 'µg/m³' };

/** A feature's attributes as a table of German titles and values. */
export function attributes(properties, schema) {
  const known = schema?.properties || {};
  return el('table', {}, el('tbody', {}, Object.entries(properties).filter(([, v]) => v !== null && v !== '').map(([name, value]) => {
    const unit = spelled[known[name]?.['x-ogc-unit']] ?? known[name]?.['x-ogc-unit'];
    return el('tr', {}, el('th', { scope: 'row' }, known[name]?.title || name), el('td', {}, show(value, known[name]) + (unit && unit !== '1' ? ` ${unit}` : '')));
  })));
}
