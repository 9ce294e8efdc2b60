// What is done to marked jobs, by the keys that mark them.
import assert from 'node:assert/strict';

const query = 'args.parcel:31';
const list = (stage, state) => stage.go(`${stage.config.parcels}/jobs?q=${encodeURIComponent(`${query} state:${state}`)}`);
const count = (stage, state) => stage.count(`${query} state:${state}`);

async function listed(stage, number) {
  const rows = stage.page.locator('tr[data-id]');
  await stage.until('rows', () => rows.count(), number);
  return rows.evaluateAll((all) => all.map((each) => each.dataset.id));
}

// The jobs of the preview are those that are then changed.
async function confirmed(stage, says) {
  assert.match(await stage.page.locator('#what').textContent(), says);
  await stage.confirm('marked by a test');
}

export const marks = [
  ['marks: x and X, then c: a bulk of three is cancelled', {}, async (stage) => {
    const { page } = stage;
    for (let made = 0; made < 5; made += 1) await stage.make('marked');
    await list(stage, 'scheduled');
    const ids = await listed(stage, 5);
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('x');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('X');
    assert.equal(await page.locator('#bulk .marked').textContent(), '3 marked');
    await page.keyboard.press('c');
    await page.waitForURL(/\/act\/jobs\?/);
    await confirmed(stage, /^Cancels 3 jobs, /);
    for (const [at, id] of ids.entries()) {
      assert.equal(await stage.state(id), [1, 2, 3].includes(at) ? 'cancelled' : 'scheduled', `row ${at}`);
    }
    const { log } = await stage.probe(`record/${ids[2]}`);
    assert.ok(log.some((line) => line.includes('ada') && line.includes('marked by a test')), String(log));
  }],
  ['marks: x twice, then delete: a bulk of two is deleted', {}, async (stage) => {
    const { page } = stage;
    await list(stage, 'cancelled');
    const ids = await listed(stage, 3);
    for (const key of ['j', 'x', 'j', 'x', 'j', 'x', 'x']) await page.keyboard.press(key);
    assert.equal(await page.locator('#bulk .marked').textContent(), '2 marked', 'x takes a mark away again');
    await page.locator('#bulk button[value=delete]').click();
    await confirmed(stage, /^Deletes 2 jobs, /);
    for (const id of ids.slice(0, 2)) assert.equal((await stage.probe(`record/${id}`)).record, null);
    assert.equal(await stage.state(ids[2]), 'cancelled', 'what was not marked stays');
  }],
  ['marks: * is all that match, to cancel and to delete', {}, async (stage) => {
    const { page } = stage;
    await list(stage, 'scheduled');
    await listed(stage, 2);
    await page.keyboard.press('*');
    assert.equal(await page.locator('#bulk .marked').textContent(), 'All that match');
    await page.keyboard.press('c');
    await confirmed(stage, /^Cancels 2 jobs, /);
    assert.deepEqual([await count(stage, 'scheduled'), await count(stage, 'cancelled')], [0, 3]);
    await list(stage, 'cancelled');
    await listed(stage, 3);
    await page.keyboard.press('*');
    await page.locator('#bulk button[value=delete]').click();
    await confirmed(stage, /^Deletes 3 jobs, /);
    assert.equal(await count(stage, 'cancelled'), 0);
  }],
];
