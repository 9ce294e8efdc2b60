// What must hold of the dashboard in a browser. The test in tests/running starts it, with addresses in CONFIG. Each case prints a
// line; the first mistake ends its case, not the others.
import { launch } from './browser.mjs';
import { actions } from './cases/actions.mjs';
import { bulk } from './cases/bulk.mjs';
import { keys } from './cases/keys.mjs';
import { live } from './cases/live.mjs';
import { marks } from './cases/marks.mjs';
import { mounted } from './cases/mounted.mjs';
import { pages } from './cases/pages.mjs';
import { plain } from './cases/plain.mjs';
import { rights } from './cases/rights.mjs';
import { Stage } from './stage.mjs';

const config = JSON.parse(process.env.CONFIG);
const only = process.argv.slice(2);
const browser = await launch();
let failed = 0;
let count = 0;

async function run(name, options, check) {
  if (only.length && !only.some((word) => name.includes(word))) return;
  const began = Date.now();
  const stage = await Stage.open(browser, config, options);
  count += 1;
  try {
    await check(stage);
    stage.isQuiet();
    console.log(`ok ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name} (${Date.now() - began} ms) at ${stage.page.url()}\n  ${String(error.stack ?? error).split('\n').slice(0, 6).join('\n  ')}`);
  }
  await stage.close();
}

// What changes nothing runs beside the other: two at a time.
const lists = [[...pages(config, 'light'), ...rights, ...plain, ...mounted], [...pages(config, 'dark'), ...actions, ...live, ...keys, ...marks, ...bulk]];
await Promise.all(lists.map(async (list) => { for (const [name, options, check] of list) await run(name, options, check); }));
await browser.close();
console.log(`${count} cases, ${failed} failed`);
process.exit(failed || !count ? 1 : 0);
