// A page of a browser for one case, which hears whatever goes wrong in it; and the look at the store.
import assert from 'node:assert/strict';

export class Stage {
  static async open(browser, config, { phone, ...options }) {
    const viewport = phone ? { width: 360, height: 740 } : { width: 1440, height: 900 };
    const context = await browser.newContext({ viewport, reducedMotion: 'reduce', ...options });
    const stage = new Stage();
    Object.assign(stage, { config, context, page: await context.newPage(), heard: [], expected: [] });
    stage.page.setDefaultTimeout(30000);
    const hear = (text) => stage.heard.push(text);
    stage.page.on('console', (message) => hear(`console: ${message.text()} ${message.location().url}`));
    stage.page.on('pageerror', (error) => hear(`error: ${error.message}`));
    stage.page.on('requestfailed', (request) => {
      // A page that is left ends its stream, and what it was just asking for.
      if (request.failure()?.errorText !== 'net::ERR_ABORTED') hear(`failed: ${request.url()} ${request.failure()?.errorText}`);
    });
    stage.page.on('response', (response) => { if (response.status() >= 400) hear(`status ${response.status()}: ${response.url()}`); });
    return stage;
  }

  close() { return this.context.close(); }

  // What a case expects to be heard, such as a refusal.
  expect(text) { this.expected.push(text); }

  isQuiet() {
    const heard = this.heard.filter((line) => !this.expected.some((text) => line.includes(text)));
    assert.deepEqual(heard, [], 'nothing is heard from the page');
  }

  async go(address, status = 200) {
    const answer = await this.page.goto(address);
    assert.equal(answer.status(), status, address);
  }

  async probe(path, method = 'GET') {
    const answer = await fetch(`${this.config.probe}/${path}`, { method });
    assert.ok(answer.ok, `${path}: ${answer.status}`);
    const text = await answer.text();
    return text && JSON.parse(text);
  }

  make(kind) { return this.probe(`make/${kind}`, 'POST'); }

  door(isOpen) { return this.probe(`door/${isOpen}`, 'POST'); }

  async state(id) { return (await this.probe(`record/${id}`)).record?.state; }

  count(query) { return this.probe(`count/${encodeURIComponent(query)}`); }

  find(query) { return this.probe(`find/${encodeURIComponent(query)}`); }

  // Waits until a question has this answer.
  async until(what, ask, wanted = true, seconds = 60) {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const answer = await ask();
      if (answer === wanted) return;
      assert.ok(Date.now() < end, `${what}: ${JSON.stringify(answer)} in place of ${JSON.stringify(wanted)} after ${seconds} s`);
      await new Promise((done) => { setTimeout(done, 40); });
    }
  }

  isIn(id, state) { return this.until(`job ${id}`, () => this.state(id), state); }

  // Chooses an action on the page, fills in what it asks for, and confirms it with a reason. The operation is then shown.
  async act(action, fields = {}, reason = 'asked for by a test') {
    const { page } = this;
    await page.locator(`.acts a[href*="/act/${action}?"]`).first().click();
    await this.fill(fields);
    await this.confirm(reason);
  }

  async fill(fields) {
    const { page } = this;
    for (const [name, value] of Object.entries(fields)) {
      const field = page.locator(`[name="${name}"]`).first();
      if (await field.evaluate((each) => each.tagName === 'SELECT')) await field.selectOption(value); else await field.fill(value);
    }
    if (Object.keys(fields).length) await page.locator('main form:has([type=submit]) button[type=submit]', { hasText: 'Preview' }).click();
  }

  async confirm(reason) {
    const { page } = this;
    await page.locator('.confirm').waitFor();
    await page.fill('#reason', reason);
    await page.locator('.confirm form button[type=submit]').click();
    await page.waitForURL(/\/operations\/[^/]+$/);
    await this.ends('done');
  }

  // Waits until the operation that is shown has ended, and says so without being loaded again.
  async ends(word) {
    await this.page.locator('#operation dl.stats .s', { hasText: word }).waitFor();
  }
}
