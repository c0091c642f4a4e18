// TURN servers that are of no use: page and log say why within ten seconds. And one that forgets. Runs in the lab.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pictures } from '../browser/harness.mjs';
import { Lab, broken, seen } from './lab.mjs';

const lab = new Lab();
let turn;
before(async () => {
  await lab.up();
  turn = await lab.coturn();
});
after(() => lab.close());

const WITHIN = 10_000;
const TURN = ['turn:turn.example.net'];
const TLS = ['turns:turn.example.net:443?transport=tcp'];

/** What the page says, in its large words and the small ones. */
const says = page => page.evaluate(() => ['#state', '#state-more'].map(id => document.querySelector(id)?.innerText ?? '').join(' | '));

/** Watches, and waits for both to say why there is no picture. */
async function refused(config, onPage, inLog, { camera = 'symmetric', viewer = 'symmetric' } = {}) {
  lab.net('nat', 'A', camera);
  lab.net('nat', 'B', viewer);
  const daemon = await lab.camera(config);
  const page = await lab.watch(daemon);
  try {
    const from = Date.now();
    const heard = daemon.says(inLog, { timeout: WITHIN + 1000 });
    heard.catch(() => {});
    await page.waitForFunction(
      source => new RegExp(source).test(['#state', '#state-more'].map(id => document.querySelector(id)?.innerText ?? '').join(' | ')),
      onPage.source, { timeout: WITHIN },
    ).catch(async e => { throw new Error(`the page says “${await says(page)}” and not ${onPage}\n${daemon.lines.slice(-5).join('\n')}\n${e.message}`); });
    console.log(`# page, after ${((Date.now() - from) / 1000).toFixed(1)} s: ${await says(page)}`);
    await heard;
    console.log(`# log: ${daemon.lines.find(line => inLog.test(line))}`);
    assert.equal(await page.evaluate(() => window.lunette.picture), false);
  } finally {
    await page.close();
    await daemon.stop();
  }
}

/** `[[ice]]` with a fixed name and password. */
function fixed(urls, { username, credential }) {
  const file = path.join(lab.folder('secrets'), 'password');
  fs.writeFileSync(file, credential, { mode: 0o600 });
  return `[[ice]]\nurls = ${JSON.stringify(urls)}\nuser = "${username}"\npassword_file = "${file}"\n`;
}

const CREDENTIALS = /refused the credentials/;
const NOT_ACCEPTED = /does not accept the user name and password/;
const NO_UDP = { camera: 'noudp', viewer: 'noudp' };

test('no UDP, and TURN over UDP only', () => refused(lab.ice(TURN), /TURN server turn\.example\.net has not answered/, /turn:turn\.example\.net.*does not answer/, NO_UDP));
test('a password that has ended', () => refused(fixed(TURN, lab.credentials(-60)), CREDENTIALS, NOT_ACCEPTED));
test('a wrong secret, by TLS', () => refused(lab.ice(TLS, { secret: 'another' }), CREDENTIALS, NOT_ACCEPTED, NO_UDP));
test('an authority that the camera does not know', () => refused(lab.ice(TLS, { ca: 'stranger' }), /TURN/, /certificate/, NO_UDP));
test('a server that answers garbage', async () => {
  const server = net.createServer(socket => {
    socket.on('error', () => {});
    socket.write(Buffer.alloc(256, 0xee));
  });
  server.listen(3479, '203.0.113.1');
  await once(server, 'listening');
  try {
    await refused(lab.ice(['turn:page.example.net:3479?transport=tcp']), /TURN/, /page\.example\.net.*is of no use/, NO_UDP);
  } finally {
    server.close();
  }
});

test('a server that is started again, and has forgotten its allocations, relays again', async () => {
  for (const home of ['A', 'B']) lab.net('nat', home, 'symmetric');
  const daemon = await lab.camera(lab.ice([...TURN, ...TLS]));
  const page = await lab.watch(daemon);
  try {
    await seen(page);
    await page.evaluate(() => (window.samePage = true));
    await turn.stop('SIGKILL');
    turn = await lab.coturn();
    const from = Date.now();
    const drawn = await page.waitForFunction(from => {
      const after = window.lunette.frames.filter(f => f.latencyMs !== undefined && f.present - f.latencyMs > from);
      return after[4]?.present;
    }, from, { timeout: 30_000 });
    console.log(`# pictures again after ${((await drawn.jsonValue() - from) / 1000).toFixed(1)} s`);
    assert.equal(await page.evaluate(() => window.samePage), true, 'the page was reloaded');
    assert.deepEqual(broken(await pictures(page, 15)), []);
  } finally {
    await page.close();
    await daemon.stop();
  }
});
