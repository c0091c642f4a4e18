/** The primitives of docs/sealing.md, all of them the browser's own (WebCrypto), and no others. */
import { join, u64, utf8, type Bytes } from './bytes';

export const POINT = 65;
export const SIGNATURE = 64;
export const TAG = 16;

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const ECDH = { name: 'ECDH', namedCurve: 'P-256' } as const;
const ES256 = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** What is signed: each label is a domain of its own. */
export type Label = 'operational' | 'challenge' | 'request' | 'pair' | 'response' | 'refusal' | 'broadcast' | 'grant';

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

/** The first 128 bits of SHA-256 over a public point: what a camera or a viewer is called by. */
export async function nameOf(point: Bytes): Promise<Bytes> {
  return (await sha256(point)).slice(0, 16);
}

export async function pointOf(key: CryptoKey): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.exportKey('raw', key));
}

/** A key that others sign with. Undefined when the point is none of the curve. */
export function signer(point: Bytes): Promise<CryptoKey | undefined> {
  return uncompressed(point, () => crypto.subtle.importKey('raw', point, ECDSA, true, ['verify']));
}

/** A key that others agree with. Undefined when the point is none of the curve. */
export function agreer(point: Bytes): Promise<CryptoKey | undefined> {
  return uncompressed(point, () => crypto.subtle.importKey('raw', point, ECDH, true, []));
}

export async function sign(label: Label, bytes: Bytes, key: CryptoKey): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign(ES256, key, labelled(label, bytes)));
}

export async function verify(label: Label, bytes: Bytes, signature: Bytes, key: CryptoKey): Promise<boolean> {
  return signature.length === SIGNATURE && crypto.subtle.verify(ES256, key, signature, labelled(label, bytes));
}

export interface Ephemeral { point: Bytes; key: CryptoKey }

export async function ephemeral(): Promise<Ephemeral> {
  const pair = await crypto.subtle.generateKey(ECDH, false, ['deriveBits']);
  return { point: await pointOf(pair.publicKey), key: pair.privateKey };
}

/** The x coordinate, 32 bytes. */
export async function agree(mine: CryptoKey, theirs: CryptoKey): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'ECDH', public: theirs }, mine, 256));
}

/** HKDF-SHA-256 (RFC 5869). `info` is given without the prefix that all of ours have. */
export async function derive(ikm: Bytes, salt: Bytes, info: string | Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey('raw', ikm, 'HKDF', false, ['deriveBits']);
  const whole = typeof info === 'string' ? utf8(`lunette/1 ${info}`) : info;
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info: whole }, key, 256));
}

export function sealer(key: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

/** AES-256-GCM; the sequence number is the last 8 bytes of the IV, the rest is zero. */
export async function seal(key: CryptoKey, sequence: number, aad: Bytes, plain: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.encrypt(gcm(sequence, aad), key, plain));
}

/** Undefined when it was not sealed with this key, number and header. */
export async function unseal(key: CryptoKey, sequence: number, aad: Bytes, body: Bytes): Promise<Bytes | undefined> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt(gcm(sequence, aad), key, body));
  } catch {
    return undefined;
  }
}

export async function hmac(key: Bytes, bytes: Bytes): Promise<Bytes> {
  const k = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', k, bytes));
}

export async function hmacIs(key: Bytes, bytes: Bytes, mac: Bytes): Promise<boolean> {
  const k = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
  return crypto.subtle.verify('HMAC', k, mac, bytes);
}

function gcm(sequence: number, aad: Bytes): AesGcmParams {
  return { name: 'AES-GCM', iv: join(new Uint8Array(4), u64(sequence)), additionalData: aad, tagLength: TAG * 8 };
}

function labelled(label: Label, bytes: Bytes): Bytes {
  return join(utf8(`lunette/1 ${label}`), Uint8Array.of(0), bytes);
}

async function uncompressed(point: Bytes, read: () => Promise<CryptoKey>): Promise<CryptoKey | undefined> {
  if (point.length !== POINT || point[0] !== 4) return undefined;
  try {
    return await read();
  } catch {
    return undefined;
  }
}
