// `./dev bench net`: a weak network between the camera and its router, and what a viewer in its home sees. Lunette and GStreamer's
// webrtcbin take turns on the same wire, shown by the same Chromium, metered by the same code. Runs in the lab:
// `weak.mjs [NETWORKS] [SENDER]`, a pattern and a name.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { live, open, start } from '../browser/harness.mjs';
import { Lab, inside } from './lab.mjs';

const SIZE = process.env.WEAK_SIZE ?? '1280x720';
const SECONDS = Number(process.env.WEAK_SECONDS ?? 12);
const FREEZE = 200; // ms without a new picture
const here = path.dirname(fileURLToPath(import.meta.url));

const steady = (name, up, down = {}, kbits = 1500) => ({ name, kbits, phases: [{ up, down, seconds: SECONDS }] });
const RUNS = [
  steady('undisturbed', {}),
  steady('1 % loss, 50 ms RTT', { delay: 25, loss: 1 }, { delay: 25 }),
  steady('5 % loss, 50 ms RTT', { delay: 25, loss: 5 }, { delay: 25 }),
  steady('10 % loss, 50 ms RTT', { delay: 25, loss: 10 }, { delay: 25 }),
  steady('5 % loss in bursts of 4, 50 ms RTT', { delay: 25, loss: 5, burst: 4 }, { delay: 25 }),
  steady('50 ms ± 10 each way', { delay: 50, jitter: 10 }, { delay: 50, jitter: 10 }),
  steady('200 ms ± 30 each way', { delay: 200, jitter: 30 }, { delay: 200, jitter: 30 }),
  {
    name: 'cap', kbits: 4000,
    phases: [4000, 1000, 300, 4000].map(rate => ({ rate, up: { rate, queue: 300, delay: 10 }, down: { delay: 10 }, seconds: SECONDS })),
  },
];

/** Lunette, as it is used: the page, a broker, a daemon. */
async function lunette(lab, run) {
  const daemon = await lab.camera('', { kbits: run.kbits, size: SIZE });
  const page = await lab.watch(daemon);
  await live(page);
  return { page, stop: async () => { await page.close(); await daemon.stop(); } };
}

/** webrtcbin, with a page of our own that does no more than watch; what they say to each other goes by way of this process. */
async function webrtcbin(lab, run) {
  const [command, ...args] = [...inside('cam'), '/usr/bin/python3', path.join(here, 'webrtcbin.py'), SIZE, '30', run.kbits];
  const sender = start(command, args.map(String), { stdio: ['pipe', 'pipe', 'pipe'] });
  const page = await open(lab.chromium, `${lab.page}bare.html`);
  await page.exposeFunction('tell', message => void sender.stdin.write(`${JSON.stringify(message)}\n`));
  sender.onLine(line => {
    if (line.startsWith('{')) page.evaluate(message => window.told(message), JSON.parse(line)).catch(() => {});
  });
  await page.evaluate(() => window.begin());
  await page.waitForFunction(() => window.lunette.frames.length > 0, undefined, { timeout: 20_000 }).catch(e => {
    throw new Error(`no picture of webrtcbin; it said:\n${sender.lines.slice(-20).join('\n')}\n${e.message}`);
  });
  return { page, stop: async () => { await page.close(); await sender.stop('SIGKILL'); } };
}

/** Takes what was shown since the last time, before the meter forgets it; and the browser's counters. */
async function collect(page, since) {
  return page.evaluate(async since => {
    const stats = await window.peers.at(-1).getStats();
    const inbound = [...stats.values()].find(r => r.type === 'inbound-rtp' && r.kind === 'video');
    return {
      frames: window.lunette.frames.filter(f => f.present > since).map(f => ({ at: f.present, ms: f.latencyMs, corrupt: f.corrupt })),
      bytes: inbound.bytesReceived, nacks: inbound.nackCount, keys: inbound.keyFramesDecoded, plis: inbound.pliCount, now: Date.now(),
    };
  }, since);
}

