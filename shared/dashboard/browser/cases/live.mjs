// What changes while a page is open.
import assert from 'node:assert/strict';

export const live = [
  ['live: a job ends while its row is marked and has the focus', {}, async (stage) => {
    const { page } = stage;
    const id = await stage.make('waiting');
    await stage.isIn(id, 'running');
    await stage.go(`${stage.config.parcels}/jobs?q=job:parcel.wait`);
    const row = page.locator(`tr[data-id="${id}"]`);
    await row.locator('.s', { hasText: 'running' }).waitFor();
    await page.evaluate(() => { globalThis.isSame = true; });
    await page.mouse.move(5, 5);
    await page.keyboard.press('j');
    await page.keyboard.press('x');
    assert.ok(await row.locator('input').isChecked());
    assert.equal(await page.evaluate(() => document.activeElement.dataset.id), id);
    await stage.probe('release', 'POST');
    await row.locator('.s', { hasText: 'succeeded' }).waitFor();
    assert.ok(await page.evaluate(() => globalThis.isSame), 'the page was not loaded again');
    assert.ok(await row.locator('input').isChecked(), 'the mark has stayed');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.id), id, 'the focus has stayed');
    assert.equal(await page.locator('#bulk .marked').textContent(), '1 marked');
  }],
  ['live: counters and a new row', {}, async (stage) => {
    const { page } = stage;
    await stage.door(true);
    await stage.go(`${stage.config.parcels}/queues/doorstep`);
    await page.mouse.move(5, 5);
    const running = page.locator('dl.stats div', { hasText: 'running' }).locator('dd');
    await stage.until('running', () => running.textContent(), '0');
    const id = await stage.make('waiting');
    await stage.until('running', () => running.textContent(), '1');
    await stage.probe('release', 'POST');
    await stage.isIn(id, 'succeeded');
    await stage.until('running', () => running.textContent(), '0');
    await stage.go(`${stage.config.parcels}/jobs?q=queue:parcels`);
    await page.mouse.move(5, 5);
    const made = await stage.make('delivered');
    await page.locator(`tr[data-id="${made}"] .s`, { hasText: 'succeeded' }).waitFor();
  }],
  ['live: held, nothing moves', {}, async (stage) => {
    const { page } = stage;
    await stage.door(true);
    await stage.go(`${stage.config.parcels}/jobs?q=queue:parcels`);
    await page.mouse.move(5, 5);
    await page.keyboard.press('.');
    assert.equal(await page.locator('#live-word').textContent(), 'Held');
    const asked = [];
    page.on('request', (request) => { if (request.headers()['x-region']) asked.push(request.url()); });
    const id = await stage.make('delivered');
    await stage.isIn(id, 'succeeded');
    assert.deepEqual(asked, []);
    await page.keyboard.press('.');
    await page.locator(`tr[data-id="${id}"]`).waitFor();
  }],
];
