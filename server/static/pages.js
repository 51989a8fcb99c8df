// What pages gain where scripts run: a button that copies a piece of code, and a list that is searched while one types.
// Text from the data is only ever text here.

const said = document.body.dataset;

for (const pre of document.querySelectorAll('pre')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'copy';
  button.textContent = said.copy;
  const status = document.createElement('span');
  status.className = 'quiet';
  status.setAttribute('role', 'status');
  button.addEventListener('click', async () => {
    await copied(pre);
    status.textContent = said.copied;
    setTimeout(() => { status.textContent = ''; }, 2500);
  });
  const frame = document.createElement('div');
  frame.className = 'code';
  pre.replaceWith(frame);
  frame.append(pre, button, status);
}

/** Copy what an element says. Without HTTPS a browser gives no clipboard, but copies what is selected. */
async function copied(element) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(element.innerText);
      return;
    } catch (error) {
      if (error.name !== 'NotAllowedError') throw error;
    }
  }
  getSelection().selectAllChildren(element);
  document.execCommand('copy');
}

const words = document.getElementById('words');
const found = document.querySelector('.found');

if (words && found) {
  const folded = (text) => text.toLocaleLowerCase('de').replaceAll('ß', 'ss').normalize('NFKD').replace(/\p{M}/gu, '');
  const broad = (text) => text.toLocaleLowerCase('de').replaceAll('ä', 'ae').replaceAll('ö', 'oe').replaceAll('ü', 'ue').replaceAll('ß', 'ss');
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const rows = [...document.querySelectorAll('table.list tbody tr')].map((row) => {
    const theme = row.closest('.theme');
    const text = `${theme ? theme.querySelector('h2').textContent : ''} ${row.textContent} ${row.querySelector('a').pathname}`;
    return { row, text: `${folded(text)} ${broad(text)}` };
  });
  const filter = () => {
    const terms = folded(words.value).split(',').map((term) => term.split(/\s+/).filter(Boolean)).filter((term) => term.length);
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = terms.length > 0 && !terms.some((term) => term.every((word) => text.includes(word)));
      if (!row.hidden) shown += 1;
    }
    for (const theme of document.querySelectorAll('.theme')) theme.hidden = !theme.querySelector('tbody tr:not([hidden])');
    found.textContent = `${number.format(shown)} ${found.dataset.of} ${number.format(rows.length)} ${found.dataset.unit}`;
  };
  let waiting;
  words.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
}
