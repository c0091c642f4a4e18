// Kernel V4L2 cameras in a guest, watched by Chromium beside it. Started by tests/v4l2/run, in a network namespace that
// has the guest on its TAP.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Stage, binary, live, pairsBy, pictures, start, watch } from '../harness.mjs';

const vm = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../v4l2');
const out = process.env.V4L2_OUT;
const stage = new Stage();
const cameras = {};
let guest, browser, link, broker;

const hand = command => execFileSync('mosquitto_pub', ['-h', '10.77.0.1', '-t', 'hand', '-m', command]);

before(async () => {
  broker = await stage.mosquitto([1883, 9001], '10.77.0.1');
  const vivid = 'vivid n_devs=2 node_types=0x1,0x1';
  const modules = ['dummy_hcd', 'raw_gadget', 'uvcvideo', vivid, 'vh264'].flatMap(m => ['-m', m]);
  const command = [path.join(vm, 'cameras'), binary, path.join(out, 'uvccam'), path.join(out, 'clip.h264'), out];
  guest = start(path.join(vm, 'umlvm'), ['-n', 'tap0', '-t', '600', ...modules, '-w', out, '--', ...command]);
  stage.onClose(async () => {
    hand('stop');
    await guest.stop();
  });
  for (const name of ['usb', 'vivid', 'hardware']) {
    [, cameras[name]] = await guest.says(new RegExp(`^${name}: .*camera id (\\w{26})`), { timeout: 60_000 });
    await guest.says(new RegExp(`^${name}: .*connected to the broker`), { timeout: 60_000 });
    pairsBy(cameras[name], async () => {
      const from = guest.lines.length;
      hand(`pair-${name}`);
      const [, secret] = await guest.says(new RegExp(`^pair-${name}: .*[#&]p=([\\w-]{22})`), { from, timeout: 60_000 });
      return secret;
    });
  }
  link = await stage.host({
    broker: `ws://10.77.0.1:${broker.ws}`,
    login: 'none',
    cameras: Object.entries(cameras).map(([name, id]) => ({ id, name })),
  });
  browser = await stage.browser();
});
after(async () => {
  fs.writeFileSync(path.join(out, 'guest.log'), guest.lines.join('\n'));
  await stage.close();
});

test('probe names both cameras and what would be done with them', () => {
  const probe = guest.lines.filter(line => line.startsWith('probe: ')).join('\n');
  assert.match(probe, /uvcvideo/);
  assert.match(probe, /H264/);
  assert.match(probe, /vivid/);
});

test('a USB camera that gives H.264 is passed through untouched', async () => {
  const page = await watch(browser, link, cameras.usb);
  const seen = await pictures(page, 60, 60_000);
  assert.deepEqual(seen.filter(f => f.corrupt), [], 'every stamp is readable');
  // The clip's stamps count its pictures: n × 1000 / 30 ms, four seconds long.
  const numbers = seen.map(f => Math.round(f.stamp * 30 / 1000));
  const steps = numbers.slice(1).map((n, i) => (n - numbers[i] + 120) % 120);
  assert.ok(steps.filter(step => step === 1).length >= steps.length * 0.8, `in order: ${numbers}`);
  await page.close();
});

// vivid shows color bars with a running clock: neither black nor still.
async function colorBarsMove(page) {
  const look = () => page.evaluate(() => {
    const video = document.querySelector('#video');
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
  });
  const first = await look();
  const bright = first.filter((v, i) => i % 4 < 3 && v > 150).length / (first.length * 0.75);
  const dark = first.filter((v, i) => i % 4 < 3 && v < 60).length / (first.length * 0.75);
  assert.ok(bright > 0.2 && dark > 0.2, `color bars: ${bright.toFixed(2)} bright, ${dark.toFixed(2)} dark`);
  await decodes(page, 5);
  const second = await look();
  assert.ok(first.some((v, i) => Math.abs(v - second[i]) > 60), 'it moves');
}

async function decodes(page, count) {
  const from = await page.evaluate(() => window.lunette.stats().decoded);
  await page.waitForFunction(n => window.lunette.stats().decoded > n, from + count, { timeout: 60_000 });
}

test('raw pictures go through the software encoder', async () => {
  const page = await watch(browser, link, cameras.vivid);
  await colorBarsMove(page);
  await page.close();
});

test('raw pictures go through the hardware encoder, which may hang while somebody watches', async () => {
  const said = what => guest.lines.filter(line => line.startsWith('hardware: ') && what.test(line));
  const page = await watch(browser, link, cameras.hardware);
  await colorBarsMove(page);
  assert.equal(said(/encoded by .*vh264/).length, 1);
  assert.equal(said(/reads the camera's memory; nothing is copied/).length, 1);
  const session = await page.evaluate(() => window.lunette.session);
  for (const [command, answer] of [['hang', /starting it again/], ['hang-always', /openh264 encodes the main stream/]]) {
    hand(command);
    await guest.says(new RegExp(`^hardware: .*${answer.source}`), { timeout: 60_000 });
    await decodes(page, 10);
    assert.equal(await page.evaluate(() => window.lunette.session), session, `${command}: the session never ended`);
  }
  hand('mend');
  await colorBarsMove(page);
  await page.close();
});

for (const [name, plug] of [['usb', 'usb'], ['vivid', 'vivid']]) {
  test(`${name}: unplugged while watching, it is said; plugged in again, it goes on in the same session`, async () => {
    const page = await watch(browser, link, cameras[name]);
    const session = await page.evaluate(() => window.lunette.session);
    const from = guest.lines.length;
    hand(`unplug-${plug}`);
    await page.waitForFunction(() => /unplugged|gone|lost/i.test(document.querySelector('#state').textContent + document.querySelector('#state-more')?.textContent), undefined, { timeout: 30_000 });
    // Longer than a viewer's silence would be borne while pictures flow.
    await new Promise(resolve => setTimeout(resolve, 7000));
    hand(`plug-${plug}`);
    const decoded = await page.evaluate(() => window.lunette.stats().decoded);
    await page.waitForFunction(n => window.lunette.stats().decoded > n + 20, decoded, { timeout: 60_000 });
    assert.equal(await page.evaluate(() => window.lunette.session), session, 'the session never ended');
    await live(page);
    const said = guest.lines.slice(from).filter(line => line.startsWith(`${name}: `) && / WARN camera: .*unplugged/.test(line));
    assert.equal(said.length, 1, `one line for one loss:\n${said.join('\n')}`);
    await page.close();
  });
}
