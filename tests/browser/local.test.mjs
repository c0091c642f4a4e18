// `lunette run --local`: page, broker and camera in one program, watched by Chromium.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Stage, freePort, live, open, pictures, watch } from './harness.mjs';

const stage = new Stage();
let daemon, browser, listen;
before(async () => {
  listen = `127.0.0.1:${await freePort()}`;
  daemon = await stage.lunette(['--local', '--camera', 'testcard', '--listen', listen, '--name', 'Front door']);
  browser = await stage.browser();
});
after(() => stage.close());

test('paired, it takes one click, and the picture is live', async () => {
  await (await watch(browser, daemon.link, daemon.camera)).close(); // paired, once
  const page = await open(browser, daemon.link);
  const card = page.locator(`.card[data-camera="${daemon.camera}"] a.open`);
  await card.waitFor();
  assert.match(await card.textContent(), /Front door/);
  await card.click();
  await live(page);
  const size = await page.evaluate(() => [document.querySelector('#video').videoWidth, document.querySelector('#video').videoHeight]);
  assert.deepEqual(size, [1280, 720]);
  assert.deepEqual(page.errors, []);
  await page.close();
});

test('pictures are whole, in order, and of this moment', async () => {
  const page = await watch(browser, daemon.link, daemon.camera);
  const seen = await pictures(page, 90);
  assert.deepEqual(seen.filter(f => f.corrupt), [], 'every stamp is readable');
  const stamps = seen.map(f => f.stamp);
  assert.deepEqual(stamps, [...stamps].sort((a, b) => a - b), 'in order');
  assert.equal(new Set(stamps).size, stamps.length, 'none twice');
  const ages = seen.map(f => f.latencyMs).sort((a, b) => a - b);
  assert.ok(ages[45] > -5 && ages[45] < 1000, `median age ${ages[45]} ms`);
  await page.close();
});

test('the details say what it costs', async () => {
  const page = await watch(browser, daemon.link, daemon.camera);
  await page.locator('#details-button').click();
  const detail = async name => {
    const value = page.locator(`[data-detail="${name}"]`);
    await page.waitForFunction(n => /\d|\w{3}/.test(document.querySelector(`[data-detail="${n}"]`)?.textContent ?? ''), name);
    return value.textContent();
  };
  assert.match(await detail('resolution'), /1280\s*×\s*720/);
  assert.match(await detail('bitrate'), /bit\/s/);
  assert.match(await detail('path'), /direct/i);
  assert.match(await detail('round-trip'), /ms/);
  assert.match(await detail('latency'), /ms/);
  assert.match(await detail('encoder'), /openh264/i);
  assert.match(await detail('profile'), /Constrained Baseline/);
  await page.close();
});

test('two viewers at once, a reload, and a goodbye', async () => {
  const [a, b] = [await watch(browser, daemon.link, daemon.camera), await watch(await stage.browser(), daemon.link, daemon.camera)];
  await Promise.all([pictures(a, 30), pictures(b, 30)]);
  const old = await b.evaluate(() => window.lunette.session);
  await b.reload();
  await live(b, old);
  await pictures(b, 30);
  const from = daemon.lines.length;
  await b.locator('#back').click();
  await daemon.says(/left after .*said bye/, { from });
  assert.equal((await pictures(a, 30)).filter(f => f.corrupt).length, 0, 'the other goes on');
  await a.close();
  await b.close();
});

test('on a phone nothing is cut off', async () => {
  const page = await open(browser, daemon.link);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.locator('.card a.open').click();
  await live(page);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${overflow} px too wide`);
  await page.close();
});

test('a port in use is a clear message with the way out', async () => {
  const second = new Stage();
  const failed = second.lunette(['--local', '--camera', 'testcard', '--listen', listen]);
  await assert.rejects(failed, /in use[\s\S]*--listen/);
  await second.close();
});

test('the daemon stops cleanly, comes back, and the page finds it by itself', async () => {
  const page = await watch(browser, daemon.link, daemon.camera);
  const old = await page.evaluate(() => window.lunette.session);
  assert.equal(await daemon.stop('SIGINT'), 0);
  await page.waitForFunction(() => window.lunette.state !== 'live');
  const again = await stage.lunette(['--local', '--camera', 'testcard', '--listen', listen], { state: daemon.state });
  assert.equal(again.camera, daemon.camera, 'it is the same camera');
  daemon = again;
  await live(page, old, 60_000);
  await pictures(page, 10);
  await page.close();
});
