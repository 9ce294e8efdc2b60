// An operation on everything that matches: stopped in its midst, then to its end.
import assert from 'node:assert/strict';
import { AxeBuilder } from '../browser.mjs';

export const bulk = [
  ['bulk: an operation is stopped', {}, async (stage) => {
    const { page } = stage;
    await stage.go(`${stage.config.parcels}/act/retry?all=${encodeURIComponent('state:failed queue:cellar')}`);
    await page.fill('#rate', '5');
    await page.locator('.confirm form button[type=submit]').click();
    await page.waitForURL(/\/operations\/[^/]+$/);
    await stage.until('jobs that were retried', async () => (await stage.count('state:queued job:parcel.store')) > 0);
    await page.getByRole('button', { name: 'Stop' }).click();
    await stage.ends('stopped');
    await page.getByText('stopped by').waitFor();
    assert.ok(await stage.count('state:failed job:parcel.store') > stage.config.failed / 2, 'most were left alone');
  }],
  ['bulk: ten thousand, from * to done', {}, async (stage) => {
    const { page, config } = stage;
    const failed = await stage.count('state:failed job:parcel.store');
    assert.ok(failed > config.failed * 0.9, `${failed} jobs have failed`);
    await stage.go(`${config.parcels}/jobs?q=${encodeURIComponent('state:failed job:parcel.store')}`);
    await page.keyboard.press('j');
    await page.keyboard.press('*');
    assert.equal(await page.locator('#bulk .marked').textContent(), 'All that match');
    await page.keyboard.press('r');
    await page.locator('.confirm').waitFor();
    const what = () => page.locator('#what').textContent();
    assert.match(await what(), /^Retries at least 2,000 jobs, /, 'a glance first');
    assert.equal(await page.locator('.confirm form button[type=submit]').textContent(), 'Retry: all that match');
    const { violations } = await new (AxeBuilder())({ page }).analyze();
    assert.deepEqual(violations.map(({ id }) => id), [], 'axe finds nothing');
    await page.getByRole('link', { name: 'Count all' }).click();
    await page.waitForURL(/count=all/);
    assert.ok((await what()).startsWith(`Retries ${failed.toLocaleString('en')} jobs, `), `then all: ${await what()}`);
    await page.fill('#reason', 'the cellar is dry');
    await page.locator('.confirm form button[type=submit]').click();
    await page.waitForURL(/\/operations\/[^/]+$/);
    await stage.until('failed jobs', () => stage.count('state:failed job:parcel.store'), 0, 120);
    await stage.ends('done');
    const changed = await page.locator('#operation dl.stats div', { hasText: 'changed' }).locator('dd').textContent();
    assert.equal(changed, failed.toLocaleString('en'));
  }],
];
