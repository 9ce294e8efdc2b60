// Who may look, and who may do what: a reader, and a team with one queue.
import assert from 'node:assert/strict';
import { PAGES, address } from '../browser.mjs';

// Sends what no page offers, as the browser of somebody who is signed in.
const post = (stage, path, body, type) => stage.page.evaluate(async ([path, body, type]) => {
  const answer = await fetch(path, { method: 'POST', body, headers: { 'content-type': type } });
  return answer.status;
}, [path, body, type]);
const json = (stage, path, body) => post(stage, path, JSON.stringify(body), 'application/json');

export const rights = [
  ['reader: no page offers an action', {}, async (stage) => {
    const { page, config } = stage;
    for (const each of PAGES.filter(({ name }) => !name.startsWith('act') && name !== 'not-found')) {
      const to = await address(page, config.reader, each);
      assert.ok(to, each.name);
      await stage.go(to);
      const offered = await page.locator('main a[href*="/act/"], main form[method=post], #bulk, main input[name=id]').count();
      assert.equal(offered, 0, `${each.name} offers an action`);
    }
    await page.getByText('reads only').waitFor();
  }],
  ['reader: what is sent all the same is refused', {}, async (stage) => {
    const { page, config } = stage;
    await stage.go(`${config.reader}/jobs?q=state:failed`);
    const id = await page.locator('tr[data-id]').first().getAttribute('data-id');
    for (const text of ['403', '/act']) stage.expect(text);
    const [action, target] = [{ kind: 'delete' }, { kind: 'job', id }];
    for (const path of ['/api/v1/operations', '/api/v1/operations/preview']) {
      assert.equal(await json(stage, path, { action, target }), 403, path);
    }
    const form = new URLSearchParams({ action: JSON.stringify(action), target: JSON.stringify(target), csrf: 'x' }).toString();
    assert.equal(await post(stage, '/act', form, 'application/x-www-form-urlencoded'), 403);
    await stage.go(`${config.reader}/act/delete?job=${id}`, 403);
    await stage.go(`${config.shop}/jobs/${id}`);
  }],
  ['team: sees its queue and no other', {}, async (stage) => {
    const { page, config } = stage;
    const names = async (path) => {
      await stage.go(config.team + path);
      return page.locator('main td.k a.row').allTextContents();
    };
    assert.deepEqual(await names('/queues'), ['webhooks']);
    assert.deepEqual([...new Set(await names('/jobs'))], ['webhook.deliver']);
    assert.deepEqual(await names('/types'), ['webhook.deliver']);
    assert.deepEqual(await names('/schedules'), []);
    assert.deepEqual(await names('/jobs?q=queue:mails'), []);
    await stage.go(`${config.team}/errors`);
    const jobs = await page.locator('main td:nth-child(2)').allTextContents();
    assert.deepEqual([...new Set(jobs)], ['webhook.deliver']);
  }],
  ['team: nothing of another queue can be read or done', {}, async (stage) => {
    const { page, config } = stage;
    await stage.go(`${config.shop}/jobs?q=${encodeURIComponent('state:failed job:text.echo')}`);
    const id = await page.locator('tr[data-id]').first().getAttribute('data-id');
    stage.expect('404');
    stage.expect('/api/v1/operations');
    stage.expect('/act/');
    for (const path of [`/jobs/${id}`, '/queues/mails', '/dead-letters/mails', '/schedules/reindex', '/types/mail.send']) {
      await stage.go(config.team + path, 404);
    }
    const targets = [{ kind: 'job', id }, { kind: 'queue', queue: 'mails' }, { kind: 'jobs', ids: [id] }];
    for (const target of targets) {
      const action = { kind: target.kind === 'queue' ? 'pause-queue' : 'retry' };
      const status = await json(stage, '/api/v1/operations', { action, target });
      assert.ok(status === 404 || status === 403, `${JSON.stringify(target)} is answered with ${status}`);
    }
    const answer = await page.goto(`${config.team}/act/retry?job=${id}`);
    assert.ok([403, 404].includes(answer.status()), `a preview is answered with ${answer.status()}`);
    await stage.go(`${config.shop}/jobs/${id}`);
    await page.locator('dl.stats .s', { hasText: 'failed' }).waitFor();
  }],
];
