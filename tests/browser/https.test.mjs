// `run --local` beyond loopback: HTTPS with a certificate of its own, and a password.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Stage, freePort, invitation, live, open, pictures } from './harness.mjs';

const stage = new Stage();
let daemon, browser;
before(async () => {
  const address = Object.values(os.networkInterfaces()).flat().find(i => i.family === 'IPv4' && !i.internal)?.address;
  assert.ok(address, 'this machine has no address beyond loopback');
  const config = path.join(stage.folder('config'), 'lunette.toml');
  const password = path.join(stage.folder('config'), 'password');
  fs.writeFileSync(password, 'open sesame\n', { mode: 0o600 });
  fs.writeFileSync(config, `camera = "testcard"\nname = "Hall"\n[local]\nlisten = "${address}:${await freePort()}"\npassword_file = "${password}"\n`);
  daemon = await stage.lunette(['--local', '--config', config]);
  browser = await stage.browser({ ignoreHTTPSErrors: true });
});
after(() => stage.close());

test('a wrong password is said to be wrong, the right one opens the door', async () => {
  assert.match(daemon.link, /^https:/);
  const page = await open(browser, `${daemon.link}#c=${daemon.camera}${await invitation(browser, daemon.link, daemon.camera)}&meter=1`);
  const dialog = page.locator('#login-dialog');
  await dialog.waitFor({ state: 'visible' });
  for (const password of ['open barley', 'open sesame']) {
    await page.locator('#login-user').fill('viewer');
    await page.locator('#login-password').fill(password);
    await dialog.locator('[type=submit]').click();
    if (password === 'open barley') await dialog.locator('.error').filter({ hasText: /\w/ }).waitFor();
  }
  await live(page);
  assert.deepEqual((await pictures(page, 30)).filter(f => f.corrupt), []);
  assert.deepEqual(page.errors, []);
  await page.close();
});

test('secrets and addresses stay out of the log', () => {
  const log = daemon.lines.filter(line => / (INFO|WARN|ERROR) /.test(line)).join('\n');
  assert.match(log, /watching: first picture/);
  assert.doesNotMatch(log, /open sesame|a=candidate|ice-pwd|fingerprint:|PRIVATE KEY|[#&]p=/);
  assert.doesNotMatch(log, /\b\d{1,3}(\.\d{1,3}){3}\b/, 'an address');
});
