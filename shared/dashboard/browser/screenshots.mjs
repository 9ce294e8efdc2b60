// Pictures of every page: `node screenshots.mjs http://127.0.0.1:PORT/ FOLDER [name…]`. Exits with 1 when axe finds something
// or a page writes to the console. `--full` takes pages to their ends. With `--readme`, the few pictures of the README instead, small
// enough for a repository.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { AxeBuilder, PAGES, address, launch } from './browser.mjs';
import { small } from './small.mjs';

// Page, size and theme, and the name of the picture.
const README = { 'overview-desktop-light': 'overview', 'overview-desktop-dark': 'overview-dark', 'job-failed-desktop-light': 'job', 'errors-phone-dark': 'phone' };
const given = process.argv.slice(2);
const isReadme = given.includes('--readme');
const fullPage = given.includes('--full');
const [url, folder, ...names] = given.filter((word) => !word.startsWith('--'));
if (!folder) {
  console.error('usage: node screenshots.mjs ADDRESS FOLDER [page…]');
  process.exit(2);
}
const base = url.replace(/\/$/, '');
mkdirSync(folder, { recursive: true });
const browser = await launch();
let problems = 0;
const report = (text) => { problems += 1; console.log(text); };

for (const [size, viewport] of [['desktop', { width: 1440, height: 900 }], ['phone', { width: 360, height: 740 }]]) {
  for (const scheme of ['light', 'dark']) {
    const context = await browser.newContext({ viewport, colorScheme: scheme, reducedMotion: 'reduce', isMobile: size === 'phone', hasTouch: size === 'phone', deviceScaleFactor: 1 });
    const page = await context.newPage();
    const where = () => `${size} ${scheme} ${page.url()}`;
    let expected404 = false;
    page.on('console', (message) => { if (!(expected404 && message.text().includes('404'))) report(`console: ${where()}: ${message.text()}`); });
    page.on('pageerror', (error) => report(`error: ${where()}: ${error.message}`));
    for (const each of PAGES) {
      if (names.length && !names.includes(each.name)) continue;
      const picture = isReadme ? README[`${each.name}-${size}-${scheme}`] : `${each.name}-${size}-${scheme}`;
      if (!picture) continue;
      const to = await address(page, base, each);
      if (!to) { console.log(`nothing for ${each.name}`); continue; }
      expected404 = each.name === 'not-found';
      const answer = await page.goto(to);
      if (answer.status() >= 400 && !expected404) report(`status ${answer.status()}: ${to}`);
      await page.waitForTimeout(150);
      const png = await page.screenshot({ fullPage });
      writeFileSync(path.join(folder, `${picture}.png`), isReadme ? small(png) : png);
      if (!isReadme && size === 'desktop') {
        await page.emulateMedia({ forcedColors: 'active' });
        writeFileSync(path.join(folder, `${picture}-forced.png`), await page.screenshot({ fullPage }));
        await page.emulateMedia({ forcedColors: 'none' });
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) report(`too wide by ${wide}: ${where()}`);
      const { violations } = await new (AxeBuilder())({ page }).analyze();
      for (const violation of violations) {
        report(`axe: ${where()}: ${violation.id}: ${violation.help}`);
        for (const node of violation.nodes.slice(0, 3)) console.log(`   ${node.target.join(' ')}  ${node.failureSummary?.split('\n').slice(1, 3).join(' ')}`);
      }
    }
    await context.close();
  }
}
await browser.close();
console.log(`${problems} problems`);
process.exit(problems ? 1 : 0);
