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

const DIRECT = /^(host|prflx)\/(host|prflx)$/;
// [camera's router, viewer's router, servers, the way, addresses]. A way is the selected pair's `local/remote` at the
// viewer; of a peer-reflexive candidate nobody was told, only that it is there.
const CASES = [
  ['same home', 'cone', 'none', DIRECT],
  ['same home', 'cone', 'none', DIRECT, { cam: 46, view: 6 }],
];
const SERVERS = { none: [] };

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
    const path = await seen(page);
    assert.match(`${path.local}/${path.remote}`, way);
    assert.deepEqual(page.errors, []);
    await page.close();
    await daemon.stop();
  });
}
