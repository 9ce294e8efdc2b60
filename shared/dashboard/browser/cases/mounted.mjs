// The dashboard below a path of another service: everything leads to where it is.
import assert from 'node:assert/strict';
import { PAGES, address } from '../browser.mjs';

export const mounted = [
  ['mounted: every page, with its files and links', {}, async (stage) => {
    const { page, config } = stage;
    stage.expect('404');
    for (const each of PAGES) {
      // A nested router answers at its path, and not with a slash behind it.
      const to = each.path === '/' ? config.mounted : await address(page, config.mounted, each);
      assert.ok(to?.startsWith(config.mounted), `${each.name}: ${to}`);
      await stage.go(to, each.name === 'not-found' ? 404 : 200);
      const elsewhere = await page.evaluate(() => [...document.querySelectorAll('[href], [src], form')]
        .map((each) => each.getAttribute('href') ?? each.getAttribute('src') ?? each.getAttribute('action'))
        .filter((to) => to && !to.startsWith('#') && to !== '/jobs' && !to.startsWith('/jobs/')));
      assert.deepEqual(elsewhere, [], each.name);
    }
  }],
  ['mounted: keys, search, an action, live', {}, async (stage) => {
    const { page, config } = stage;
    await stage.go(config.mounted);
    await page.keyboard.press('g');
    await page.keyboard.press('q');
    await page.waitForURL(`${config.mounted}/queues`);
    await page.keyboard.press('/');
    await page.keyboard.type('state:failed job:webhook.deliver');
    await page.keyboard.press('Enter');
    await page.waitForURL(`${config.mounted}/jobs?q=**`);
    await page.locator('#now.is-live').waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.locator('.acts a[href*="/act/edit-and-run?"]').click();
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.locator('.confirm').waitFor();
    await stage.confirm('below a path');
    assert.ok(page.url().startsWith(`${config.mounted}/operations/`), page.url());
  }],
];
