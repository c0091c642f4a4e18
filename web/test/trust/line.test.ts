/** The line to a camera, by way of a broker that the test is. */
import { describe, expect, it } from 'vitest';
import { base32 } from '../../src/base32';
import { Line, type Talk } from '../../src/line';
import { candidate, hello, offer, pair } from '../../src/signal/message';
import { base64url, type Bytes } from '../../src/trust/bytes';
import type { Seen } from '../../src/trust/challenge';
import { Camera, viewer } from './camera';

const SESSION = '234567abcdefghijklmnopqrst';

/** What went out and what was heard, each as it comes. */
async function scene(camera?: Camera, seen?: Seen) {
  const it = camera ?? (await Camera.make());
  const me = await viewer();
  const sent: Bytes[] = [];
  const heard: unknown[] = [];
  const kept: Seen[] = [];
  const line = new Line(base32(it.id), me, { load: async () => seen, keep: async (s) => void kept.push(s) }, {
    publish: (e) => sent.push(e) > 0,
    challenge: (c) => heard.push(['challenge', c.generation, c.number]),
    message: (m, talk) => heard.push([m.type, talk]),
    refused: (reason, talk) => heard.push([reason, talk]),
    status: (s) => heard.push(['status', s.online]),
    locked: () => heard.push(['locked']),
    dropped: (why) => heard.push(['dropped', why]),
  });
  const next = async <T>(list: T[]): Promise<T> => {
    for (let n = 0; n < 2000 && list.length === 0; n++) await new Promise((r) => setTimeout(r, 5));
    const first = list.shift();
    if (first === undefined) throw new Error('nothing came');
    return first;
  };
  return { camera: it, me, line, kept, sent: () => next(sent), heard: () => next(heard), quiet: () => heard.length === 0 && sent.length === 0 };
}

describe('a line', () => {
  it('says nothing before the camera has shown itself', async () => {
    const s = await scene();
    expect(s.line.open(hello())).toBeUndefined();
    s.line.heard('challenge', s.camera.challenge);
    expect(await s.heard()).toEqual(['challenge', 1000, 1]);
    expect(s.kept).toEqual([{ generation: 1000, number: 1 }]);
    expect(s.line.open(hello())).toBeDefined();
    expect((await s.camera.hears(await s.sent())).message).toEqual(hello());
  });

  it('reads the status with the key of the welcome, also one that came before its challenge', async () => {
    const s = await scene();
    s.line.heard('status', await s.camera.status({ type: 'status', online: true, boot: base32(s.camera.boot), streams: [] }));
    s.line.heard('challenge', s.camera.challenge);
    expect(await s.heard()).toEqual(['challenge', 1000, 1]);
    expect(await s.heard()).toEqual(['locked']);
    const talk = s.line.open(hello());
    const answer = await s.camera.answers(await s.camera.hears(await s.sent()), { type: 'welcome', boot: base32(s.camera.boot), ice: [], key: base64url(s.camera.key) });
    s.line.heard('res', answer.first);
    expect(await s.heard()).toEqual(['welcome', talk]);
    expect(await s.heard()).toEqual(['status', true]);
    const old = await s.camera.status({ type: 'status', online: true, boot: base32(s.camera.boot) }, 0);
    s.line.heard('status', old);
    expect(await s.heard()).toEqual(['dropped', 'replay']);
    s.line.heard('status', new TextEncoder().encode(JSON.stringify({ v: 1, type: 'status', online: true, boot: base32(s.camera.boot) })));
    expect(await s.heard()).toEqual(['dropped', 'message']); // nobody but the camera says that it is there
    s.line.heard('status', new TextEncoder().encode(JSON.stringify({ v: 1, type: 'status', online: false, boot: base32(s.camera.boot) })));
    expect(await s.heard()).toEqual(['status', false]);
  });

  it('keeps its order both ways, and has its last word ready', async () => {
    const s = await scene();
    s.line.heard('challenge', s.camera.challenge);
    await s.heard();
    const talk = s.line.open(offer(SESSION, 'v=0')) as Talk;
    for (let n = 0; n < 5; n++) s.line.say(talk, candidate(SESSION, { candidate: `candidate:${n}` }));
    const heard = await s.camera.hears(await s.sent());
    expect(heard.message).toMatchObject({ type: 'offer', sdp: 'v=0' });
    for (let n = 0; n < 5; n++) {
      expect(await s.camera.hearsMore(await s.sent(), heard)).toMatchObject({ sequence: n + 1, message: { candidate: { candidate: `candidate:${n}` } } });
    }
    expect(await s.camera.hearsMore(talk.lastWord!, heard)).toMatchObject({ sequence: 2 ** 32, message: { type: 'bye', session: SESSION } });
    const answer = await s.camera.answers(heard, { type: 'answer', session: SESSION, sdp: 'v=0' });
    const end = await answer.says({ type: 'end', session: SESSION, reason: 'revoked' });
    s.line.heard('res', answer.first);
    s.line.heard('res', end);
    s.line.heard('res', end);
    expect(await s.heard()).toEqual(['answer', talk]);
    expect(await s.heard()).toEqual(['end', talk]);
    expect(await s.heard()).toEqual(['dropped', 'replay']);
    s.line.close(talk);
    s.line.open(hello());
    await s.sent(); // what was asked for before it is done
    s.line.heard('res', await answer.says({ type: 'end', session: SESSION, reason: 'lost' }));
    expect(await s.heard()).toEqual(['dropped', 'exchange']);
  });

  it('takes refusals of the camera alone, for what it has asked', async () => {
    const s = await scene();
    s.line.heard('challenge', s.camera.challenge);
    await s.heard();
    const talk = s.line.open(pair('AAECAwQFBgcICQoLDA0ODw', 'x'));
    const heard = await s.camera.hears(await s.sent(), 'pair');
    const other = await Camera.make();
    s.line.heard('res', await new Camera(s.camera.id, other.identity, 1000, other.signs, other.agrees).refuses(s.me.id, heard.nonce, 5));
    expect(await s.heard()).toEqual(['dropped', 'signature']);
    s.line.heard('res', await s.camera.refuses(s.me.id, crypto.getRandomValues(new Uint8Array(16)), 5));
    expect(await s.heard()).toEqual(['dropped', 'exchange']);
    await s.camera.renew(); // the refusal is signed by what is newest
    s.line.heard('challenge', s.camera.challenge);
    await s.heard();
    s.line.heard('res', await s.camera.refuses(s.me.id, heard.nonce, 1));
    expect(await s.heard()).toEqual(['stale', talk]);
  });

  it('drops what is older than it remembers, and all junk, and goes on', async () => {
    const s = await scene(undefined, { generation: 1000, number: 5 });
    s.line.heard('challenge', s.camera.challenge);
    expect(await s.heard()).toEqual(['dropped', 'stale']);
    for (const what of ['challenge', 'status', 'res', 'event']) for (const n of [0, 1, 24, 56, 200, 379]) s.line.heard(what, crypto.getRandomValues(new Uint8Array(n)));
    for (let n = 0; n < 24; n++) expect(((await s.heard()) as unknown[])[0]).toBe('dropped');
    for (let n = 0; n < 5; n++) await s.camera.next();
    s.line.heard('challenge', s.camera.challenge);
    expect(await s.heard()).toEqual(['challenge', 1000, 6]);
  });
});
