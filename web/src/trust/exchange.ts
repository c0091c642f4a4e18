/**
 * One exchange with a camera, as the viewer's side has it: a request that opens it, what is said later in both directions,
 * and the keys that all of this rests on.
 */
import { equal, join, random, readU64, u64, utf8, type Bytes } from './bytes';
import type { Challenge } from './challenge';
import {
  agree, agreer, derive, ephemeral, POINT, seal, sealer, sha256, sign, SIGNATURE, TAG, unseal, verify, type Ephemeral,
} from './crypto';
import { ENVELOPE_MAX, HEAD, head, wrongHead, type Dropped } from './envelope';

export interface Viewer { id: Bytes; point: Bytes; key: CryptoKey }

/** A request that wants only its words: made ahead, so that a click costs one encryption and one signature. */
export interface Prepared {
  challenge: Challenge;
  header: Bytes;
  nonce: Bytes;
  ephemeral: Ephemeral;
  z1: Bytes;
  kreq: CryptoKey;
}

/** `bye` is said with this number, ahead of all others: the last thing that is said in any case. */
export const LAST_WORD = 2 ** 32;

const OPEN_MIN = 217;
const FIRST_HEADER = 121;
const LATER_HEADER = 64;

export async function prepareOpen(viewer: Viewer, challenge: Challenge): Promise<Prepared> {
  const nonce = random(16);
  const own = await ephemeral();
  return prepared(challenge, nonce, own, join(head('open', challenge.camera), challenge.value, viewer.id, nonce, own.point));
}

/** `header`: all of the envelope before what is encrypted. */
export async function prepared(challenge: Challenge, nonce: Bytes, own: Ephemeral, header: Bytes): Promise<Prepared> {
  const z1 = await agree(own.key, challenge.agrees);
  const salt = await sha256(join(header, challenge.agreesPoint));
  const kreq = await sealer(await derive(z1, salt, 'request key'));
  return { challenge, header, nonce, ephemeral: own, z1, kreq };
}

/** Seals what opens an exchange. Undefined when the message is longer than a camera reads. */
export async function seals(
  it: Prepared, viewer: Viewer, label: 'request' | 'pair', message: string, most = ENVELOPE_MAX,
): Promise<{ envelope: Bytes; exchange: Exchange } | undefined> {
  const plain = utf8(message);
  if (it.header.length + plain.length + TAG + SIGNATURE > most) return undefined;
  const unsigned = join(it.header, await seal(it.kreq, 0, it.header, plain));
  const envelope = join(unsigned, await sign(label, unsigned, viewer.key));
  if (label === 'request' && envelope.length < OPEN_MIN) return undefined;
  return { envelope, exchange: new Exchange(it, viewer.id, await sha256(envelope)) };
}

export class Exchange {
  /** what channel binding rests on; there once the first response is */
  kbind: Bytes | undefined;
  #sent = 0;
  #taken = 0;
  #kres: CryptoKey | undefined;

  constructor(private readonly open: Prepared, private readonly viewer: Bytes, private readonly transcript: Bytes) {}

  get nonce(): Bytes {
    return this.open.nonce;
  }
  get challenge(): Challenge {
    return this.open.challenge;
  }

  /** Says more in this exchange, also before it was answered. Undefined when it is too long. */
  async more(message: string, sequence = ++this.#sent): Promise<Bytes | undefined> {
    const plain = utf8(message);
    if (LATER_HEADER + plain.length + TAG > ENVELOPE_MAX) return undefined;
    const header = join(head('more', this.open.challenge.camera), this.viewer, this.open.nonce, u64(sequence));
    return join(header, await seal(this.open.kreq, sequence, header, plain));
  }

  /** The first response: it belongs to this request alone, and is of the camera whose challenge was used. */
  async first(bytes: Bytes): Promise<Bytes | Dropped> {
    if (bytes.length < FIRST_HEADER + TAG + SIGNATURE || bytes.length > ENVELOPE_MAX) return 'length';
    const wrong = this.#wrong(bytes, 'first');
    if (wrong) return wrong;
    if (this.#kres) return 'exchange';
    const header = bytes.slice(0, FIRST_HEADER);
    const unsigned = bytes.slice(0, -SIGNATURE);
    const { challenge, ephemeral: own, z1 } = this.open;
    if (!(await verify('response', join(this.transcript, unsigned), bytes.slice(-SIGNATURE), challenge.signs))) return 'signature';
    const theirs = await agreer(header.slice(FIRST_HEADER - POINT));
    if (!theirs) return 'sealed';
    const ikm = join(z1, await agree(own.key, theirs));
    const salt = await sha256(join(this.transcript, header));
    const kres = await sealer(await derive(ikm, salt, 'response key'));
    const plain = await unseal(kres, 0, header, unsigned.slice(FIRST_HEADER));
    if (!plain) return 'sealed';
    this.kbind = await derive(ikm, salt, 'binding key');
    this.#kres = kres;
    return plain;
  }

  /** What the camera says later. */
  async next(bytes: Bytes): Promise<Bytes | Dropped> {
    if (bytes.length < LATER_HEADER + TAG || bytes.length > ENVELOPE_MAX) return 'length';
    const wrong = this.#wrong(bytes, 'next');
    if (wrong) return wrong;
    if (!this.#kres) return 'exchange';
    const sequence = readU64(bytes, 56);
    if (sequence === undefined || sequence <= this.#taken) return 'replay';
    const plain = await unseal(this.#kres, sequence, bytes.slice(0, LATER_HEADER), bytes.slice(LATER_HEADER));
    if (!plain) return 'sealed';
    if (sequence <= this.#taken) return 'replay'; // another was taken meanwhile
    this.#taken = sequence;
    return plain;
  }

  #wrong(bytes: Bytes, kind: 'first' | 'next'): Dropped | undefined {
    const wrong = wrongHead(bytes, kind, this.open.challenge.camera);
    if (wrong) return wrong;
    return equal(bytes.subarray(HEAD, 40), this.viewer) && equal(nonceOf(bytes), this.open.nonce) ? undefined : 'exchange';
  }
}

/** To which exchange a response belongs. */
export function nonceOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(40, 56);
}
