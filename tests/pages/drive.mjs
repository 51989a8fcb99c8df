// Opens pages in Chromium and says what is seen: `node drive.mjs '<json>'`, one line of JSON on stdout.
//
// {url, chromium, folder, key, visits: [{path, width, picture, copy, type, layers, brief}]}; brief = without axe
// The libraries are those of tests/viewer.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const task = JSON.parse(process.argv[2]);
const require = createRequire(new URL('../viewer/package.json', import.meta.url));
const { chromium } = (await import(pathToFileURL(require.resolve('playwright-core')))).default;
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: task.chromium,
  args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'],
});
const headers = task.key ? { extraHTTPHeaders: { 'X-API-Key': task.key } } : {};
const context = await browser.newContext({ locale: 'de-DE', permissions: ['clipboard-read', 'clipboard-write'], ...headers });
const origin = new URL(task.url).origin;
const seen = [];

for (const visit of task.visits) {
  const page = await context.newPage();
  const said = { path: visit.path, errors: [], foreign: [], dialogs: [] };
  page.on('console', (message) => {
    // A browser reports the status of the page itself, which is what some of these visits are about.
    if (message.type() === 'error' && !/the server responded with a status of 4/.test(message.text())) said.errors.push(message.text());
  });
  page.on('pageerror', (error) => said.errors.push(String(error)));
  page.on('dialog', (dialog) => { said.dialogs.push(dialog.message()); dialog.dismiss(); });
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== origin) said.foreign.push(request.url());
  });
  await page.setViewportSize({ width: visit.width || 1280, height: 900 });
  const response = await page.goto(task.url + visit.path, { waitUntil: 'load' });
  said.status = response.status();
  said.policy = response.headers()['content-security-policy'] || '';
  if (visit.layers) {
    await page.waitForSelector('body[data-ready]', { timeout: 30000 });
    for (const box of await page.locator('#layers input').all()) if (!(await box.isChecked())) await box.check();
    await page.waitForTimeout(1500);
    said.attribution = await page.locator('.maplibregl-ctrl-attrib').allInnerTexts();
  }
  if (visit.type) {
    await page.fill('#words', visit.type);
    await page.waitForTimeout(400);
    said.rows = await page.locator('table.list tbody tr:visible').count();
    said.found = await page.innerText('.found');
  }
  if (visit.copy) {
    await page.locator('details').evaluateAll((all) => all.forEach((one) => { one.open = true; }));
    said.copied = [];
    for (const code of await page.locator('.code').all()) {
      await code.locator('button.copy').click();
      await code.locator('[role=status]:not(:empty)').waitFor();
      said.copied.push([await code.locator('pre').innerText(), await page.evaluate(() => navigator.clipboard.readText())]);
    }
  }
  said.axe = [];
  if (!visit.brief) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
    said.axe = violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)) }));
  }
  said.hit = await page.evaluate(() => window.hit ?? null);
  said.scripts = await page.locator('a[href^="javascript:" i]').count();
  said.wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  said.title = await page.title();
  if (visit.picture) await page.screenshot({ path: `${task.folder}/${visit.picture}.png`, fullPage: true });
  await page.close();
  seen.push(said);
}
await browser.close();
console.log(JSON.stringify(seen));
