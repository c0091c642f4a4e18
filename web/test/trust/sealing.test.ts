/** The viewer's half of docs/sealing.md against a camera's half. */
import { describe, expect, it } from 'vitest';
import { base32 } from '../../src/base32';
import { base64url, equal, join, readBase64url, readId, u64, utf8, type Bytes } from '../../src/trust/bytes';
import { bindingHolds, bindingMac, fingerprintIn } from '../../src/trust/binding';
import { readChallenge, type Challenge } from '../../src/trust/challenge';
import { hmac, sha256, signer, verify } from '../../src/trust/crypto';
import { prepareOpen, seals, type Exchange } from '../../src/trust/exchange';
import { makeGrant } from '../../src/trust/grant';
import { sealPair } from '../../src/trust/pair';
import { readRefusal } from '../../src/trust/refusal';
import { broadcastKey, openBroadcast, readBroadcast } from '../../src/trust/status';
import { words } from '../../src/trust/words';
import { Camera, viewer, type Heard } from './camera';

const text = (x: unknown): string => (x instanceof Uint8Array ? new TextDecoder().decode(x) : String(x));
const flipped = (bytes: Bytes, at: number): Bytes => Uint8Array.from(bytes, (b, i) => (i === at ? b ^ 1 : b));

async function scene() {
  const camera = await Camera.make();
  const me = await viewer();
  const challenge = (await readChallenge(camera.challenge, camera.id, undefined)) as Challenge;
  const open = async (message: object): Promise<{ exchange: Exchange; heard: Heard; envelope: Bytes }> => {
    const sealed = await seals(await prepareOpen(me, challenge), me, 'request', JSON.stringify(message));
    if (!sealed) throw new Error('not sealed');
    return { ...sealed, heard: await camera.hears(sealed.envelope) };
  };
  return { camera, me, challenge, open };
}

describe('bytes', () => {
  it('are written and read', () => {
    const id = crypto.getRandomValues(new Uint8Array(16));
    expect(readId(base32(id))).toEqual(id);
    for (const junk of ['', 'a'.repeat(25), 'a'.repeat(27), 'a'.repeat(25) + 'b', 'A'.repeat(26)]) expect(readId(junk)).toBeUndefined();
    for (let n = 0; n < 5; n++) expect(readBase64url(base64url(id.slice(0, n)))).toEqual(id.slice(0, n));
    for (const junk of ['a', 'ab=', 'a+b/', 'ab cd', 'AB']) expect(readBase64url(junk)).toBeUndefined();
    expect([...u64(2 ** 32 + 1)]).toEqual([0, 0, 0, 1, 0, 0, 0, 1]);
  });
});

describe('a challenge', () => {
  it('is taken, and a newer one after it', async () => {
    const { camera } = await scene();
    const a = (await readChallenge(camera.challenge, camera.id, undefined)) as Challenge;
    expect(a).toMatchObject({ generation: 1000, number: 1 });
    const b = (await readChallenge(await camera.next(), camera.id, a)) as Challenge;
    expect(b.number).toBe(2);
    expect(await readChallenge(camera.challenge, camera.id, b)).toMatchObject({ number: 2 });
  });
  it('of an older number or generation is refused', async () => {
    const { camera } = await scene();
    const old = camera.challenge;
    const newer = (await readChallenge(await camera.next(), camera.id, undefined)) as Challenge;
    expect(await readChallenge(old, camera.id, newer)).toBe('stale');
    await camera.renew();
    const renewed = (await readChallenge(camera.challenge, camera.id, newer)) as Challenge;
    expect(renewed.number).toBe(1);
    expect(await readChallenge(old, camera.id, renewed)).toBe('stale');
  });
  it('of another camera, or signed by another, is refused', async () => {
    const { camera } = await scene();
    const other = await Camera.make();
    expect(await readChallenge(other.challenge, camera.id, undefined)).toBe('camera');
    expect(await readChallenge(join(camera.challenge.slice(0, 8), camera.id, other.challenge.slice(24)), camera.id, undefined)).toBe('camera');
    expect(await readChallenge(await camera.next((p) => { p.by = other.signs; }), camera.id, undefined)).toBe('signature');
    expect(await readChallenge(await camera.next((p) => { p.certified = other.identity; }), camera.id, undefined)).toBe('signature');
  });
  it('with any bit changed is refused', async () => {
    const { camera } = await scene();
    for (let at = 0; at < camera.challenge.length; at += 7) {
      expect(typeof await readChallenge(flipped(camera.challenge, at), camera.id, undefined), `byte ${at}`).toBe('string');
    }
    expect(await readChallenge(camera.challenge.slice(0, -1), camera.id, undefined)).toBe('length');
  });
});

