// Without scripts: everything can be read, searched and paged through, and actions are forms.
import assert from 'node:assert/strict';
import { PAGES, address } from '../browser.mjs';

export const plain = [
  ['scripts off: every page', { javaScriptEnabled: false }, async (stage) => {
    const { page, config } = stage;
    stage.expect('404');
    for (const each of PAGES) {
      const to = await address(page, config.shop, each);
      assert.ok(to, each.name);
      const answer = await page.goto(to);
      assert.equal(answer.status(), each.name === 'not-found' ? 404 : 200, each.name);
      const text = await page.locator('main').innerText();
      assert.ok(text.trim().length > 20, `${each.name} says something`);
    }
  }],
  ['scripts off: a query, a tab, a chip, the next page', { javaScriptEnabled: false }, async (stage) => {
    const { page, config } = stage;
    await stage.go(`${config.shop}/jobs`);
    const first = await page.locator('tr[data-id]').first().getAttribute('data-id');
    await page.locator('a[rel=next]').click();
    await page.waitForURL(/cursor=/);
    assert.notEqual(await page.locator('tr[data-id]').first().getAttribute('data-id'), first);
    await page.fill('#q', 'job:webhook.* state:failed');
    await page.locator('form.q button[type=submit]').click();
    await page.waitForURL(/q=job/);
    const states = await page.locator('main tbody .s').allTextContents();
    assert.ok(states.length > 0 && states.every((state) => state === 'failed'), String(states));
    await page.locator('.tabs a', { hasText: 'succeeded' }).click();
    await page.waitForURL(/succeeded/);
    assert.ok((await page.locator('main tbody .s').allTextContents()).every((state) => state === 'succeeded'));
    await page.locator('.chip').first().click();
    assert.equal(await page.locator('.chip').count(), 1);
  }],
  ['scripts off: an action', { javaScriptEnabled: false }, async (stage) => {
    const { page, config } = stage;
    await stage.door(true);
    const id = await stage.make('scheduled');
    await stage.go(`${config.parcels}/jobs?q=${id}`);
    await page.locator(`input[name=id][value="${id}"]`).check();
    await page.locator('#bulk button[value=run-now]').click();
    await page.locator('.confirm form button[type=submit]').click();
    await page.waitForURL(/\/operations\/[^/]+$/);
    await stage.isIn(id, 'succeeded');
  }],
];
