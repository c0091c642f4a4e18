// Which homes find a way to each other by which servers, and by which way. Runs in the lab: tests/nat/run.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lab, seen } from './lab.mjs';

const lab = new Lab();
before(async () => {
  await lab.up();
  await lab.coturn();
});
after(() => lab.close());

const TURN = 'turn.example.net';
const SERVERS = {
  none: [],
  STUN: [`stun:${TURN}`],
  UDP: [`stun:${TURN}`, `turn:${TURN}`],
  TCP: [`turn:${TURN}?transport=tcp`],
  TLS: [`turns:${TURN}:443?transport=tcp`],
  all: [`stun:${TURN}`, `turn:${TURN}`, `turn:${TURN}?transport=tcp`, `turn:${TURN}:443?transport=tcp`, `turns:${TURN}:443?transport=tcp`],
};

// [camera's router, viewer's router, servers, the way, addresses]. A way is the selected pair's `local/remote` at the
// viewer; of a peer-reflexive candidate nobody was told, only that it is there.
const DIRECT = { pair: /^(host|srflx|prflx)\/(host|srflx|prflx)$/, said: 'direct' };
const NAT = { pair: /^(srflx|prflx|host)\/(srflx|prflx)$/, said: 'nat' };
// By IPv6 there is no NAT, only firewalls; but the browser hides its own address, and says the same one from outside.
const SIX = { ...DIRECT, said: 'direct|nat' };
const RELAY = { pair: /relay/, said: 'relay' };
const CASES = [
  ['same home', 'cone', 'none', DIRECT],
  ['same home', 'cone', 'none', DIRECT, { cam: 46, view: 46 }],
  ['cone', 'cone', 'STUN', NAT],
  ['cone', 'cone', 'all', NAT],
  ['cone', 'symmetric', 'UDP', RELAY],
  ['symmetric', 'cone', 'UDP', RELAY],
  ['symmetric', 'symmetric', 'UDP', RELAY],
  ['symmetric', 'symmetric', 'TCP', RELAY],
  ['symmetric', 'symmetric', 'TLS', RELAY],
  ['cone', 'noudp', 'TCP', RELAY],
  ['cone', 'noudp', 'all', RELAY],
  ['noudp', 'cone', 'TCP', RELAY],
  ['noudp', 'cone', 'all', RELAY],
  ['noudp', 'noudp', 'TCP', RELAY],
  ['noudp', 'noudp', 'all', RELAY],
  ['only443', 'only443', 'TLS', RELAY],
  ['only443', 'only443', 'all', RELAY],
  ['cone', 'cone', 'UDP', RELAY, { cam: 4, view: 6 }],
  ['cone', 'noudp', 'TLS', RELAY, { cam: 4, view: 6 }],
  ['cone', 'cone', 'STUN', SIX, { cam: 46, view: 6 }],
];

/** Sets both routers, the viewer's place, and which addresses each has. */
function homes(camera, viewer, { cam = 4, view = 4 } = {}) {
  lab.place('view', camera === 'same home' ? 'A' : 'B');
  lab.net('nat', 'A', camera === 'same home' ? viewer : camera);
  lab.net('nat', 'B', viewer);
  lab.family('cam', cam);
  lab.family('view', view);
}

for (const [camera, viewer, servers, way, families] of CASES) {
  test(`${camera} to ${viewer}, servers: ${servers}${families ? `, IPv${Object.values(families).join(' to IPv')}` : ''}`, async () => {
    homes(camera, viewer, families);
    const daemon = await lab.camera(lab.ice(SERVERS[servers]));
    const page = await lab.watch(daemon);
    try {
      const path = await seen(page).catch(e => { throw new Error(`${e.message}\n${daemon.lines.slice(-15).join('\n')}`); });
      console.log(`# ${path.local}/${path.remote}${path.relay ? ` by ${path.relay}` : ''}; page: ${JSON.stringify(path.said)}`);
      assert.match(`${path.local}/${path.remote}`, way.pair);
      // What the page tells people is the same.
      await page.waitForFunction(kinds => kinds.split('|').includes(window.lunette.stats()?.path?.kind), way.said, { timeout: 5000 });
      assert.deepEqual(page.errors, []);
    } finally {
      await page.close();
      await daemon.stop();
    }
  });
}
