// A binary of another architecture, run by qemu-user: `TEST_BINARY=… node --test emulated.mjs`. scripts/cross.sh does.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { Stage, invitation, live, open, pictures } from './harness.mjs';

const stage = new Stage();
after(() => stage.close());

test('its picture reaches a browser by way of mosquitto, and it stops when told to', async () => {
  const broker = await stage.mosquitto();
  const config = path.join(stage.folder('config'), 'lunette.toml');
  // Small: each instruction of the software encoder is translated.
  fs.writeFileSync(config, `camera = "testcard"\n[video]\nsize = "320x240"\nfps = 10\n[signal.mqtt]\nurl = "mqtt://127.0.0.1:${broker.tcp}"\n`);
  const daemon = await stage.lunette(['--config', config], { ready: /connected to the broker/ });
  const link = await stage.host({ broker: `ws://127.0.0.1:${broker.ws}`, login: 'none', cameras: [{ id: daemon.camera, name: 'Board' }] });
  const browser = await stage.browser();
  const page = await open(browser, `${link}#c=${daemon.camera}${await invitation(browser, link, daemon.camera)}&meter=1`);
  await live(page, undefined, 60_000);
  const seen = await pictures(page, 40, 60_000);
  assert.deepEqual(seen.filter(f => f.corrupt), []);
  assert.deepEqual(page.errors, []);
  assert.equal(await daemon.stop(), 0);
});
