// From capture to screen in Chromium, by the stamp in the test card (720p, 30 fps), and from the click to the picture.
import { Stage, freePort, live, open, pictures, watch } from './harness.mjs';

const SECONDS = 20;
const JOINS = 15;
const stage = new Stage();
const percentile = (sorted, p) => sorted[Math.floor((sorted.length - 1) * p)].toFixed(1);
const row = (name, values) => {
  const sorted = values.toSorted((a, b) => a - b);
  console.log(`${name}, ms: p50 ${percentile(sorted, 0.5)}  p95 ${percentile(sorted, 0.95)}  p99 ${percentile(sorted, 0.99)}  (${sorted.length})`);
};
try {
  const daemon = await stage.lunette(['--local', '--camera', 'testcard', '--listen', `127.0.0.1:${await freePort()}`]);
  const browser = await stage.browser();
  const page = await watch(browser, daemon.link, daemon.camera);
  await pictures(page, 60);
  const ages = [];
  while (ages.length < SECONDS * 30) ages.push(...(await pictures(page, 150)).map(f => f.latencyMs));
  row('capture to present', ages);
  await page.close();

  const clicks = [];
  for (let n = 0; n < JOINS; n++) {
    const list = await open(browser, daemon.link);
    await list.locator('.card[data-state=idle] a.open, .card[data-state=live] a.open').click();
    await live(list);
    clicks.push(await list.evaluate(() => window.lunette.firstPicture - window.lunette.opened));
    await list.locator('#back').click();
    await list.close();
  }
  row('click to picture', clicks);
} finally {
  await stage.close();
}
