// GStreamer pipelines as cameras, watched by Chromium: H.264 that is passed on, and pixels that Lunette encodes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Stage, binary, freePort, invitation, live, open } from './harness.mjs';

const PICTURE = 'videotestsrc is-live=true';
const ENCODER = 'x264enc tune=zerolatency sliced-threads=false speed-preset=ultrafast key-int-max=3000';

const stage = new Stage();
let browser;
before(async () => {
  browser = await stage.browser();
});
after(() => stage.close());

function config(name, keys) {
  const file = path.join(stage.folder(name), 'lunette.toml');
  fs.writeFileSync(file, `[camera.gst]\n${keys}\n[video]\nsize = "640x480"\nfps = 15\n`);
  return file;
}

async function show(name, pipeline) {
  const state = stage.folder(`state-${name}`);
  const listen = `127.0.0.1:${await freePort()}`;
  const args = ['--local', '--listen', listen, '--config', config(name, `pipeline = "${pipeline}"`)];
  const daemon = await stage.lunette(args, { state });
  const page = await open(browser, `${daemon.link}#c=${daemon.camera}${await invitation(browser, daemon.link, daemon.camera)}`);
  await live(page);
  return { daemon, page };
}

/** What Chromium shows: the colours of two bars, and the noise in the corner at the right. */
const look = page => page.evaluate(() => {
  const video = document.querySelector('#video');
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0);
  const [w, h] = [canvas.width, canvas.height];
  const at = (x, y) => [...context.getImageData(Math.floor(x * w), Math.floor(y * h), 1, 1).data.slice(0, 3)];
  const noise = [...context.getImageData(Math.floor(0.85 * w), Math.floor(0.85 * h), 32, 32).data].join();
  return { size: [w, h], yellow: at(1.5 / 7, 0.3), blue: at(6.5 / 7, 0.3), noise };
});

async function showsBarsThatMove(page) {
  const seen = new Set();
  for (let n = 0; n < 20 && seen.size < 5; n++) {
    const { size, yellow, blue, noise } = await look(page);
    assert.deepEqual(size, [640, 480]);
    assert.ok(yellow[0] > 140 && yellow[1] > 140 && yellow[2] < 90, `yellow is ${yellow}`);
    assert.ok(blue[0] < 90 && blue[1] < 90 && blue[2] > 140, `blue is ${blue}`);
    seen.add(noise);
    await page.waitForTimeout(150);
  }
  assert.ok(seen.size >= 5, `${seen.size} different pictures`);
}

test('H.264 of a pipeline is shown, also to a second viewer at once', async () => {
  const { daemon, page } = await show('coded', `${PICTURE} ! ${ENCODER}`);
  await showsBarsThatMove(page);
  // The encoder makes no key frame by itself: the second viewer's is asked for.
  const other = await stage.browser();
  const second = await open(other, `${daemon.link}#c=${daemon.camera}${await invitation(other, daemon.link, daemon.camera)}`);
  await live(second, undefined, 8000);
  await showsBarsThatMove(second);
  await second.close();
  await page.close();
});

test('pixels of a pipeline are encoded and shown', async () => {
  const { page } = await show('raw', `${PICTURE} ! video/x-raw,format=YUY2`);
  await showsBarsThatMove(page);
  await page.close();
});

test('a pipeline that ends is told, begins again, and its viewer stays', async () => {
  const { daemon, page } = await show('short', `${PICTURE} num-buffers=45 ! ${ENCODER}`);
  const session = await page.evaluate(() => window.lunette.session);
  await daemon.says(/GStreamer: the pipeline came to its end/);
  await daemon.says(/back after/);
  await showsBarsThatMove(page);
  assert.equal(await page.evaluate(() => window.lunette.session), session);
  await page.close();
});

test('check points at what is wrong', () => {
  const check = keys => spawnSync(binary, ['check', '--config', config('check', keys)], { encoding: 'utf8' });
  const wrong = check('pipeline = "videotestsrc patern=ball ! x264enc"');
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /lunette\.toml:2:26: no property "patern" in element "videotestsrc"\n/);
  assert.match(wrong.stderr, /\n +\| {26}\^{6}$/m);
  const misfit = check('preset = "va"\nurl = "rtsp://camera.example.net/"');
  assert.equal(misfit.status, 2);
  assert.match(misfit.stderr, /lunette\.toml:3:7: `url` belongs to `preset = "rtsp"`/);
  const missing = check('preset = "rockchip"');
  assert.equal(missing.status, 0, missing.stderr);
  assert.match(missing.stdout, /warning: \[camera\.gst\] the GStreamer element `mpph264enc` is not installed/);
});