describe('an exchange', () => {
  it('is opened, answered, and goes on both ways', async () => {
    const { camera, me, open } = await scene();
    const { exchange, heard, envelope } = await open({ v: 1, type: 'hello' });
    expect(heard.message).toEqual({ v: 1, type: 'hello' });
    expect(heard.viewer).toEqual(me.id);
    const key = (await signer(me.point))!;
    expect(await verify('request', envelope.slice(0, -64), envelope.slice(-64), key)).toBe(true);
    const early = (await exchange.more('{"early":1}'))!;
    expect(await camera.hearsMore(early, heard)).toEqual({ sequence: 1, message: { early: 1 } });
    const answer = await camera.answers(heard, { type: 'welcome' });
    expect(text(await exchange.first(answer.first))).toBe('{"v":1,"type":"welcome"}');
    expect(exchange.kbind).toEqual(answer.kbind);
    expect(text(await exchange.next(await answer.says({ n: 1 })))).toBe('{"v":1,"n":1}');
    expect(text(await exchange.next(await answer.says({ n: 5 }, 5)))).toBe('{"v":1,"n":5}');
    expect(await exchange.next(await answer.says({ n: 5 }, 5))).toBe('replay');
    expect(await exchange.next(await answer.says({ n: 4 }, 4))).toBe('replay');
    expect((await camera.hearsMore((await exchange.more('{}'))!, heard)).sequence).toBe(2);
    expect(await exchange.first(answer.first)).toBe('exchange');
  });
  it('takes no answer to another request', async () => {
    const { camera, open } = await scene();
    const [a, b] = [await open({ type: 'hello' }), await open({ type: 'hello' })];
    const answer = await camera.answers(a.heard, {});
    expect(await b.exchange.first(answer.first)).toBe('exchange');
    // spliced: b's nonce in an answer to a
    const spliced = await camera.answers({ ...a.heard, nonce: b.heard.nonce }, {});
    expect(await b.exchange.first(spliced.first)).toBe('signature');
    expect(await b.exchange.next(await answer.says({}))).toBe('exchange');
  });
  it('takes no answer of another camera, and none that was changed', async () => {
    const { camera, open } = await scene();
    const { exchange, heard } = await open({ type: 'hello' });
    const { first } = await camera.answers(heard, {});
    for (let at = 0; at < first.length; at += 5) expect(typeof await exchange.first(flipped(first, at)), `byte ${at}`).toBe('string');
    const impostor = await Camera.make();
    const forged = await new Camera(camera.id, impostor.identity, 1000, impostor.signs, camera.agrees).answers(heard, {});
    expect(await exchange.first(forged.first)).toBe('signature');
    expect(exchange.kbind).toBeUndefined();
    expect(text(await exchange.first(first))).toBe('{"v":1}');
  });
  it('is not sealed when it is too long', async () => {
    const { me, challenge } = await scene();
    expect(await seals(await prepareOpen(me, challenge), me, 'request', 'x'.repeat(16_384))).toBeUndefined();
  });
});

it('a refusal is of this camera, for this viewer and this request', async () => {
  const { camera, me, challenge, open } = await scene();
  const { exchange, heard } = await open({ type: 'hello' });
  const r = await camera.refuses(me.id, heard.nonce, 2);
  expect(await readRefusal(r, camera.id, me.id, exchange.nonce, [challenge.signs])).toBe('not_paired');
  for (let at = 0; at < r.length; at += 3) {
    expect(['stale', 'not_paired', 'expired', 'busy', 'revoked'])
      .not.toContain(await readRefusal(flipped(r, at), camera.id, me.id, exchange.nonce, [challenge.signs]));
  }
  expect(await readRefusal(r, camera.id, me.id, (await open({})).heard.nonce, [challenge.signs])).toBe('exchange');
  expect(await readRefusal(await (await Camera.make()).refuses(me.id, heard.nonce, 2), camera.id, me.id, exchange.nonce, [challenge.signs])).toBe('camera');
});

