// The coturn of docs/turnserver.conf, asked by Chromium: which ways it opens, to whom, and where to.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open } from '../browser/harness.mjs';
import { Lab } from './lab.mjs';

const lab = new Lab();
let page, turn;
before(async () => {
  await lab.up();
  turn = await lab.coturn();
  page = await open(lab.chromium, lab.page);
});
after(() => lab.close());

const WAYS = ['turn:turn.example.net', 'turn:turn.example.net?transport=tcp', 'turn:turn.example.net:443?transport=tcp', 'turns:turn.example.net:443?transport=tcp'];

/** Gathers with these servers until the first candidate of that type is there, or the first refusal; which of the two. */
function gather(iceServers, type = 'relay') {
  return page.evaluate(async ([iceServers, type]) => {
    const peer = new RTCPeerConnection({ iceServers });
    const first = new Promise(resolve => {
      peer.onicecandidate = ({ candidate: c }) => c?.type === type && resolve(`${c.type} ${c.address}`);
      // 701 alone is a family of addresses that leads nowhere.
      peer.onicecandidateerror = e => e.errorCode !== 701 && resolve(`refused ${e.errorCode}`);
    });
    peer.createDataChannel('x');
    await peer.setLocalDescription();
    const found = await Promise.race([first, new Promise(resolve => setTimeout(resolve, 15_000, 'nothing'))]);
    peer.close();
    return found;
  }, [iceServers, type]);
}

test('STUN tells the address outside', async () => {
  assert.equal(await gather([{ urls: ['stun:turn.example.net'] }], 'srflx'), 'srflx 203.0.113.102');
});

for (const url of WAYS) {
  test(`${url}: a relay with good credentials, none with bad ones`, async () => {
    assert.equal(await gather([{ urls: [url], ...lab.credentials() }]), 'relay 203.0.113.10');
    for (const bad of [lab.credentials(3600, 'another secret'), lab.credentials(-60), { username: 'nobody', credential: 'nothing' }]) {
      assert.equal(await gather([{ urls: [url], ...bad }]), 'refused 401');
    }
  });
}

test('IPv6 alone reaches all of it', async () => {
  lab.net('family', 'view', 6);
  try {
    for (const url of WAYS) assert.match(await gather([{ urls: [url], ...lab.credentials() }]), /^relay /, url);
  } finally {
    lab.net('family', 'view', 4);
  }
});

test('it relays to the internet, and to no private address', async () => {
  // Two peer connections of one page, each by a relay of its own: relay to relay is on the internet.
  const between = hide => page.evaluate(async ([iceServers, hide]) => {
    const [a, b] = [0, 1].map(() => new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' }));
    for (const [from, to] of [[a, b], [b, a]]) {
      from.onicecandidate = ({ candidate: c }) => {
        if (!c?.candidate) return;
        void to.addIceCandidate({ ...c.toJSON(), candidate: hide ? c.candidate.replace(c.address, hide) : c.candidate });
      };
    }
    const channel = a.createDataChannel('x');
    const opened = new Promise(resolve => (channel.onopen = () => resolve('open')));
    await a.setLocalDescription();
    await b.setRemoteDescription(a.localDescription);
    await b.setLocalDescription();
    await a.setRemoteDescription(b.localDescription);
    window.outcome = Promise.race([opened, new Promise(resolve => (window.enough = resolve))]).finally(() => [a, b].map(p => p.close()));
    return hide ? undefined : window.outcome;
  }, [[{ urls: ['turn:turn.example.net'], ...lab.credentials() }], hide]);
  assert.equal(await between(), 'open');
  await between('192.168.11.2');
  await turn.says(/peer IP 192\.168\.11\.2 denied/);
  assert.equal(await page.evaluate(() => (window.enough('shut'), window.outcome)), 'shut');
});