async function measure(lab, wire, run, sender) {
  await wire.set({});
  const { page, stop } = await sender(lab, run);
  const rows = [];
  try {
    await new Promise(resolve => setTimeout(resolve, 2000));
    for (const phase of run.phases) {
      await wire.set(phase);
      const first = await collect(page, Infinity);
      const frames = [];
      let last = first;
      // Bytes of the second half alone, when the sender had time to find the rate.
      let half;
      while (last.now - first.now < phase.seconds * 1000) {
        await new Promise(resolve => setTimeout(resolve, 500));
        last = await collect(page, frames.at(-1)?.at ?? first.now);
        frames.push(...last.frames);
        if (!half && last.now - first.now >= phase.seconds * 500) half = last;
      }
      rows.push(judge(run, phase, frames, first, half, last, await wire.set(phase)));
    }
  } finally {
    await wire.set({});
    await stop();
  }
  return rows;
}

const percentile = (sorted, p) => (sorted.length ? Math.round(sorted[Math.floor((sorted.length - 1) * p)]) : '–');

function judge(run, phase, frames, first, half, last, carried) {
  const whole = frames.filter(f => !f.corrupt);
  const ages = whole.map(f => f.ms).toSorted((a, b) => a - b);
  const moments = [first.now, ...frames.map(f => f.at), last.now];
  const gaps = moments.slice(1).map((at, i) => at - moments[i]).filter(gap => gap > FREEZE);
  // Back: the moment after which no picture is older than 300 ms, and none is missing for so long.
  let back = first.now;
  frames.forEach((f, i) => {
    if (f.ms > 300 || f.corrupt) back = frames[i + 1]?.at ?? last.now;
    else if (f.at - (frames[i - 1]?.at ?? first.now) > 300) back = f.at;
  });
  if (frames.length === 0) back = last.now;
  const kbps = Math.round(((last.bytes - half.bytes) * 8) / (last.now - half.now));
  return {
    name: phase.rate ? `cap ${phase.rate} kbit/s` : run.name,
    shown: frames.length, corrupt: frames.length - whole.length,
    p50: percentile(ages, 0.5), p95: percentile(ages, 0.95), max: percentile(ages, 1),
    freezes: gaps.length, longest: Math.round(Math.max(0, ...gaps)),
    kbps, share: phase.rate ? Math.round((100 * kbps) / phase.rate) : undefined,
    back: phase.rate ? ((back - first.now) / 1000).toFixed(1) : undefined,
    nacks: last.nacks - first.nacks, plis: last.plis - first.plis, lost: carried.up.lost + carried.up.overflow,
  };
}

/** The meter and a page that only watches, built out of the viewer's own sources. */
async function bare(lab) {
  const out = lab.folder('bare');
  execFileSync(process.execPath, ['--input-type=module', '-e', `
    import { build } from 'vite';
    await build({ configFile: false, logLevel: 'error', build: { outDir: ${JSON.stringify(out)}, lib: { entry: 'src/meter.ts', formats: ['es'], fileName: () => 'meter.js' } } });
  `], { cwd: path.join(here, '../../web'), stdio: 'inherit' });
  fs.copyFileSync(path.join(here, 'bare.html'), path.join(out, 'bare.html'));
  return out;
}

const lab = new Lab();
try {
  await lab.up({ extra: await bare(lab) });
  lab.place('view', 'A');
  const wire = await lab.wire();
  const wanted = process.argv[2] ? new RegExp(process.argv[2]) : /./;
  const senders = Object.fromEntries(Object.entries({ Lunette: lunette, webrtcbin }).filter(([name]) => !process.argv[3] || name === process.argv[3]));
  console.log(`${SIZE} at 30 fps, ${SECONDS} s each; a freeze is ${FREEZE} ms without a new picture; kbit/s of the second half\n`);
  console.log('| network | sender | p50 ms | p95 ms | max ms | freezes | longest ms | shown | corrupt | kbit/s | of cap | < 300 ms after s |');
  console.log('|---|---|---|---|---|---|---|---|---|---|---|---|');
  let corrupt = 0;
  for (const run of RUNS.filter(run => wanted.test(run.name))) {
    for (const [name, sender] of Object.entries(senders)) {
      for (const r of await measure(lab, wire, run, sender)) {
        if (name === 'Lunette') corrupt += r.corrupt;
        console.log(`| ${[r.name, name, r.p50, r.p95, r.max, r.freezes, r.longest, r.shown, r.corrupt, r.kbps, r.share === undefined ? '' : `${r.share} %`, r.back ?? ''].join(' | ')} |`);
        if (process.env.WEAK_MORE) console.error(r);
      }
    }
  }
  if (corrupt > 0) {
    console.error(`${corrupt} corrupt pictures of Lunette were shown`);
    process.exitCode = 1;
  }
} finally {
  await lab.close();
}
