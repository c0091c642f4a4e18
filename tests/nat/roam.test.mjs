// While somebody watches, everything below it changes: the viewer's network, the camera's, routers, TURN servers, the time.
// The picture comes back without a reload. And where no way can be found, the page says why. Runs in the lab: tests/nat/run.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { pictures } from '../browser/harness.mjs';
import { broken, Lab, seen } from './lab.mjs';

/** The aim is 2 s from the moment in which there is a way. What is far from it is a failure, also on a busy machine. */
const BACK = 10_000;
/** So soon the page has to say why there is no way. */
const WHY = 10_000;

const lab = new Lab();
let turn, daemon, page;
before(async () => {
  await lab.up();
  turn = await lab.coturn();
});
after(() => lab.close());
afterEach(async () => {
  await page?.close();
  await daemon?.stop();
  for (const home of ['A', 'B']) lab.net('nat', home, 'cone');
  lab.place('view', 'B');
});

const ALL = ['stun:turn.example.net', 'turn:turn.example.net', 'turn:turn.example.net?transport=tcp', 'turns:turn.example.net:443?transport=tcp'];

/** A camera with these servers, and a page that shows its picture. */
async function watching(servers, options) {
  daemon = await lab.camera(lab.ice(servers, options));
  page = await lab.watch(daemon);
  const way = await seen(page).catch(e => { throw new Error(`${e.message}\n${daemon.lines.slice(-15).join('\n')}`); });
  return { way, before: await look() };
}

const look = () => page.evaluate(() => {
  const { session, counters } = window.lunette;
  return { session, sessions: counters.sessions, losses: counters.losses, restarts: counters.restarts };
});