it('a status is read by those who have the key', async () => {
  const { camera, challenge } = await scene();
  const bytes = await camera.status({ type: 'status' });
  const signs = (g: number) => (g === challenge.generation ? challenge.signs : undefined);
  const it = await readBroadcast(bytes, camera.id, signs);
  if (typeof it === 'string') throw new Error(it);
  expect(equal(it.boot, camera.boot)).toBe(true);
  expect(text(await openBroadcast(it, await broadcastKey(camera.key)))).toBe('{"v":1,"type":"status"}');
  expect(await openBroadcast(it, await broadcastKey(crypto.getRandomValues(new Uint8Array(32))))).toBe('key');
  expect(await openBroadcast(it, undefined)).toBe('key');
  for (let at = 0; at < bytes.length; at += 5) expect(typeof await readBroadcast(flipped(bytes, at), camera.id, signs), `byte ${at}`).toBe('string');
  await camera.renew();
  expect(await readBroadcast(await camera.status({}), camera.id, signs)).toBe('stale');
});

it('pairing shows the key and the secret', async () => {
  const { camera, me, challenge } = await scene();
  const sealed = (await sealPair(me, challenge, '{"v":1,"type":"pair","secret":"x"}'))!;
  const heard = await camera.hears(sealed.envelope, 'pair');
  expect(heard).toMatchObject({ viewer: me.id, message: { type: 'pair', secret: 'x' } });
  expect(text(await sealed.exchange.first((await camera.answers(heard, { type: 'paired' })).first))).toBe('{"v":1,"type":"paired"}');
  expect(await sealPair(me, challenge, 'x'.repeat(2000))).toBeUndefined();
});

it('a grant is as the table has it', async () => {
  const { camera, me } = await scene();
  const { secret, grant } = await makeGrant(me, camera.id, { role: 'admin', before: 1_800_000_000, until: 0 });
  expect(grant).toHaveLength(152);
  expect([...grant.slice(0, 8)]).toEqual([0x4c, 0x55, 0x4e, 1, 3, 0, 0, 0]);
  expect(grant.slice(8, 40)).toEqual(join(camera.id, me.id));
  expect(grant.slice(40, 72)).toEqual(await sha256(secret));
  expect(grant.slice(72, 88)).toEqual(join(u64(1_800_000_000), u64(0)));
  expect(await verify('grant', grant.slice(0, 88), grant.slice(88), (await signer(me.point))!)).toBe(true);
});

it('the binding holds for these certificates, this key and the other side', async () => {
  const kbind = crypto.getRandomValues(new Uint8Array(32));
  const prints = { viewer: await sha256(utf8('a')), camera: await sha256(utf8('b')) };
  const camera = await hmac(kbind, join(utf8('lunette/1 camera'), Uint8Array.of(0), prints.viewer, prints.camera));
  expect(await bindingHolds(kbind, prints, camera)).toBe(true);
  expect(await bindingHolds(kbind, { ...prints, camera: prints.viewer }, camera)).toBe(false);
  expect(await bindingHolds(crypto.getRandomValues(new Uint8Array(32)), prints, camera)).toBe(false);
  expect(await bindingHolds(kbind, prints, await bindingMac(kbind, prints)), 'reflected').toBe(false);
  const line = `a=fingerprint:sha-256 ${[...prints.viewer].map((b) => b.toString(16).padStart(2, '0').toUpperCase()).join(':')}\r\n`;
  expect(fingerprintIn(`v=0\r\n${line}m=video\r\n${line}`)).toEqual(prints.viewer);
  expect(fingerprintIn('v=0\r\n')).toBeUndefined();
  expect(fingerprintIn(line + line.replace(/[0-9A-F]{2}\r/, '00\r').replace(/[0-9A-F]{2}:/, '01:'))).toBeUndefined();
});

it('words are six of the list', async () => {
  const { me } = await scene();
  expect(await words(me.point)).toMatch(/^([a-z]{3,8} ){5}[a-z]{3,8}$/);
});
