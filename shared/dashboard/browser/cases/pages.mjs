// Every page, in a theme: it is drawn without a word on the console, axe finds nothing, and it fits a phone; colours that the
// system forces are taken.
import assert from 'node:assert/strict';
import { AxeBuilder, PAGES, address } from '../browser.mjs';

export const pages = (config, scheme) => PAGES.map((each) => [`page ${each.name}, ${scheme}`, { colorScheme: scheme }, async (stage) => {
  const { page } = stage;
  const to = await address(page, config.shop, each);
  assert.ok(to, 'the shop has something to show here');
  const isMissing = each.name === 'not-found';
  if (isMissing) stage.expect('404');
  await stage.go(to, isMissing ? 404 : 200);
  await page.locator('main h1').first().waitFor({ state: 'attached' });
  const { violations } = await new (AxeBuilder())({ page }).analyze();
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', ')}`);
  assert.deepEqual(found, [], 'axe finds nothing');
  await page.setViewportSize({ width: 360, height: 740 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `a phone scrolls sideways by ${wide}`);
  await page.emulateMedia({ forcedColors: 'active' });
  assert.deepEqual(await page.evaluate(unseen), [], 'with forced colours, everything is seen');
}]);

// Shapes of the colour of what is behind them, and buttons without an edge.
function unseen() {
  const shown = (each) => each.getClientRects().length > 0 && getComputedStyle(each).visibility === 'visible';
  const canvas = getComputedStyle(document.body).backgroundColor;
  const shapes = [...document.querySelectorAll('main svg.i, main svg.i use')].filter(shown);
  const hidden = shapes.filter((each) => [canvas, 'none'].includes(getComputedStyle(each).fill));
  const bare = [...document.querySelectorAll('main button:not(.link), main .btn')].filter(shown)
    .filter((each) => getComputedStyle(each).borderTopStyle === 'none' && getComputedStyle(each).outlineStyle === 'none');
  return [...hidden, ...bare].map((each) => each.outerHTML.slice(0, 120));
}
