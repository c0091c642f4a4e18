// Who may look: by the link that is printed, by an invitation of the owner, and no more after being removed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Stage, command, freePort, live, open, pictures } from './harness.mjs';

const stage = new Stage();
let daemon, owner, guest, page, theirs;
before(async () => {
  daemon = await stage.lunette(['--local', '--camera', 'testcard', '--listen', `127.0.0.1:${await freePort()}`, '--name', 'Front door']);
  owner = await stage.browser();
  guest = await stage.browser({ permissions: ['clipboard-read', 'clipboard-write'] });
});
after(() => stage.close());

const hook = (page, name) => page.evaluate(name => window.lunette[name], name);
const told = page => page.evaluate(() => ['#state', '#state-more'].map(id => document.querySelector(id).textContent).join(' '));
const refused = (page, why) => page.waitForFunction(why => window.lunette?.refusal === why, why, { timeout: 15_000 }).catch(async e => {
  throw new Error(`not ${why} but ${await hook(page, 'refusal')}: ${await told(page)}\n${daemon.lines.slice(-10).join('\n')}\n${e.message}`);
});
/** Where TEST_SHOTS says, or nowhere that is kept. */
async function shots(page, name) {
  const folder = process.env.TEST_SHOTS ?? stage.folder('shots');
  fs.mkdirSync(folder, { recursive: true });
  for (const [size, width, height] of [['phone', 390, 844], ['desktop', 1280, 800]]) {
    await page.setViewportSize({ width, height });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${name} on a ${size} is ${over} px too wide`);
    await page.screenshot({ path: path.join(folder, `${name}-${size}.png`) });
  }
}
/** The owner's list of who may look. */
async function people() {
  if (await hook(page, 'view') === 'live') await page.locator('#back').click();
  await page.locator(`.card[data-camera="${daemon.camera}"] .more`).click();
  await page.locator('#who-may-look').click();
  await page.locator('#people li').first().waitFor();
}

test('a browser that is not paired is told so, and how to be', async () => {
  const stranger = await open(guest, `${daemon.link}#c=${daemon.camera}`);
  await refused(stranger, 'not_paired');
  assert.match(await told(stranger), /not paired .*“lunette pair”/);
  await shots(stranger, 'unpaired');
  await stranger.close();
});

test('the link that is printed pairs at once, and the secret does not stay in the address', async () => {
  assert.match(daemon.printed, /#c=[a-z2-7]{26}&p=[\w-]{22}/);
  page = await open(owner, `${daemon.printed}&meter=1`);
  await live(page);
  await pictures(page, 10);
  assert.equal(await hook(page, 'role'), 'owner');
  assert.equal(new URL(page.url()).hash, `#c=${daemon.camera}&meter=1`);
  const secret = daemon.printed.match(/p=([\w-]{22})/)[1];
  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, history.state, location.href, document.referrer]));
  assert.ok(!kept.includes(secret), 'nowhere that a script finds it');
  assert.deepEqual(page.errors, []);
});

test('the same link lets nobody else in, and the page says why', async () => {
  const other = await open(guest, daemon.printed);
  await refused(other, 'pairing_used');
  assert.match(await told(other), /used already/);
  assert.equal(await hook(other, 'picture'), false);
  await other.close();
});

test('both sides say the same words', async () => {
  const [camera, viewer] = [await hook(page, 'cameraWords'), await hook(page, 'words')];
  assert.match(camera, /^([a-z]{3,8} ){5}[a-z]{3,8}$/);
  assert.ok((await command(daemon.state, 'status')).includes(camera), 'lunette status');
  assert.ok((await command(daemon.state, 'viewers')).includes(viewer), 'lunette viewers');
  await page.locator('#details-button').click();
  await page.locator('[data-detail="camera-words"]').filter({ hasText: camera }).waitFor();
  await page.locator('[data-detail="viewer-words"]').filter({ hasText: viewer }).waitFor();
  await page.locator('#details-button').click();
});

