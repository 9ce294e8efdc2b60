// What pages do beyond links and forms.
const $ = (css, root = document) => root.querySelector(css);
const $$ = (css, root = document) => [...root.querySelectorAll(css)];
const on = (kind, act) => document.addEventListener(kind, act);
const make = (tag, fields) => Object.assign(document.createElement(tag), fields);
const root = document.documentElement;
const { base = '', poll, events } = document.body.dataset;

// Storage is away in some private windows.
const settings = {
	get(name) { try { return localStorage['lamp.' + name]; } catch { return ''; } },
	set(name, value) { try { localStorage['lamp.' + name] = value || ''; } catch { } },
};

function toast(text) {
	const box = make('div', { className: 'toast', textContent: text });
	$('#toasts').append(box);
	setTimeout(() => box.remove(), 5000);
}

// Times: relative, with the exact one in the reader's zone on hover, and beside a row that has the focus; or the other way
// round.
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
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
		const isAgo = kind === 'ago' || !kind && !settings.get('times');
		const words = kind === 'clock' ? clock.format(date) : kind === 'exact' ? full : isAgo ? relative(date) : short.format(date);
		if (time.textContent !== words) time.textContent = words;
		time.title = isAgo ? full : `${full}, ${relative(date)}`;
		if (isAgo && !kind) time.dataset.full = full; else delete time.dataset.full;
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
		const kept = make('input', { type: 'hidden', name: 'id', value: id });
		kept.dataset.kept = '';
		bulk.append(kept);
	}
	const top = $('#mark-page');
	if (top) { top.checked = shown.size && [...shown].every((id) => marks.has(id)); top.indeterminate = marks.size && !top.checked; }
}
const mark = (box, on) => { on ? marks.add(box.value) : marks.delete(box.value); last = box.value; };
function markTo(box) {
	const all = boxes();
	const [from, to] = [all.findIndex((each) => each.value === last), all.indexOf(box)].sort((a, b) => a - b);
	for (const each of all.slice(Math.max(from, 0), to + 1)) mark(each, true);
}
on('click', (event) => {
	const box = event.target;
	if (box.matches?.('input[form=bulk][name=id]')) { event.shiftKey && last ? markTo(box) : mark(box, box.checked); showMarks(); }
	if (box.id === 'mark-page') { for (const each of boxes()) mark(each, box.checked); showMarks(); }
});
on('change', (event) => { if (event.target.matches('#bulk input[name=all]')) showMarks(); });

// Live regions: asked for again with the page's ETag, and swapped where nobody works in them.
let etag = '', held = false, busy = false, wanted = false, failures = 0;
const every = (poll || 0) * 1000;
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
	const key = active && (active.id ? `#${CSS.escape(active.id)}` : `[data-id="${CSS.escape(active.dataset.id)}"]`);
	const open = $$('details[id][open]', region).map((each) => each.id);
	const scrolls = $$('.wrap', region).map((each) => each.scrollLeft);
	region.replaceChildren(...fresh.childNodes);
	for (const id of open) $('#' + CSS.escape(id))?.setAttribute('open', '');
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
		failures = 0;
	} catch { failures += 1; } finally { busy = false; times(); indicate(); }
}
function indicate() {
	const now = $('#now');
	if (!now) return;
	now.classList.toggle('is-live', !held && !failures);
	now.classList.toggle('is-held', held);
	$('#live-word').textContent = failures > 1 ? 'No answer' : held ? 'Held' : wanted ? 'Waits: in use' : 'Live';
	$('#hold').setAttribute('aria-pressed', String(held));
}
const schedule = () => setTimeout(async () => { await refresh(); schedule(); }, every * Math.min(8, 1 + failures));
function hold() { held = !held; indicate(); if (!held) refresh(); }
if ($('[data-live]') && every) {
	for (const region of $$('[data-live]')) {
		region.dataset.was = region.innerHTML;
		region.addEventListener('pointerleave', () => { if (wanted) refresh(); });
	}
	on('visibilitychange', () => { if (!document.hidden) refresh(); });
	$('#hold').addEventListener('click', hold);
	if (events) new EventSource(events).addEventListener('changed', refresh);
	schedule();
}
setInterval(() => { if (!document.hidden) times(); }, 1000);

