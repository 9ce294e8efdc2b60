// Everything by the keyboard alone.
import assert from 'node:assert/strict';

const focused = (page, read = (each) => each.id || each.className || each.tagName) => page.evaluate(`(${read})(document.activeElement)`);

export const keys = [
  ['keys: from the first Tab on, the focus is seen and goes forward', {}, async (stage) => {
    const { page, config } = stage;
    await stage.go(`${config.shop}/jobs`);
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await focused(page), 'main');
    await stage.go(`${config.shop}/jobs`);
    const seen = [];
    for (let step = 0; step < 40; step += 1) {
      await page.keyboard.press('Tab');
      const state = await page.evaluate(() => {
        const each = document.activeElement;
        const style = getComputedStyle(each);
        const box = each.getBoundingClientRect();
        const all = [...document.querySelectorAll('*')];
        return { at: all.indexOf(each), outline: style.outlineStyle !== 'none' || style.boxShadow !== 'none', shown: box.width > 0 && box.height > 0, what: each.outerHTML.slice(0, 90) };
      });
      assert.ok(state.outline && state.shown, `the focus is seen on ${state.what}`);
      seen.push(state.at);
    }
    assert.deepEqual(seen, [...seen].sort((a, b) => a - b), 'the order is that of the page');
  }],
  ['keys: to every page, search, help and palette', {}, async (stage) => {
    const { page, config } = stage;
    await stage.go(`${config.shop}/`);
    const places = { j: '/jobs', e: '/errors', q: '/queues', s: '/schedules', t: '/types', b: '/batches', d: '/dead-letters', p: '/operations', h: '/health', o: '/' };
    for (const [key, path] of Object.entries(places)) {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.waitForURL(config.shop + path);
    }
    await page.keyboard.press('?');
    assert.ok(await page.locator('#help').isVisible());
    await page.keyboard.press('Escape');
    assert.ok(!(await page.locator('#help').isVisible()));
    await page.keyboard.press('/');
    await page.keyboard.type('state:failed');
    await page.keyboard.press('Enter');
    await page.waitForURL(/jobs\?q=state/);
    await page.keyboard.press(':');
    await page.keyboard.type('batch');
    await page.keyboard.press('Enter');
    await page.waitForURL(`${config.shop}/batches`);
  }],
  ['keys: move, mark, open, go up', {}, async (stage) => {
    const { page, config } = stage;
    await stage.go(`${config.shop}/jobs?q=${encodeURIComponent('state:failed job:text.echo')}`);
    await page.locator('tr[data-id]').nth(3).waitFor();
    const rows = await page.locator('tr[data-id]').evaluateAll((all) => all.map((each) => each.dataset.id));
    const here = () => focused(page, (each) => each.dataset.id);
    await page.keyboard.press('j');
    assert.equal(await here(), rows[0]);
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    assert.equal(await here(), rows[1]);
    await page.keyboard.press('x');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('X');
    assert.equal(await page.locator('#bulk .marked').textContent(), '3 marked');
    await page.keyboard.press('*');
    assert.equal(await page.locator('#bulk .marked').textContent(), 'All that match');
    await page.keyboard.press('*');
    await page.keyboard.press('r');
    await page.waitForURL(/\/act\/jobs\?/);
    assert.match(await page.locator('#what').textContent(), /3 jobs/);
    await page.goBack();
    await page.keyboard.press('j');
    const opened = await here();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${config.shop}/jobs/${opened}`);
    await page.keyboard.press('u');
    await page.waitForURL(`${config.shop}/jobs`);
  }],
  ['keys: actions of a job and a queue, to the end', {}, async (stage) => {
    const { page, config } = stage;
    const id = await stage.make('stored');
    await stage.go(`${config.parcels}/jobs/${id}`);
    await page.keyboard.press('E');
    await page.waitForURL(/edit-and-run/);
    await page.keyboard.press('u');
    await page.waitForURL(`${config.parcels}/jobs/${id}`);
    await page.keyboard.press('c');
    await page.waitForURL(/\/act\/cancel/);
    await page.locator('#reason').focus();
    await page.keyboard.type('by the keyboard');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/operations\/[^/]+$/);
    await stage.isIn(id, 'cancelled');
    await stage.go(`${config.parcels}/queues/cellar`);
    await page.keyboard.press('P');
    await page.waitForURL(/\/act\/resume-queue/);
  }],
  ['keys: y copies the same as a command', { permissions: ['clipboard-read', 'clipboard-write'] }, async (stage) => {
    const { page, config } = stage;
    const copied = async (wanted) => {
      await page.keyboard.press('y');
      await page.locator('.toast', { hasText: wanted }).first().waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), wanted);
    };
    await stage.go(`${config.shop}/jobs?q=${encodeURIComponent('state:failed job:webhook.deliver')}`);
    const shown = (await page.locator('main p.copy code').textContent()).trim();
    assert.equal(shown, "lamp jobs --query 'state:failed job:webhook.deliver' --db test.db");
    await copied(shown);
    await page.keyboard.press('j');
    const id = await focused(page, (each) => each.dataset.id);
    await copied(`lamp retry ${id} --db test.db`);
    await stage.go(`${config.shop}/jobs/${id}`);
    await copied((await page.locator('main p.copy code').first().textContent()).trim());
    await stage.go(`${config.shop}/queues`);
    await page.keyboard.press('j');
    const queue = (await focused(page, (each) => each.dataset.id)).replace('q-', '');
    await copied(`lamp jobs --query queue:${queue} --db test.db`);
    await stage.go(`${config.shop}/act/retry?all=${encodeURIComponent('state:failed job:webhook.deliver')}`);
    await copied("lamp retry --query 'state:failed job:webhook.deliver' --db test.db");
  }],
  ['keys: single keys can be switched off', {}, async (stage) => {
    const { page, config } = stage;
    await stage.go(`${config.shop}/jobs`);
    await page.keyboard.press('?');
    await page.locator('[data-setting=no-keys]').check();
    await page.keyboard.press('Escape');
    await stage.go(`${config.shop}/jobs`);
    await page.keyboard.press('j');
    await page.keyboard.press('?');
    assert.equal(await focused(page, (each) => each.tagName), 'BODY');
    assert.ok(!(await page.locator('#help').isVisible()));
  }],
];
