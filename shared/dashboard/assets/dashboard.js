// What the pages can do beyond plain links and forms: live regions, keys, marks, times in the reader's zone.
const $ = (css, root = document) => root.querySelector(css);
const $$ = (css, root = document) => [...root.querySelectorAll(css)];
const root = document.documentElement;
const body = document.body;
const base = body.dataset.base || '';

const settings = {
  get(name) { try { return localStorage.getItem('lamp.' + name); } catch { return null; } },
  set(name, value) { try { value ? localStorage.setItem('lamp.' + name, value) : localStorage.removeItem('lamp.' + name); } catch { /* a private window */ } },
};

function toast(text) {
  const box = document.createElement('div');
  box.className = 'toast';
  box.textContent = text;
  $('#toasts').append(box);
  setTimeout(() => box.remove(), 5000);
}

// Times: relative, with the exact one in the reader's zone as the title, or the other way round.
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const short = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const UNITS = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
function relative(date) {
  const seconds = Math.round((Date.now() - date) / 1000);
  const away = Math.abs(seconds);
  if (away < 2) return 'now';
  const at = UNITS.findIndex(([, size]) => away >= size);
  const [unit, size] = UNITS[at];
  const count = Math.floor(away / size);
  const rest = UNITS[at + 1] && count < 3 ? Math.floor((away % size) / UNITS[at + 1][1]) : 0;
  const text = `${count} ${unit}${rest ? ` ${rest} ${UNITS[at + 1][0]}` : ''}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}
function times(within = document) {
  for (const button of $$('button[hidden]', within)) button.hidden = false;
  for (const time of $$('time[datetime]', within)) {
    const date = new Date(time.dateTime);
    if (isNaN(date)) continue;
    const full = exact.format(date);
    const kind = time.dataset.as;
    const words = kind === 'clock' ? clock.format(date) : kind === 'exact' ? full : settings.get('times') ? short.format(date) : relative(date);
    if (time.textContent !== words) time.textContent = words;
    time.title = kind || settings.get('times') ? `${full}, ${relative(date)}` : full;
  }
}

// Marks: kept by id while regions change under them.
const bulk = $('#bulk');
const marks = new Set();
let last = null;
const boxes = () => $$('input[type=checkbox][form=bulk][name=id]');
function showMarks() {
  for (const box of boxes()) {
    box.checked = marks.has(box.value);
    box.closest('tr')?.classList.toggle('on', box.checked);
  }
  if (!bulk) return;
  const all = $('input[name=all]', bulk);
  const isAll = !!all?.checked;
  bulk.hidden = !marks.size && !isAll;
  $('.marked', bulk).textContent = isAll ? 'All that match' : `${marks.size} marked`;
  for (const old of $$('input[type=hidden][data-kept]', bulk)) old.remove();
  const shown = new Set(boxes().map((box) => box.value));
  for (const id of marks) if (!shown.has(id)) {
    const kept = Object.assign(document.createElement('input'), { type: 'hidden', name: 'id', value: id });
    kept.dataset.kept = '';
    bulk.append(kept);
  }
  const top = $('#mark-page');
  if (top) { top.checked = shown.size > 0 && [...shown].every((id) => marks.has(id)); top.indeterminate = marks.size > 0 && !top.checked; }
}
const mark = (box, on) => { on ? marks.add(box.value) : marks.delete(box.value); last = box.value; };
function markTo(box) {
  const all = boxes();
  const [from, to] = [all.findIndex((each) => each.value === last), all.indexOf(box)].sort((a, b) => a - b);
  for (const each of all.slice(Math.max(from, 0), to + 1)) mark(each, true);
}
document.addEventListener('click', (event) => {
  const box = event.target;
  if (box.matches?.('input[form=bulk][name=id]')) { event.shiftKey && last ? markTo(box) : mark(box, box.checked); showMarks(); }
  if (box.id === 'mark-page') { for (const each of boxes()) mark(each, box.checked); showMarks(); }
});
document.addEventListener('change', (event) => { if (event.target.matches('#bulk input[name=all]')) showMarks(); });

// Live regions: asked for again with the page's ETag, and swapped where nobody works in them.
let etag = body.dataset.etag || '';
let held = false, busy = false, wanted = false, failures = 0, timer = 0;
const every = Number(body.dataset.poll || 0) * 1000;
const rows = (region) => $$('[data-id]', region).map((row) => row.dataset.id).join('\n');
function inUse(region, fresh) {
  const active = document.activeElement;
  if (region.contains(active) && active.matches('textarea, select, input:not([type=checkbox])')) return true;
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.containsNode(region, true)) return true;
  if ($('details.pop[open]', region)) return true;
  return region.matches(':hover') && rows(region) !== rows(fresh);
}
function swap(region, fresh) {
  const active = region.contains(document.activeElement) ? document.activeElement : null;
  const key = active && (active.id ? `#${CSS.escape(active.id)}` : active.dataset.id && `[data-id="${CSS.escape(active.dataset.id)}"]`);
  const open = $$('details[id][open]', region).map((each) => each.id);
  const scrolls = $$('.wrap', region).map((each) => each.scrollLeft);
  region.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute('open', '');
  $$('.wrap', region).forEach((each, index) => { each.scrollLeft = scrolls[index] || 0; });
  if (key) $(key, region)?.focus({ preventScroll: true });
  times(region);
}
async function refresh() {
  if (busy || held || document.hidden || $('dialog[open]')) { wanted = true; return; }
  busy = true; wanted = false;
  try {
    const answer = await fetch(location.href, { headers: { 'x-region': 'live', ...(etag && { 'if-none-match': etag }) }, cache: 'no-store', signal: AbortSignal.timeout(20000) });
    if (answer.redirected) { location.reload(); return; }
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const region of $$('[data-live]')) {
        const next = fresh.getElementById(region.id);
        if (!next || next.innerHTML === region.dataset.was) continue;
        if (inUse(region, next)) { wanted = true; continue; }
        region.dataset.was = next.innerHTML;
        swap(region, next);
      }
      if (!wanted) etag = answer.headers.get('etag') || '';
      showMarks();
    }
    $('#asof').dateTime = new Date().toISOString();
    if (failures > 1) toast('The dashboard answers again.');
    failures = 0;
  } catch {
    if (++failures === 2) toast('The dashboard does not answer. It is asked again.');
  } finally { busy = false; times(); indicate(); }
}
function indicate() {
  const now = $('#now');
  if (!now) return;
  now.classList.toggle('is-live', !held && !failures);
  now.classList.toggle('is-held', held);
  const text = failures > 1 ? 'No answer' : held ? 'Held' : 'Live';
  const word = $('#live-word');
  if (word.textContent !== text) word.textContent = text;
  $('#hold').setAttribute('aria-pressed', String(held));
}
function schedule() {
  clearTimeout(timer);
  timer = setTimeout(async () => { await refresh(); schedule(); }, every * Math.min(8, 1 + failures));
}
function hold() { held = !held; indicate(); if (!held) refresh(); }
if ($('[data-live]') && every) {
  for (const region of $$('[data-live]')) {
    region.dataset.was = region.innerHTML;
    region.addEventListener('pointerleave', () => { if (wanted) refresh(); });
  }
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
  $('#hold').addEventListener('click', hold);
  if (body.dataset.events) {
    const source = new EventSource(body.dataset.events);
    source.onmessage = () => refresh();
  }
  schedule();
}
setInterval(() => { if (!document.hidden) times(); }, 1000);