// Copying, dialogs, settings.
async function copy(text) {
	try { await navigator.clipboard.writeText(text); toast(`Copied: ${text}`); } catch { toast('The browser does not allow copying here.'); }
}
on('click', (event) => {
	const button = event.target.closest?.('[data-copy], [data-open], [data-close], [data-expand]');
	if (!button) return;
	const { copy: text, open, close, expand } = button.dataset;
	if (text !== undefined) copy($('code', button.parentElement).textContent);
	if (open) $('#' + open).showModal();
	if (close !== undefined) button.closest('dialog').close();
	if (expand) { const all = $$('details', $('#' + expand)), unfold = !all.every((each) => each.open); for (const each of all) each.open = unfold; }
});
function apply() { const theme = settings.get('theme'); theme ? root.dataset.theme = theme : delete root.dataset.theme; }
for (const field of $$('[data-setting]')) {
	const name = field.dataset.setting;
	if (field.type === 'checkbox') field.checked = !!settings.get(name); else field.value = settings.get(name) || '';
	field.addEventListener('change', () => { settings.set(name, field.type === 'checkbox' ? field.checked && 'on' : field.value); apply(); times(); });
}
apply();

// JSON typed into a form is checked while it is typed; the server checks it against the schema.
on('input', (event) => {
	const area = event.target;
	if (!area.matches('textarea[data-json]')) return;
	let problem = '';
	try { if (area.value.trim()) JSON.parse(area.value); } catch (error) { problem = `Not JSON: ${error.message}`; }
	area.ariaInvalid = problem ? 'true' : null;
	$('#' + area.dataset.json).textContent = problem;
});

// The palette: every page, and whatever this page can do.
const palette = $('#palette');
function openPalette() {
	const list = $('ul', palette), field = $('input', palette);
	const all = [...$$('.side a.n').map((link) => [link.dataset.name, link]), ...$$('main [data-key], .acts a, .acts button').filter((each) => each.offsetParent).map((each) => [each.textContent.trim(), each])];
	const item = (text, href, go) => { const li = make('li', {}); li.append(make('a', { href, textContent: text, onclick: go })); return li; };
	const show = () => {
		const words = field.value.trim();
		const fit = all.filter(([text]) => text && text.toLowerCase().includes(words.toLowerCase())).slice(0, 12);
		list.replaceChildren(...fit.map(([text, target]) => item(text, target.href || '#', (event) => { event.preventDefault(); palette.close(); target.click(); })));
		if (words) list.append(item(`Search jobs: ${words}`, `${base}/jobs?q=${encodeURIComponent(words)}`));
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
let going = 0;
const rowOf = () => document.activeElement?.closest('[data-id]');
const boxOf = () => rowOf() && $('input[form=bulk]', rowOf());
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
	x: () => { const box = boxOf(); if (box) { mark(box, !marks.has(box.value)); showMarks(); } },
	X: () => { const box = boxOf(); if (box) { markTo(box); showMarks(); } },
	'*': () => { const all = bulk && $('input[name=all]', bulk); if (all) { all.checked = !all.checked; showMarks(); } },
	y: () => { const row = rowOf()?.closest('[data-command]'); row ? copy(row.dataset.command) : $('main [data-copy]')?.click(); },
};
function press(key) {
	const css = `[data-key="${CSS.escape(key)}"]`, row = rowOf(), button = bulk && $(css, bulk);
	if (button) {
		const box = boxOf();
		if (box && bulk.hidden) { mark(box, true); showMarks(); }
		if (!bulk.hidden) { button.click(); return true; }
	}
	const target = (row && $(css, row)) || $$(css).find((each) => each.offsetParent);
	target?.click();
	return !!target;
}
on('keydown', (event) => {
	const target = event.target;
	if (event.ctrlKey || event.metaKey || event.altKey || settings.get('no-keys') || $('dialog[open]')) return;
	if (target.matches('input:not([type=checkbox], [type=radio]), textarea, select')) { if (event.key === 'Escape') target.blur(); return; }
	if (Date.now() - going < 1500) {
		going = 0;
		$(`.side [data-go="${CSS.escape(event.key)}"]`)?.click();
		event.preventDefault();
		return;
	}
	if (event.key === 'g') { going = Date.now(); return; }
	if (event.key === 'Enter') { if (target.matches('[data-id]')) $('a[href]', target)?.click(); return; }
	if (keys[event.key]) { event.preventDefault(); keys[event.key](); } else if (event.key.length === 1 && press(event.key)) event.preventDefault();
});

times();
showMarks();
indicate();
