// Two streams of one camera: the viewer changes between them while watching, and the choice is kept.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Stage, freePort, live, open, pictures, watch } from './harness.mjs';

const MAIN = [1280, 720];
const LOW = [640, 360];
const stage = new Stage();
let daemon, browser, listen;
before(async () => {
  listen = `127.0.0.1:${await freePort()}`;
  daemon = await stage.lunette(['--local', '--camera', 'testcard', '--listen', listen]);
  browser = await stage.browser();
});
after(() => stage.close());

const choice = (page, stream) => page.locator(`#quality [data-stream="${stream}"] input`);
const look = page => page.evaluate(() => {
  const { session, counters, stream, wanted } = window.lunette;
  return { session, losses: counters.losses, stream, wanted, checked: document.querySelector('#quality input:checked')?.value };
});

/** Waits until the camera has confirmed the stream and a picture of this size is shown. */
async function shows(page, stream, [width, height]) {
  const there = ([stream, width, height]) => {
    const { stream: shown, wanted, frames } = window.lunette;
    return shown === stream && wanted === undefined && frames.at(-1)?.width === width && frames.at(-1)?.height === height;
  };
  await page.waitForFunction(there, [stream, width, height]).catch(async e => {
    throw new Error(`not ${stream} at ${width}x${height}: ${JSON.stringify(await look(page))}\n${e.message}`);
  });
  const video = await page.evaluate(() => [document.querySelector('#video').videoWidth, document.querySelector('#video').videoHeight]);
  assert.deepEqual(video, [width, height], 'what the video element shows');
}

test('main, low and main again while watching: the size changes and the pictures go on', async () => {
  const page = await watch(browser, daemon.link, daemon.camera);
  await choice(page, 'low').waitFor();
  assert.deepEqual(await page.locator('#quality label .long').allTextContents(), ['1280 × 720', '640 × 360']);
  await shows(page, 'main', MAIN);
  const before = await look(page);
  await page.locator('#details-button').click();
  const stream = page.locator('[data-detail="stream"]');
  const first = (await pictures(page, 30))[0].present;

  await choice(page, 'low').check();
  await shows(page, 'low', LOW);
  assert.equal(await page.locator('#quality').getByRole('radio', { name: '640 × 360' }).isChecked(), true);
  await stream.filter({ hasText: 'Low' }).waitFor();
  const low = await pictures(page, 60);
  assert.deepEqual(low.filter(f => f.width !== LOW[0]), [], 'nothing of the main stream any more');

  await page.locator('#quality input:checked').press('ArrowLeft'); // the keyboard does it, too
  await shows(page, 'main', MAIN);
  await stream.filter({ hasText: 'Main' }).waitFor();
  await pictures(page, 60);

  const seen = await page.evaluate(first => window.lunette.frames.filter(f => f.present >= first), first);
  const sizes = seen.map(f => `${f.width}x${f.height}`);
  assert.deepEqual(sizes.filter((s, i) => s !== sizes[i - 1]), ['1280x720', '640x360', '1280x720'], 'two changes, and no other');
  const gaps = seen.slice(1).map((f, i) => f.present - seen[i].present);
  assert.ok(Math.max(...gaps) < 1000, `the longest gap was ${Math.max(...gaps)} ms`);
  assert.deepEqual(seen.filter(f => f.corrupt), [], 'every stamp is readable, at both sizes');
  const stamps = seen.map(f => f.stamp);
  assert.deepEqual(stamps, [...stamps].sort((a, b) => a - b), 'in order');
  const ages = low.map(f => f.latencyMs).sort((a, b) => a - b);
  assert.ok(ages[30] > -5 && ages[30] < 1000, `median age of the low stream ${ages[30]} ms`);
  const measured = await page.evaluate(() => window.lunette.latencyMs);
  assert.ok(measured > -50 && measured < 1000, `by the data channel ${measured} ms`);
  assert.deepEqual(await look(page), before, 'the same session, the same choice');
  assert.deepEqual(page.errors, []);
  console.log(`longest gap ${Math.max(...gaps).toFixed(0)} ms, median age of the low stream ${ages[30].toFixed(0)} ms`);
  await page.close();
});