test('the owner invites by a link, and whoever opens it may look, and not invite', async () => {
  await people();
  await shots(page, 'people');
  await page.locator('#invite').click();
  await page.locator('#invite-label').fill('Anna’s phone');
  await page.locator('#invite-role').selectOption('view');
  await page.locator('#invite-lasts').selectOption({ label: '1 week' });
  await shots(page, 'invite');
  await page.locator('#invite-dialog [type=submit]').click();
  const link = await page.locator('#copy-invitation').getAttribute('data-link');
  await shots(page, 'invitation');
  assert.match(link, /[#&]p=[\w-]{22}&g=[\w-]{203}/);
  theirs = await open(guest, `${link}&meter=1`);
  await live(theirs);
  await pictures(theirs, 10);
  assert.equal(await hook(theirs, 'role'), 'view');
  assert.doesNotMatch(theirs.url(), /[pg]=/);
  await page.locator('#link-dialog [type=submit]').click();
  const anna = page.locator('#people li').filter({ hasText: 'Anna’s phone' });
  await anna.filter({ hasText: 'Watching now' }).filter({ hasText: 'Invited by you' }).filter({ hasText: 'until' }).waitFor();
  // Used, it lets nobody else in.
  const third = await open(await stage.browser(), link);
  await refused(third, 'pairing_used');
  await third.close();
  // Who may only look has no list.
  await theirs.locator('#back').click();
  await theirs.locator('.card .more').click();
  assert.equal(await theirs.locator('#who-may-look').isVisible(), false);
  await theirs.locator('#viewer-label').fill('Anna’s tablet');
  await theirs.locator('#camera-dialog [type=submit]').click();
  await anna.waitFor({ state: 'detached' });
  await page.locator('#people li').filter({ hasText: 'Anna’s tablet' }).waitFor();
  await theirs.locator('.card a.open').click();
  await live(theirs);
});

test('who watches now is told, with names to the owner', async () => {
  await page.locator('#access-dialog [type=submit]').click();
  await page.locator('.card a.open').click();
  await live(page);
  await page.locator('#details-button').click();
  const row = page.locator('#details dl > div').filter({ has: page.locator('[data-detail="viewers"]') });
  await row.filter({ hasText: /2 of \d+/ }).filter({ hasText: 'Anna’s tablet, you' }).waitFor();
  await shots(page, 'details');
  await theirs.locator('#details-button').click();
  await theirs.locator('[data-detail="viewers"]').filter({ hasText: '2 of' }).waitFor();
  assert.doesNotMatch(await theirs.locator('#details').innerText(), /Chrome on/, 'no names for others');
});

test('who is removed sees nothing within two seconds, and is told', async () => {
  await people();
  await page.locator('#people li').filter({ hasText: 'Anna’s tablet' }).getByRole('button', { name: 'Remove' }).click();
  await shots(page, 'remove');
  await page.locator('#revoke-dialog [type=submit]').click();
  const from = Date.now();
  await theirs.waitForFunction(() => window.lunette.state === 'stopped', undefined, { timeout: 5000 });
  const took = Date.now() - from;
  assert.ok(took < 2000, `after ${took} ms`);
  assert.equal(await hook(theirs, 'refusal'), 'revoked');
  assert.match(await told(theirs), /not look at this camera any more/);
  assert.deepEqual(await theirs.evaluate(() => [document.querySelector('#video').videoWidth, document.querySelector('.still').hidden]), [0, true], 'no last picture');
  await shots(theirs, 'revoked');
  await page.locator('#people li').filter({ hasText: 'Anna' }).waitFor({ state: 'detached' });
  assert.doesNotMatch(await command(daemon.state, 'viewers'), /Anna/);
  await theirs.reload();
  await refused(theirs, 'revoked');
  // Invited anew, it is back.
  const again = await command(daemon.state, 'pair');
  await theirs.locator('#paste-link').click();
  await theirs.locator('#add-link').fill(again.match(/\S+#c=\S+/)[0]);
  await theirs.locator('#add-dialog [type=submit]').click();
  await live(theirs);
});

test('`lunette revoke` does the same', async () => {
  const id = await hook(theirs, 'viewer');
  await command(daemon.state, 'revoke', id);
  await theirs.waitForFunction(() => window.lunette.state === 'stopped', undefined, { timeout: 2000 });
  assert.equal(await hook(theirs, 'refusal'), 'revoked');
  await theirs.close();
});

test('a browser that has lost its keys says so, and is let in again by a new link', async () => {
  await page.locator('#access-dialog [type=submit]').click();
  const before = await hook(page, 'viewer');
  await page.evaluate(() => new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase('lunette');
    request.onsuccess = resolve;
    request.onerror = reject;
  }));
  await page.goto(`${daemon.link}#c=${daemon.camera}&meter=1`);
  await page.reload();
  await refused(page, 'not_paired');
  assert.notEqual(await hook(page, 'viewer'), before);
  assert.match(await told(page), /lost its key.*“lunette pair”/);
  await shots(page, 'lost');
  const said = await command(daemon.state, 'pair', '--role', 'owner');
  await page.goto(said.match(/\S+#c=\S+/)[0]);
  await live(page);
  assert.equal(await hook(page, 'role'), 'owner');
  await page.close();
});