// Copying, settings, dialogs.
async function copy(text) {
  try { await navigator.clipboard.writeText(text); toast('Copied.'); } catch { toast('The browser does not allow copying here.'); }
}
document.addEventListener('click', (event) => {
  const button = event.target.closest?.('[data-copy], [data-open], [data-close], [data-expand]');
  if (!button) return;
  if (button.dataset.copy !== undefined) copy(button.dataset.copy || $('code', button.parentElement).textContent);
  if (button.dataset.open) { event.preventDefault(); $('#' + button.dataset.open).showModal(); }
  if (button.dataset.close !== undefined) button.closest('dialog').close();
  if (button.dataset.expand) { const all = $$('details', $('#' + button.dataset.expand)); const open = !all.every((each) => each.open); for (const each of all) each.open = open; }
});
function apply() { const theme = settings.get('theme'); theme ? root.dataset.theme = theme : delete root.dataset.theme; }
for (const field of $$('[data-setting]')) {
  const name = field.dataset.setting;
  if (field.type === 'checkbox') field.checked = !!settings.get(name); else field.value = settings.get(name) || '';
  field.addEventListener('change', () => { settings.set(name, field.type === 'checkbox' ? field.checked && 'on' : field.value); apply(); times(); });
}
apply();

// JSON typed into a form is checked while it is typed; the server checks it against the schema.
document.addEventListener('input', (event) => {
  const area = event.target;
  if (!area.matches('textarea[data-json]')) return;
  let problem = '';
  try { if (area.value.trim()) JSON.parse(area.value); } catch (error) { problem = `Not JSON: ${error.message}`; }
  area.toggleAttribute('aria-invalid', false);
  if (problem) area.setAttribute('aria-invalid', 'true');
  const place = document.getElementById(area.dataset.json);
  if (place) place.textContent = problem;
});

