// What Lunette keeps in memory while nobody watches: `TEST_BINARY=target/release/lunette node idle.mjs`. Fails above the limit.
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage, freePort } from './harness.mjs';

const LIMIT = 20 * 1024;
const SECONDS = 10;

const stage = new Stage();
const broker = await stage.mosquitto();
const config = path.join(stage.folder('config'), 'lunette.toml');
fs.writeFileSync(config, `camera = "testcard"\n[signal.mqtt]\nurl = "mqtt://127.0.0.1:${broker.tcp}"\n`);
const cases = {
  'run, a broker': [['--config', config], { state: stage.folder('one'), ready: /connected to the broker/ }],
  'run --local': [['--local', '--camera', 'testcard', '--listen', `127.0.0.1:${await freePort()}`], { state: stage.folder('two') }],
};
for (const [name, [args, options]] of Object.entries(cases)) {
  const daemon = await stage.lunette(args, options);
  await sleep(SECONDS * 1000);
  const status = fs.readFileSync(`/proc/${daemon.pid}/status`, 'utf8');
  const kib = key => Number(status.match(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm'))[1]);
  console.log(`${name}: ${(kib('VmRSS') / 1024).toFixed(1)} MiB resident, ${(kib('RssAnon') / 1024).toFixed(1)} of it its own`);
  if (kib('VmRSS') > LIMIT) {
    console.error(`${name}: more than ${LIMIT / 1024} MiB`);
    process.exitCode = 1;
  }
  await daemon.stop();
}
await stage.close();
