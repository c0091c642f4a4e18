// The production shape: a broker of its own (mosquitto, MQTT over WebSocket), the page on a static host.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Stage, live, pictures, watch } from './harness.mjs';

const stage = new Stage();
let broker, daemon, link, browser;
before(async () => {
  broker = await stage.mosquitto();
  const config = path.join(stage.folder('config'), 'lunette.toml');
  fs.writeFileSync(config, `camera = "testcard"\nname = "Garden"\n[video]\nsize = "640x480"\n[signal.mqtt]\nurl = "mqtt://127.0.0.1:${broker.tcp}"\n`);
  daemon = await stage.lunette(['--config', config], { ready: /connected to the broker/ });
  link = await stage.host({ broker: `ws://127.0.0.1:${broker.ws}`, login: 'none', cameras: [{ id: daemon.camera, name: 'Garden' }] });
  browser = await stage.browser();
});
after(() => stage.close());

test('the picture comes by way of mosquitto', async () => {
  const page = await watch(browser, link, daemon.camera);
  const seen = await pictures(page, 60);
  assert.deepEqual(seen.filter(f => f.corrupt), []);
  assert.deepEqual(page.errors, []);
  await page.close();
});

test('the broker dies while watching: the picture goes on, and a new viewer can join after', async () => {
  const page = await watch(browser, link, daemon.camera);
  const session = await page.evaluate(() => window.lunette.session);
  const from = daemon.lines.length;
  await broker.stop('SIGKILL');
  await daemon.says(/no connection to the broker/, { from });
  assert.equal((await pictures(page, 60)).filter(f => f.corrupt).length, 0);
  broker = await stage.mosquitto([broker.tcp, broker.ws]);
  await daemon.says(/connected to the broker .*again/, { from, timeout: 60_000 });
  const second = await watch(await stage.browser(), link, daemon.camera);
  await Promise.all([pictures(page, 30), pictures(second, 30)]);
  assert.equal(await page.evaluate(() => window.lunette.session), session, 'the first session never ended');
  await page.close();
  await second.close();
});

test('the daemon dies without a word: the page says so, and is back when it is', async () => {
  const page = await watch(browser, link, daemon.camera);
  const old = await page.evaluate(() => window.lunette.session);
  await daemon.stop('SIGKILL');
  await page.waitForFunction(() => window.lunette.state !== 'live');
  const config = path.join(stage.folder('config'), 'lunette.toml');
  daemon = await stage.lunette(['--config', config], { ready: /connected to the broker/ });
  await live(page, old, 60_000);
  await pictures(page, 10);
  await page.close();
});
