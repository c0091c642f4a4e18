// What systemd hears of a daemon that is watched: tests/systemd/manager.py stands in its place, and can stop the one thread
// that talks to the camera, as a driver does that does not come back.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Stage, binary, known, live, pictures, start, watch } from './harness.mjs';

const manager = path.resolve(import.meta.dirname, '../systemd/manager.py');
const stage = new Stage();
let daemon, camera, link, browser;

before(async () => {
  const state = stage.folder('state');
  const run = [binary, 'run', '--local', '--camera', 'testcard', '--listen', '127.0.0.1:0', '--state', state];
  daemon = start('python3', [manager, '1', ...run], { env: { ...process.env, NO_COLOR: '1', LUNETTE_VIDEO__SIZE: '640x480' } });
  stage.onClose(() => daemon.stop());
  const [printed] = await daemon.says(/https?:\/\/\S+/);
  link = printed.replace(/#.*/, '');
  camera = known(state);
  browser = await stage.browser();
});
after(() => stage.close());

const heard = (what, from = 0) => daemon.says(new RegExp(`^heard ${what}`), { from });
/** Leaves, and waits until it is known. */
const nobody = async page => {
  const from = daemon.lines.length;
  await page.close();
  await heard('STATUS=idle: nobody watches; broker connected$', from);
};
const fed = from => daemon.lines.slice(from).filter(line => line === 'heard WATCHDOG=1').length;

test('ready, fed, and told how the camera is', async () => {
  await heard('READY=1$');
  await heard('STATUS=idle: nobody watches; broker connected$');
  await heard('WATCHDOG=1$');
  const page = await watch(browser, link, camera);
  await heard('STATUS=live: test card 640×480 at 30 fps; 1 viewer; broker connected$');
  await nobody(page);
  assert.ok(!daemon.lines.includes('due'), 'the watchdog was fed all the time');
});

test('a camera thread that hangs while somebody watches is not covered up, and one that comes back is well', async () => {
  const page = await watch(browser, link, camera);
  await pictures(page, 10);
  const from = daemon.lines.length;
  daemon.signal('SIGUSR1');
  await daemon.says(/^held$/, { from });
  await daemon.says(/WARN .*the camera's driver has not answered for 1\d s; unless that changes, systemd starts Lunette anew/, { from });
  const ill = daemon.lines.length;
  await daemon.says(/^due$/, { from });
  assert.equal(fed(ill), 0, 'nothing feeds the watchdog');
  daemon.signal('SIGUSR2');
  await heard('WATCHDOG=1$', ill);
  await live(page);
  await pictures(page, 10);
  await nobody(page);
});

test('a camera thread that hangs while nobody watches is nobody\'s concern, until somebody does', async () => {
  const from = daemon.lines.length;
  daemon.signal('SIGUSR1');
  await daemon.says(/^held$/, { from });
  for (let n = 0; n < 4; n += 1) await heard('WATCHDOG=1$', daemon.lines.length);
  assert.ok(!daemon.lines.slice(from).includes('due'));
  daemon.signal('SIGUSR2');
  await daemon.says(/^released$/, { from });
});

test('the end is said', async () => {
  const from = daemon.lines.length;
  daemon.signal('SIGTERM');
  await heard('STOPPING=1$', from);
  await daemon.says(/^ended 0$/, { from });
});
