/** The vectors of tests/data/trust, which the daemon's tests read too: what is sealed, byte by byte, and every attack on a viewer. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { base32 } from '../../src/base32';
import { bindingHolds, bindingMac } from '../../src/trust/binding';
import { base64url, readBase64url, readU64, type Bytes } from '../../src/trust/bytes';
import { readChallenge, type Challenge, type Seen } from '../../src/trust/challenge';
import { nameOf, pointOf, sha256, signer, verify, type Ephemeral } from '../../src/trust/crypto';
import { kindOf } from '../../src/trust/envelope';
import { Exchange, prepared, seals, type Prepared, type Viewer } from '../../src/trust/exchange';
import { makeGrant, ROLES, type Role } from '../../src/trust/grant';
import { readRefusal } from '../../src/trust/refusal';
import { broadcastKey, openBroadcast, readBroadcast } from '../../src/trust/status';
import { words } from '../../src/trust/words';

const read = (file: string): any => JSON.parse(readFileSync(new URL(`../../../tests/data/trust/${file}.json`, import.meta.url), 'utf8'));
const [setup, messages, viewer, grants] = ['setup', 'messages', 'viewer', 'grants'].map(read);
const b = (text: string): Bytes => {
  const bytes = readBase64url(text);
  if (!bytes) throw new Error(`not base64url: ${text}`);
  return bytes;
};
const text = (x: Bytes | string): string => (typeof x === 'string' ? `dropped: ${x}` : new TextDecoder().decode(x));
const unsigned = (envelope: Bytes): Bytes => envelope.slice(0, -64);

const importKey = async (name: string, algorithm: 'ECDSA' | 'ECDH', uses: KeyUsage[]): Promise<Ephemeral> => {
  const jwk = { kty: 'EC', crv: 'P-256', ...setup.keys[name] };
  delete jwk.pkcs8;
  const { d: _, ...open } = jwk;
  const key = await crypto.subtle.importKey('jwk', jwk, { name: algorithm, namedCurve: 'P-256' }, false, uses);
  return { key, point: await pointOf(await crypto.subtle.importKey('jwk', open, { name: algorithm, namedCurve: 'P-256' }, true, algorithm === 'ECDSA' ? ['verify'] : [])) };
};
const person = async (name: string): Promise<Viewer> => {
  const own = await importKey(name, 'ECDSA', ['sign']);
  return { ...own, id: await nameOf(own.point) };
};

const identity = await importKey('identity', 'ECDSA', ['sign']);
const camera = await nameOf(identity.point);
const people: Record<string, Viewer> = { viewer: await person('viewer'), guest: await person('guest') };
const own = await importKey('ephemeral_viewer', 'ECDH', ['deriveBits']);
const challenge = (await readChallenge(b(messages.challenge), camera, undefined)) as Challenge;

/** The request as it was made, from its envelope. */
async function asked(envelope: Bytes): Promise<{ prepared: Prepared; exchange: Exchange; by: Viewer }> {
  const pair = kindOf(envelope) === 'pair';
  const header = envelope.slice(0, pair ? 186 : 137);
  const nonce = pair ? header.slice(105, 121) : header.slice(56, 72);
  const by = Object.values(people).find((p) => base64url(pair ? p.point : p.id) === base64url(pair ? header.slice(40, 105) : header.slice(40, 56)))!;
  const made = await prepared(challenge, nonce, own, header);
  return { prepared: made, by, exchange: new Exchange(made, by.id, await sha256(envelope)) };
}
const take = async (exchange: Exchange, by: Viewer, envelope: Bytes): Promise<Bytes | string> => {
  const kind = kindOf(envelope);
  if (kind === 'first' || kind === 'next') return exchange[kind](envelope);
  return kind === 'refusal' || kind === undefined ? readRefusal(envelope, camera, by.id, exchange.nonce, [challenge.signs]) : 'kind';
};

it('the names and words are those of the keys', async () => {
  expect([base32(camera), base32(people.viewer!.id), base32(people.guest!.id)]).toEqual([setup.camera, setup.viewer, setup.guest]);
  expect([await words(identity.point), await words(people.viewer!.point)]).toEqual([setup.words.identity, setup.words.viewer]);
});

it('the challenge is taken', () => {
  expect(challenge).toMatchObject({ generation: setup.generation, number: setup.number, value: b(setup.random), identity: identity.point });
});

