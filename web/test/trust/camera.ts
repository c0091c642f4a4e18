/** A camera's half of docs/sealing.md, written for these tests: what the page says is read, and answered. */
import { equal, join, random, readU64, u64, utf8, type Bytes } from '../../src/trust/bytes';
import {
  agree, agreer, derive, ephemeral, nameOf, pointOf, seal, sealer, sha256, sign, signer, unseal, verify, type Ephemeral,
} from '../../src/trust/crypto';
import { head } from '../../src/trust/envelope';

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' } as const;

export async function keys(): Promise<{ point: Bytes; key: CryptoKey }> {
  const pair = await crypto.subtle.generateKey(ECDSA, false, ['sign', 'verify']);
  return { point: await pointOf(pair.publicKey), key: pair.privateKey };
}
export async function viewer(): Promise<{ id: Bytes; point: Bytes; key: CryptoKey }> {
  const own = await keys();
  return { ...own, id: await nameOf(own.point) };
}

type Keys = Awaited<ReturnType<typeof keys>>;
export interface Heard { message: any; viewer: Bytes; nonce: Bytes; transcript: Bytes; z1: Bytes; ev: CryptoKey; kreq: CryptoKey }

export class Camera {
  number = 0;
  challenge: Bytes = new Uint8Array(0);
  statuses = 0;
  boot = random(16);
  key = random(32);
  sent = new Map<string, number>();

  constructor(readonly id: Bytes, readonly identity: Keys, public generation: number, public signs: Keys, public agrees: Ephemeral) {}

  static async make(generation = 1000): Promise<Camera> {
    const identity = await keys();
    const camera = new Camera(await nameOf(identity.point), identity, generation, await keys(), await ephemeral());
    await camera.next();
    return camera;
  }
  async renew(generation = this.generation + 1): Promise<void> {
    [this.signs, this.agrees, this.generation, this.number] = [await keys(), await ephemeral(), generation, 0];
    await this.next();
  }
  /** Publishes another challenge. */
  async next(change: (parts: { by: Keys; certified: Keys }) => void = () => {}): Promise<Bytes> {
    const parts = { by: this.signs, certified: this.identity };
    change(parts);
    const keyed = join(u64(this.generation), this.signs.point, this.agrees.point);
    const begin = join(head('challenge', this.id), keyed, this.identity.point,
      await sign('operational', join(this.id, keyed), parts.certified.key), u64(++this.number), random(16));
    return (this.challenge = join(begin, await sign('challenge', begin, parts.by.key)));
  }

  async hears(envelope: Bytes, as: 'open' | 'pair' = 'open'): Promise<Heard> {
    const pair = as === 'pair';
    const header = envelope.slice(0, pair ? 186 : 137);
    const point = pair ? header.slice(40, 105) : undefined;
    if (!equal(header.slice(0, 24), head(as, this.id))) throw new Error('head');
    if (!equal(header.slice(24, 40), this.challenge.slice(299, 315))) throw new Error('stale');
    if (point) {
      const key = await signer(point);
      if (!key || !(await verify('pair', envelope.slice(0, -64), envelope.slice(-64), key))) throw new Error('signature');
    }
    const ev = await agreer(header.slice(-65));
    if (!ev) throw new Error('point');
    const z1 = await agree(this.agrees.key, ev);
    const kreq = await sealer(await derive(z1, await sha256(join(header, this.agrees.point)), 'request key'));
    const plain = await unseal(kreq, 0, header, envelope.slice(header.length, -64));
    if (!plain) throw new Error('sealed');
    return {
      message: JSON.parse(new TextDecoder().decode(plain)), viewer: point ? await nameOf(point) : header.slice(40, 56),
      nonce: pair ? header.slice(105, 121) : header.slice(56, 72), transcript: await sha256(envelope), z1, ev, kreq,
    };
  }
  async hearsMore(envelope: Bytes, of: Heard): Promise<{ sequence: number; message: any }> {
    const sequence = readU64(envelope, 56) ?? -1;
    const plain = await unseal(of.kreq, sequence, envelope.slice(0, 64), envelope.slice(64));
    if (!plain) throw new Error('sealed');
    return { sequence, message: JSON.parse(new TextDecoder().decode(plain)) };
  }

  async answers(to: Heard, message: object): Promise<{ first: Bytes; kbind: Bytes; says(more: object, sequence?: number): Promise<Bytes> }> {
    const own = await ephemeral();
    const header = join(head('first', this.id), to.viewer, to.nonce, own.point);
    const ikm = join(to.z1, await agree(own.key, to.ev));
    const salt = await sha256(join(to.transcript, header));
    const kres = await sealer(await derive(ikm, salt, 'response key'));
    const unsigned = join(header, await seal(kres, 0, header, utf8(JSON.stringify({ v: 1, ...message }))));
    let sent = 0;
    return {
      first: join(unsigned, await sign('response', join(to.transcript, unsigned), this.signs.key)),
      kbind: await derive(ikm, salt, 'binding key'),
      says: async (more, sequence = ++sent) => {
        const h = join(head('next', this.id), to.viewer, to.nonce, u64(sequence));
        return join(h, await seal(kres, sequence, h, utf8(JSON.stringify({ v: 1, ...more }))));
      },
    };
  }
  async refuses(viewer: Bytes, nonce: Bytes, reason: number): Promise<Bytes> {
    const unsigned = join(head('refusal', this.id), viewer, nonce, Uint8Array.of(reason, 0, 0, 0, 0, 0, 0, 0));
    return join(unsigned, await sign('refusal', unsigned, this.signs.key));
  }
  async status(message: object, number = ++this.statuses): Promise<Bytes> {
    const id = (await sha256(this.key)).slice(0, 8);
    const header = join(head('broadcast', this.id), this.boot, u64(this.generation), u64(number), id);
    const k = await sealer(await derive(this.key, new Uint8Array(0), join(utf8('lunette/1 broadcast key'), this.boot)));
    const unsigned = join(header, await seal(k, number, header, utf8(JSON.stringify({ v: 1, ...message }))));
    return join(unsigned, await sign('broadcast', unsigned, this.signs.key));
  }
}