// The palette: every page, and whatever this page can do.
const palette = $('#palette');
function openPalette() {
  const list = $('ul', palette), field = $('input', palette);
  const all = [...$$('.side a.n').map((link) => [link.dataset.name, link]), ...$$('main [data-key], .acts a, .acts button').filter((each) => each.offsetParent).map((each) => [each.textContent.trim(), each])];
  const show = () => {
    const words = field.value.trim().toLowerCase();
    const items = all.filter(([text]) => text && text.toLowerCase().includes(words)).slice(0, 12).map(([text, target]) => {
      const link = Object.assign(document.createElement('a'), { href: target.href || '#', textContent: text });
      link.onclick = (event) => { event.preventDefault(); palette.close(); target.click(); };
      const item = document.createElement('li');
      item.append(link);
      return item;
    });
    if (words) {
      const search = Object.assign(document.createElement('a'), { href: `${base}/jobs?q=${encodeURIComponent(field.value.trim())}`, textContent: `Search jobs: ${field.value.trim()}` });
      const item = document.createElement('li');
      item.append(search);
      items.push(item);
    }
    list.replaceChildren(...items);
  };
  field.value = '';
  field.oninput = show;
  field.onkeydown = (event) => { if (event.key === 'Enter') { event.preventDefault(); $('a', list)?.click(); } };
  list.onkeydown = field.onkeyup = (event) => {
    const links = $$('a', list), at = links.indexOf(document.activeElement);
    if (event.key === 'ArrowDown') (links[at + 1] || links[0])?.focus();
    if (event.key === 'ArrowUp') (links[at - 1] || field).focus();
  };
  show();
  palette.showModal();
}

// Keys. `data-key` on a link, a button or a field is its key on this page.
const PLACES = { o: '/', j: '/jobs', e: '/errors', q: '/queues', s: '/schedules', t: '/types', b: '/batches', d: '/dead-letters', p: '/operations', h: '/health' };
let going = 0;
const rowOf = () => document.activeElement?.closest?.('[data-id]');
function move(by) {
  const all = $$('main [data-id]').filter((each) => each.offsetParent);
  const at = all.indexOf(rowOf());
  const row = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
  row?.focus();
  row?.scrollIntoView({ block: 'nearest' });
}
const keys = {
  '/': () => $('[data-key="/"]')?.focus(), ':': openPalette, '?': () => $('#help').showModal(), '.': () => every && hold(),
  j: () => move(1), k: () => move(-1),
  x: () => { const box = $('input[form=bulk]', rowOf() || undefined); if (rowOf() && box) { mark(box, !marks.has(box.value)); showMarks(); } },
  X: () => { const box = rowOf() && $('input[form=bulk]', rowOf()); if (box) { markTo(box); showMarks(); } },
  '*': () => { const all = bulk && $('input[name=all]', bulk); if (all) { all.checked = !all.checked; showMarks(); } },
  y: () => { const row = rowOf(), at = $('main [data-copy]'); const text = row?.dataset.command || at?.dataset.copy || at?.parentElement.querySelector('code')?.textContent; if (text) copy(text); },
};
function press(key) {
  const row = rowOf(), button = bulk && $(`[data-key="${CSS.escape(key)}"]`, bulk);
  if (button) {
    const box = row && $('input[form=bulk]', row);
    if (box && bulk.hidden) { mark(box, true); showMarks(); }
    if (!bulk.hidden) { button.click(); return true; }
  }
  const target = (row && $(`[data-key="${CSS.escape(key)}"]`, row)) || $$(`[data-key="${CSS.escape(key)}"]`).find((each) => each.offsetParent);
  target?.click();
  return !!target;
}
document.addEventListener('keydown', (event) => {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || settings.get('no-keys') || $('dialog[open]')) return;
  if (target.matches('input:not([type=checkbox], [type=radio]), textarea, select')) { if (event.key === 'Escape') target.blur(); return; }
  if (Date.now() - going < 1500) {
    going = 0;
    const place = PLACES[event.key];
    if (place) { event.preventDefault(); location.href = base + place; }
    return;
  }
  if (event.key === 'g') { going = Date.now(); return; }
  if (event.key === 'Enter') { if (target.matches('[data-id]')) $('a[href]', target)?.click(); return; }
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); } else if (event.key.length === 1 && press(event.key)) event.preventDefault();
});

root.classList.add('js');
times();
showMarks();
indicate();