/** Ms from now to the fifth picture that was captured after now. All of one machine: one clock. */
async function untilNew(timeout = 60_000) {
  const start = Date.now();
  const fresh = async () => page.evaluate(start => {
    const after = window.lunette.frames.filter(f => f.stamp !== undefined && ((f.stamp - start % 2 ** 32 + 2 ** 32) % 2 ** 32) < 2 ** 31);
    return after[4]?.present;
  }, start);
  for (const end = start + timeout; Date.now() < end;) {
    const at = await fresh();
    if (at !== undefined) return at - start;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  const state = await page.evaluate(() => ({ ...window.lunette, frames: window.lunette.frames.length, text: document.querySelector('#state')?.textContent, more: document.querySelector('#state-more')?.textContent }));
  throw new Error(`no new picture in ${timeout} ms: ${JSON.stringify(state)}\n${daemon.lines.slice(-20).join('\n')}`);
}

/** Does it, and asserts that pictures are back in time, in the same session, without a reload. */
async function survives(what, how, { within = BACK, before, anew = false }) {
  await page.evaluate(() => { window.notReloaded = true; });
  how();
  const took = await untilNew();
  const now = await look();
  console.log(`# ${what}: new pictures after ${Math.round(took)} ms; ${now.restarts - before.restarts} restarts, ${now.sessions - before.sessions} new sessions`);
  assert.ok(took < within, `${what}: it took ${Math.round(took)} ms`);
  if (!anew) assert.equal(now.session, before.session, `${what}: the same session`);
  assert.equal(await page.evaluate(() => window.notReloaded), true);
  const shown = await pictures(page, 30);
  const whole = shown.map(f => (f.corrupt ? 'corrupt' : Math.round(f.latencyMs)));
  assert.deepEqual(broken(shown), [], `${what}: ${whole.join(' ')}`);
  return now;
}

test('the viewer goes to another network and back', async () => {
  let { before } = await watching(ALL);
  before = await survives('into the camera’s home', () => lab.place('view', 'A'), { before });
  await survives('and out of it', () => lab.place('view', 'B'), { before });
});

test('the camera gets another address', async () => {
  const { before } = await watching(ALL);
  const now = await survives('another address', () => lab.net('address', 'cam', 77), { before });
  await survives('and the first one again', () => lab.net('address', 'cam', 2), { before: now });
});

test('a router forgets its connections', async () => {
  lab.net('nat', 'A', 'symmetric');
  const { before } = await watching(ALL);
  // It cuts off the broker too, whose last will says that the camera is away: a page that hears that first begins anew.
  const now = await survives('the camera’s router', () => lab.net('forget', 'A'), { before, within: 8000, anew: true });
  await survives('the viewer’s router', () => lab.net('forget', 'B'), { before: now, within: 8000, anew: true });
});

test('a cable is out for ten seconds', async () => {
  const { before } = await watching(ALL);
  lab.net('cable', 'view', 'down');
  await page.locator('#state').filter({ hasText: 'Finding a new way to the camera…' }).waitFor({ timeout: 8000 });
  await new Promise(resolve => setTimeout(resolve, 8000)); // the outage itself
  await survives('the cable is in again', () => lab.net('cable', 'view', 'up'), { before });
});

test('a laptop that was suspended for 40 s', async () => {
  await watching(ALL);
  const pids = execFileSync('ps', ['-eo', 'pid=,args=']).toString().split('\n').filter(l => /chrom/.test(l)).map(l => Number.parseInt(l, 10));
  const own = pids.filter(pid => pid !== process.pid);
  assert.ok(own.length > 2, 'Chromium’s processes');
  const signal = name => own.forEach(pid => { try { process.kill(pid, name); } catch { /* it ended meanwhile */ } });
  signal('SIGSTOP');
  try {
    await new Promise(resolve => setTimeout(resolve, 40_000)); // asleep
    await daemon.says(/left after .* by|left after/, { timeout: 30_000 });
  } finally {
    signal('SIGCONT');
  }
  const took = await untilNew();
  console.log(`# awake again: new pictures after ${Math.round(took)} ms`);
  assert.ok(took < 2 * BACK, `it took ${Math.round(took)} ms`);
});

test('only through a TURN server, when asked for, and any way again', async () => {
  const { before } = await watching(ALL);
  await page.locator('#details-button').click();
  await page.locator('#relay-only').check();
  const way = page.locator('[data-detail="path"]');
  await way.filter({ hasText: /^Relayed by TURN/ }).waitFor();
  const path = await seen(page);
  assert.equal(path.local, 'relay');
  await page.screenshot({ path: shot('relay-desktop') });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.screenshot({ path: shot('relay-phone') });
  await page.setViewportSize({ width: 1280, height: 800 });
  assert.equal((await look()).session, before.session);
  await page.reload();
  await seen(page, { other: before.session });
  assert.equal((await seen(page)).local, 'relay', 'it is remembered');
  if (!await page.locator('#relay-only').isVisible()) await page.locator('#details-button').click();
  await page.locator('#relay-only').uncheck();
  await way.filter({ hasText: /^Direct/ }).waitFor();
  await daemon.stop();
  assert.ok(daemon.lines.some(line => /left after .*; relayed.* \d+\.\d MB by relays/.test(line)), daemon.lines.slice(-5).join('\n'));
});

test('the TURN server dies: another one does it', async () => {
  for (const home of ['A', 'B']) lab.net('nat', home, 'symmetric');
  const servers = { '203.0.113.10': turn, '203.0.113.11': await lab.coturn('turn2') };
  const { way, before } = await watching(['turn:turn.example.net', 'turn:turn2.example.net']);
  // Whichever it is by which the pictures go.
  const used = [way.address, way.peer].find(address => address in servers);
  assert.ok(used, `a relay: ${JSON.stringify(way)}`);
  await servers[used].stop('SIGKILL');
  try {
    // By a restart, or by a pair that was there already.
    await survives('one dies', () => {}, { before, within: 15_000 });
    const path = await seen(page);
    assert.ok(![path.address, path.peer].includes(used), 'by the other one');
  } finally {
    for (const server of Object.values(servers)) await server.stop('SIGKILL');
    turn = await lab.coturn();
  }
});

/** A camera that cannot be reached; what the page says after some seconds, and what the camera's log says. */
async function inVain(servers, options, words) {
  for (const home of ['A', 'B']) lab.net('nat', home, 'symmetric');
  daemon = await lab.camera(lab.ice(servers, options));
  const start = Date.now();
  page = await lab.watch(daemon);
  await page.locator('#state-more').filter({ hasText: words }).waitFor({ timeout: 20_000 }).catch(async e => {
    throw new Error(`${await page.locator('#state').textContent()} ${await page.locator('#state-more').textContent()}\n${daemon.lines.slice(-9).join('\n')}\n${e.message}`);
  });
  const took = Date.now() - start;
  const [line] = await daemon.says(/left after .*No connection came about: .*/, { timeout: WHY });
  const said = `${await page.locator('#state').textContent()}: ${await page.locator('#state-more').textContent()}`;
  console.log(`# after ${took} ms: ${said}\n# log: ${line}`);
  assert.ok(took < WHY, `it took ${took} ms`);
  assert.doesNotMatch(line, /\d+\.\d+\.\d+\.\d+/, 'no addresses in the log');
  return said;
}

test('no way and no TURN server: the page says so, and goes on trying', async () => {
  await inVain(['stun:turn.example.net'], {}, /the camera names no TURN server that could relay/);
  await page.locator('#state').filter({ hasText: 'No connection to the camera' }).waitFor();
  await page.screenshot({ path: shot('why-desktop') });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.screenshot({ path: shot('why-phone') });
  for (const home of ['A', 'B']) lab.net('nat', home, 'cone');
  await seen(page, { timeout: 45_000 });
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('wrong TURN credentials: the page says so', async () => {
  await inVain(['turn:turn.example.net'], { secret: 'another secret' }, /turn\.example\.net refused the credentials/);
});

test('a TURN server that is not there: the page says so', async () => {
  await turn.stop('SIGKILL');
  try {
    await inVain(['turn:turn.example.net'], {}, /turn\.example\.net (cannot be reached from here|has not answered)/);
  } finally {
    turn = await lab.coturn();
  }
});

/** Where pictures of the page go: where TEST_SHOTS says, or nowhere that is kept. */
function shot(name) {
  const folder = process.env.TEST_SHOTS ?? lab.folder('shots');
  fs.mkdirSync(folder, { recursive: true });
  return path.join(folder, `${name}.png`);
}
