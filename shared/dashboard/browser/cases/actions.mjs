// Every action, by the pages, and what the store says of it then. The operator is Ada.
import assert from 'node:assert/strict';

const job = (stage, id) => stage.go(`${stage.config.parcels}/jobs/${id}`);

async function failed(stage) {
  await stage.door(false);
  const id = await stage.make('delivered');
  await stage.isIn(id, 'failed');
  return id;
}

export const actions = [
  ['action retry', {}, async (stage) => {
    const id = await failed(stage);
    await stage.door(true);
    await job(stage, id);
    await stage.act('retry', {}, 'the door is open');
    await stage.isIn(id, 'succeeded');
    const { log } = await stage.probe(`record/${id}`);
    assert.ok(log.some((line) => line.includes('ada') && line.includes('the door is open')), `the job says who and why: ${log}`);
    await job(stage, id);
    await stage.page.getByText('the door is open').first().waitFor();
  }],
  ['action cancel', {}, async (stage) => {
    const id = await stage.make('stored');
    await job(stage, id);
    await stage.act('cancel', {}, 'nobody is at home');
    await stage.isIn(id, 'cancelled');
  }],
  ['action delete', {}, async (stage) => {
    const id = await failed(stage);
    await job(stage, id);
    await stage.act('delete');
    await stage.until('the record', async () => (await stage.probe(`record/${id}`)).record, null);
    stage.expect('404');
    await stage.go(`${stage.config.parcels}/jobs/${id}`, 404);
  }],
  ['action run now', {}, async (stage) => {
    await stage.door(true);
    const id = await stage.make('scheduled');
    assert.equal(await stage.state(id), 'scheduled');
    await job(stage, id);
    await stage.act('run-now');
    await stage.isIn(id, 'succeeded');
  }],
  ['action reschedule', {}, async (stage) => {
    const id = await stage.make('scheduled');
    await job(stage, id);
    await stage.act('reschedule', { at: '2031-05-06T07:08:09' });
    const { record } = await stage.probe(`record/${id}`);
    assert.equal(record.state, 'scheduled');
    assert.match(record.due_at, /^2031-05-06T07:08:09/);
  }],
  ['action edit and run again', {}, async (stage) => {
    const { page } = stage;
    const id = await failed(stage);
    await stage.door(true);
    await job(stage, id);
    await page.locator('.acts a[href*="/act/edit-and-run?"]').click();
    await page.fill('[name=args]', '{"parcel": "seven"}');
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.locator('#args[aria-invalid=true]').waitFor();
    assert.notEqual(await page.locator('#args-error').textContent(), '', 'it is told what is wrong');
    assert.equal(await page.locator('.confirm').count(), 0);
    await stage.fill({ args: '{"parcel": 77001, "street": "Harbour 1"}' });
    await stage.confirm('another address');
    const [copy] = await stage.find('args.parcel:77001');
    assert.ok(copy, 'there is a new job');
    await stage.isIn(copy.id, 'succeeded');
    assert.equal(await stage.state(id), 'failed', 'the job itself is as it was');
    await page.locator(`a[href$="/jobs/${copy.id}"]`).first().waitFor();
    await job(stage, copy.id);
    await page.locator(`main a[href$="/jobs/${id}"]`).first().waitFor({ state: 'attached' });
  }],
  ['action enqueue from the form', {}, async (stage) => {
    await stage.door(true);
    await stage.go(`${stage.config.parcels}/types/parcel.deliver`);
    await stage.fill({ 'args/parcel': '77002', 'args/street': 'Lighthouse <1>' });
    await stage.confirm('by hand');
    const [made] = await stage.find('args.parcel:77002');
    await stage.isIn(made.id, 'succeeded');
    assert.equal((await stage.probe(`record/${made.id}`)).record.message.args.street, 'Lighthouse <1>');
  }],
  ['action pause and resume a queue', {}, async (stage) => {
    const queue = `${stage.config.parcels}/queues/parcels`;
    const paused = async () => (await stage.probe('queue/parcels')).paused;
    await stage.go(queue);
    await stage.act('pause-queue');
    await stage.until('that it is paused', paused, true);
    await stage.go(queue);
    await stage.act('resume-queue');
    await stage.until('that it is paused', paused, false);
  }],
  ['action pause, resume and trigger a schedule', {}, async (stage) => {
    const schedule = `${stage.config.parcels}/schedules/round`;
    const paused = async () => (await stage.probe('schedule/round')).paused;
    await stage.door(true);
    await stage.go(schedule);
    await stage.act('pause-schedule');
    assert.equal(await paused(), true);
    await stage.go(schedule);
    await stage.act('resume-schedule');
    assert.equal(await paused(), false);
    const before = await stage.count('schedule:round');
    await stage.go(schedule);
    await stage.act('trigger-schedule');
    assert.equal(await stage.count('schedule:round'), before + 1);
  }],
  ['action backfill', {}, async (stage) => {
    await stage.door(true);
    const before = await stage.count('schedule:round');
    await stage.go(`${stage.config.parcels}/schedules/round`);
    await stage.act('backfill', { from: '2023-06-01T00:00:00', to: '2025-06-01T00:00:00' });
    assert.equal(await stage.count('schedule:round'), before + 2);
    await stage.go(`${stage.config.parcels}/schedules/round`);
    await stage.page.locator('main a[href*="/jobs/"]', { hasText: '2024' }).first().waitFor();
  }],
  ['action redrive, then delete dead letters', {}, async (stage) => {
    const letters = `${stage.config.parcels}/dead-letters/parcels`;
    const dead = async () => (await stage.probe('queue/parcels')).dead;
    const id = await failed(stage);
    await stage.until('dead letters', async () => (await dead()) > 0);
    await stage.door(true);
    await stage.go(letters);
    await stage.act('redrive');
    await stage.isIn(id, 'succeeded');
    await stage.until('dead letters', dead, 0);
    const other = await failed(stage);
    await stage.until('dead letters', dead, 1);
    await stage.go(letters);
    await stage.act('delete-dead-letters');
    await stage.until('dead letters', dead, 0);
    assert.equal(await stage.state(other), 'failed', 'the record stays');
  }],
  ['action note and mute an error', {}, async (stage) => {
    await failed(stage);
    await stage.go(`${stage.config.parcels}/errors?q=job:parcel.deliver`);
    await stage.page.locator('main td.k a.row').first().click();
    const group = stage.page.url();
    const note = () => stage.probe(`group/${group.split('/').pop()}`);
    await stage.act('note-error', { note: 'The landlord <b>knows</b>.' });
    assert.equal((await note()).note, 'The landlord <b>knows</b>.');
    assert.equal((await note()).by, 'ada');
    await stage.go(group);
    await stage.page.getByText('The landlord <b>knows</b>.').waitFor();
    await stage.act('mute-error', { until: '2035-01-01T00:00:00' });
    assert.match((await note()).muted_until, /^2035-01-01/);
    assert.equal((await note()).note, 'The landlord <b>knows</b>.', 'the note stays');
  }],
  ['action retry an error group', {}, async (stage) => {
    const ids = [await failed(stage), await failed(stage)];
    await stage.door(true);
    await stage.go(`${stage.config.parcels}/errors?q=job:parcel.deliver`);
    await stage.page.locator('main td.k a.row').first().click();
    await stage.act('retry', {}, 'the whole group');
    for (const id of ids) await stage.isIn(id, 'succeeded');
  }],
  ['action cancel a batch', {}, async (stage) => {
    const { page } = stage;
    const id = await stage.make('batch');
    await stage.go(`${stage.config.parcels}/batches/${id}`);
    await stage.act('cancel', {}, 'the order was taken back');
    await stage.until('cancelled jobs', () => stage.count(`batch:${id} state:cancelled`), 3);
    await stage.go(`${stage.config.parcels}/batches/${id}`);
    await page.locator('dl.stats .s, main .s', { hasText: 'cancelled' }).first().waitFor();
  }],
];