describe('an exchange', () => {
  it.each<[string, any]>(messages.exchanges.map((e: any) => [e.name, e]))('%s is sealed and opened, byte by byte', async (_, e: any) => {
    const envelope = b(e.envelope);
    const { prepared: made, exchange, by } = await asked(envelope);
    expect(by).toBe(people[e.by]);
    const label = e.kind === 'pair' ? 'pair' : 'request';
    const again = await seals(made, by, label, e.plain);
    expect(unsigned(again!.envelope)).toEqual(unsigned(envelope));
    const key = (await signer(by.point))!;
    for (const signed of [envelope, again!.envelope]) expect(await verify(label, unsigned(signed), signed.slice(-64), key)).toBe(true);
    expect(base64url(await sha256(envelope))).toBe(e.t);
    for (const more of e.more) expect(await exchange.more(more.plain, readU64(b(more.envelope), 56))).toEqual(b(more.envelope));
    for (const response of e.responses) expect(text(await take(exchange, by, b(response.envelope)))).toBe(response.plain);
    const prints = { viewer: b(e.binding.viewer), camera: b(e.binding.camera) };
    expect(base64url(await bindingMac(exchange.kbind!, prints))).toBe(e.binding.viewer_mac);
    expect(await bindingHolds(exchange.kbind!, prints, b(e.binding.camera_mac))).toBe(true);
    expect(await bindingHolds(exchange.kbind!, { ...prints, camera: prints.viewer }, b(e.binding.camera_mac))).toBe(false);
    expect(await bindingHolds(exchange.kbind!, prints, b(e.binding.viewer_mac)), 'reflected').toBe(false);
  });
});

it.each<[string, any]>(messages.refusals.map((r: any) => [r.reason, r]))('the refusal %s is understood', async (reason, r: any) => {
  const { exchange, by } = await asked(b(messages.exchanges[0].envelope));
  expect(await take(exchange, by, b(r.envelope))).toBe(reason);
});

it('the status is read, in its order', async () => {
  const key = await broadcastKey(b(setup.broadcast_key));
  for (const s of messages.status) {
    const it = await readBroadcast(b(s.envelope), camera, (g) => (g === challenge.generation ? challenge.signs : undefined));
    if (typeof it === 'string') throw new Error(it);
    expect(base32(it.boot)).toBe(setup.boot);
    expect(text(await openBroadcast(it, key))).toBe(s.plain);
  }
});

describe('attacks on a viewer', () => {
  it('are many', () => expect(viewer.length).toBeGreaterThanOrEqual(60));
  const attempt: Record<string, (a: any) => Promise<unknown>> = {
    challenge: async (a) => {
      let seen: Seen | undefined;
      for (const before of a.before) seen = (await readChallenge(b(before), camera, seen)) as Challenge;
      return readChallenge(b(a.envelope), camera, seen);
    },
    res: async (a) => {
      const { exchange, by } = await asked(b(a.asked));
      for (const before of a.before) expect(text(await take(exchange, by, b(before)))).not.toMatch(/^dropped/);
      return take(exchange, by, b(a.envelope));
    },
    status: async (a) => {
      const key = await broadcastKey(b(setup.broadcast_key));
      let told = 0;
      const take = async (envelope: Bytes): Promise<unknown> => {
        const it = await readBroadcast(envelope, camera, (g) => (g === challenge.generation ? challenge.signs : undefined));
        if (typeof it === 'string') return it;
        if (it.number < told) return 'replay';
        const plain = await openBroadcast(it, key);
        if (plain === 'key') return 'sealed'; // told apart, since it is worth a `hello`
        if (typeof plain !== 'string') told = it.number;
        return plain;
      };
      for (const before of a.before) await take(b(before));
      return take(b(a.envelope));
    },
  };
  it.each<[string, string, any]>(viewer.map((a: any) => [a.name, a.reason, a]))('%s: %s', async (_, reason, a: any) => {
    expect(await attempt[a.on]?.(a)).toBe(reason);
  });
});

it('grants are made as the camera takes them', async () => {
  const good = grants.filter((g: any) => ROLES.includes(g.result) && g.giver === 'owner');
  expect(good.length).toBeGreaterThan(0);
  for (const g of good) {
    const bytes = b(g.grant);
    const [role, before, until] = [ROLES[(bytes[4] ?? 0) - 1] as Exclude<Role, 'owner'>, readU64(bytes, 72)!, readU64(bytes, 80)!];
    const made = await makeGrant(people.viewer!, camera, { role, before, until }, b(g.secret));
    expect(unsigned(made.grant), g.name).toEqual(unsigned(bytes));
    expect(await verify('grant', unsigned(bytes), bytes.slice(-64), (await signer(people.viewer!.point))!), g.name).toBe(true);
  }
});