test('each viewer has its own, and the choice outlives a reload and a new start of the camera', async () => {
  const [page, other] = [await watch(browser, daemon.link, daemon.camera), await watch(await stage.browser(), daemon.link, daemon.camera)];
  await choice(page, 'low').waitFor();
  await page.keyboard.press('q');
  await shows(page, 'low', LOW);
  await shows(other, 'main', MAIN);

  let old = (await look(page)).session;
  await page.reload();
  await live(page, old);
  await shows(page, 'low', LOW);
  const [first] = await page.evaluate(() => window.lunette.frames);
  assert.deepEqual([first.width, first.height], LOW, 'the offer asked for it: no picture of the main stream came');

  old = (await look(page)).session;
  assert.equal(await daemon.stop('SIGINT'), 0);
  daemon = await stage.lunette(['--local', '--camera', 'testcard', '--listen', listen], { state: daemon.state });
  await live(page, old, 60_000);
  await shows(page, 'low', LOW);
  await live(other, undefined, 60_000);
  await shows(other, 'main', MAIN);
  await choice(page, 'main').check();
  await shows(page, 'main', MAIN);
  await page.close();
  await other.close();
});

test('on a phone it fits beside the buttons', async () => {
  const page = await watch(browser, daemon.link, daemon.camera);
  await choice(page, 'low').waitFor();
  for (const [width, height] of [[390, 844], [360, 740], [320, 568]]) {
    await page.setViewportSize({ width, height });
    const [options, ...buttons] = await Promise.all(['#quality .options', '#pip', '#details-button', '#fullscreen']
      .map(it => page.locator(it).boundingBox()));
    assert.ok(options.x >= 0 && options.height >= 44, `at ${width}: ${JSON.stringify(options)}`);
    const edges = [options, ...buttons].flatMap(box => [box.x, box.x + box.width]);
    assert.deepEqual(edges, edges.toSorted((a, b) => a - b), `at ${width} they overlap`);
    assert.ok(edges.at(-1) <= width, `at ${width} the last one ends at ${edges.at(-1)}`);
  }
  await page.close();
});

test('a camera without a low stream: no choice; and one that lost it says so', async () => {
  const config = path.join(stage.folder('config'), 'lunette.toml');
  fs.writeFileSync(config, `camera = "testcard"\n[video.low]\nenabled = false\n[local]\nlisten = "127.0.0.1:${await freePort()}"\n`);
  const single = await stage.lunette(['--local', '--config', config], { state: stage.folder('single') });
  const quiet = await watch(browser, single.link, single.camera);
  await pictures(quiet, 30);
  assert.equal(await quiet.locator('#quality').isVisible(), false);
  await quiet.close();

  // Its status is of another time: it still lists two.
  await browser.addInitScript(low => {
    const parse = JSON.parse;
    JSON.parse = (...args) => {
      const it = parse(...args);
      if (it?.type === 'status' && it.online) it.streams.push(low);
      return it;
    };
  }, { id: 'low', codec: 'h264', width: LOW[0], height: LOW[1] });
  const page = await watch(browser, single.link, single.camera);
  await choice(page, 'low').waitFor();
  const before = await look(page);
  await choice(page, 'low').click();
  await page.locator('#notice').filter({ hasText: 'This camera has no low stream.' }).waitFor();
  await shows(page, 'main', MAIN);
  assert.deepEqual(await look(page), before, 'as it was');
  await pictures(page, 30);

  // Chosen in earlier days: the offer is refused, and the next one takes what there is.
  await page.evaluate(() => {
    const kept = JSON.parse(localStorage.getItem('lunette.cameras'));
    localStorage.setItem('lunette.cameras', JSON.stringify({ ...kept, cameras: kept.cameras.map(c => ({ ...c, stream: 'low' })) }));
  });
  await page.reload();
  await live(page, before.session);
  await shows(page, 'main', MAIN);
  assert.equal((await look(page)).losses, 1, 'one refusal');
  await pictures(page, 30);
  await page.close();
});
