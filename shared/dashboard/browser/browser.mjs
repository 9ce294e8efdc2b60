// A headless browser from npm, installed in target/browser: `npm ci` with the package.json beside this file.
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import path from 'node:path';

const here = path.dirname(fileURLToPath(import.meta.url));
export const home = process.env.BROWSER_HOME ?? path.resolve(here, '../../../target/browser');
const require = createRequire(path.join(home, 'package.json'));

export async function launch() {
  // The package unpacks the browser there.
  process.env.TMPDIR = home;
  const { default: chromium } = await import(pathToFileURL(require.resolve('@sparticuz/chromium')));
  const { chromium: playwright } = require('playwright-core');
  return playwright.launch({
    executablePath: await chromium.executablePath(),
    // The package's own arguments are for a function that trusts its pages: they switch off what is to be tested here.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--font-render-hinting=none', '--hide-scrollbars'],
  });
}

export const AxeBuilder = () => require('@axe-core/playwright').default;

// The pages, with what makes each show something. `find` reads the address of the first link that fits from another page.
export const PAGES = [
  { name: 'overview', path: '/' },
  { name: 'jobs', path: '/jobs' },
  { name: 'jobs-failed', path: '/jobs?q=state:failed' },
  { name: 'jobs-wrong', path: '/jobs?q=state:broken%20job:x' },
  { name: 'jobs-none', path: '/jobs?q=job:nothing.at-all' },
  { name: 'job-failed', on: '/jobs?q=state:failed%20job:webhook.deliver%20attempt:%3E3', find: 'main td.k a.row' },
  { name: 'job-running', on: '/jobs?q=state:running%20job:film.transcode', find: 'main td.k a.row' },
  { name: 'job-hostile', on: '/jobs?q=job:text.echo', find: 'main td.k a.row' },
  { name: 'job-succeeded', on: '/jobs?q=state:succeeded%20job:report.daily', find: 'main td.k a.row' },
  { name: 'errors', path: '/errors' },
  { name: 'error', on: '/errors', find: 'main td.k a.row' },
  { name: 'queues', path: '/queues' },
  { name: 'queue', path: '/queues/webhooks' },
  { name: 'schedules', path: '/schedules' },
  { name: 'schedule', path: '/schedules/sales-of-five-minutes' },
  { name: 'types', path: '/types' },
  { name: 'type', path: '/types/webhook.deliver' },
  { name: 'type-form', path: '/types/mail.send' },
  { name: 'batches', path: '/batches' },
  { name: 'batch', on: '/batches', find: 'main td.k a.row' },
  { name: 'dead-queues', path: '/dead-letters' },
  { name: 'dead-letters', path: '/dead-letters/webhooks' },
  { name: 'operations', path: '/operations' },
  { name: 'operation', on: '/operations', find: 'main td.k a.row' },
  { name: 'health', path: '/health' },
  { name: 'act-retry', path: '/act/retry?all=state:failed' },
  { name: 'act-edit', on: '/jobs?q=state:failed%20job:webhook.deliver', find: 'main td.k a.row', then: (path) => path.replace(/\/jobs\/([^/]+)$/, '/act/edit-and-run?job=$1') },
  { name: 'act-reschedule', path: '/act/reschedule?all=state:scheduled' },
  { name: 'act-delete', path: '/act/delete?all=state:succeeded%20job:mail.*' },
  { name: 'act-enqueue', path: '/act/enqueue?job=mail.send' },
  { name: 'act-backfill', path: '/act/backfill?schedule=sales-of-five-minutes' },
  { name: 'act-note', on: '/errors', find: 'main td.k a.row', then: (path) => path.replace(/\/errors\/([^/]+)$/, '/act/note-error?fingerprint=$1') },
  { name: 'act-redrive', path: '/act/redrive?letters=webhooks' },
  { name: 'not-found', path: '/nowhere' },
];

export async function address(page, base, each) {
  if (each.path) return base + each.path;
  await page.goto(base + each.on);
  const link = page.locator(each.find).first();
  if (!(await link.count())) return null;
  const href = await link.getAttribute('href');
  // A link begins with the path at which the dashboard is mounted.
  return new URL(each.then ? each.then(href) : href, base).href;
}
