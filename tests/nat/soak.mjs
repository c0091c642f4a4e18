// An hour (SOAK=seconds) on a network that loses 30 % in bursts, while viewers come and go: pictures must not grow old, nor
// the daemon fat. Runs in the lab. It fails when they do, when a viewer gets no picture, or a corrupt one is shown.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { live } from '../browser/harness.mjs';
import { Lab } from './lab.mjs';

const SECONDS = Number(process.env.SOAK ?? 3600);
const WARM = Math.min(60, SECONDS / 4);
const STAY = 10; // s that a passing viewer stays
const lab = new Lab();
const median = values => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const rss = pid => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

try {
  await lab.up();
  lab.place('view', 'A');
  const wire = await lab.wire();
  const daemon = await lab.camera('');
  const page = await lab.watch(daemon);
  await live(page);
  // Another browser, since pages of one browser hide each other.
  const passing = await lab.viewer();
  await wire.set({ up: { delay: 10, loss: 30, burst: 4 }, down: { delay: 10 } });

  const start = Date.now();
  const samples = []; // one for each passing viewer
  let seen = start, shown = 0, corrupt = 0, joins = 0;
  const longest = { gap: 0, join: 0 };
  while (Date.now() - start < SECONDS * 1000) {
    const asked = Date.now();
    const visitor = await lab.watch(daemon, passing);
    await live(visitor, undefined, 60_000);
    longest.join = Math.max(longest.join, Date.now() - asked);
    await sleep(STAY * 1000);
    await visitor.close();
    joins++;
    const frames = await page.evaluate(from => window.lunette.frames.filter(f => f.present > from).map(f => ({ at: f.present, ms: f.latencyMs, corrupt: f.corrupt })), seen);
    for (const f of frames) {
      longest.gap = Math.max(longest.gap, f.at - seen);
      seen = f.at;
    }
    shown += frames.length;
    corrupt += frames.filter(f => f.corrupt).length;
    const sample = { s: Math.round((Date.now() - start) / 1000), ms: frames.length ? Math.round(median(frames.filter(f => !f.corrupt).map(f => f.ms))) : NaN, mb: rss(daemon.pid), pictures: frames.length };
    samples.push(sample);
    console.log(`${sample.s} s: ${sample.pictures} pictures, median ${sample.ms} ms old; ${sample.mb.toFixed(1)} MB; ${joins} joins`);
  }
  const warm = samples.filter(s => s.s > WARM);
  assert.ok(warm.length >= 4, `${SECONDS} s are too short to tell anything`);
  const quarter = Math.ceil(warm.length / 4);
  const [first, last] = [warm.slice(0, quarter), warm.slice(-quarter)];
  const ages = [first, last].map(part => median(part.filter(s => s.pictures > 0).map(s => s.ms)));
  const sizes = [first, last].map(part => median(part.map(s => s.mb)));
  console.log(`${shown} pictures, ${corrupt} corrupt; ${joins} joins, the slowest took ${(longest.join / 1000).toFixed(1)} s; longest time without a picture ${(longest.gap / 1000).toFixed(1)} s`);
  console.log(`first and last quarter: ${ages.map(ms => `${ms} ms`).join(' and ')} old; ${sizes.map(mb => `${mb.toFixed(1)} MB`).join(' and ')}`);
  assert.equal(corrupt, 0, 'corrupt pictures were shown');
  assert.ok(ages[1] <= ages[0] + 100, 'pictures grow old');
  assert.ok(sizes[1] <= sizes[0] + 4, 'memory grows');
} finally {
  await lab.close();
}
