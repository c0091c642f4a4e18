/** Bytes, as the envelopes of docs/sealing.md are made of them. Pure. */
import { base32 } from '../base32';

export type Bytes = Uint8Array<ArrayBuffer>;

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

export function join(...parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}

export function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** A number below 2^53 as eight bytes, big-endian. */
export function u64(n: number): Bytes {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(n));
  return out;
}

/** Eight bytes as a number; undefined where it is no exact one. */
export function readU64(bytes: Uint8Array, at: number): number | undefined {
  const n = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(at));
  return Number.isSafeInteger(n) ? n : undefined;
}

/** Base64 with `-` and `_`, no padding (RFC 4648, section 5). */
export function base64url(bytes: Uint8Array): string {
  let binary = '';
  for (const b of bytes) binary += String.fromCharCode(b);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Undefined when it is not exactly what `base64url` writes. */
export function readBase64url(text: string): Bytes | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  return base64url(bytes) === text ? bytes : undefined;
}

/** The 16 bytes of an id; undefined when it is none. */
export function readId(id: string): Bytes | undefined {
  const out = new Uint8Array(16);
  let bits = 0;
  let have = 0;
  let at = 0;
  for (const c of id) {
    const value = 'abcdefghijklmnopqrstuvwxyz234567'.indexOf(c);
    if (value < 0) return undefined;
    bits = ((bits << 5) | value) & 0xfff;
    have += 5;
    if (have >= 8 && at < 16) {
      have -= 8;
      out[at++] = (bits >> have) & 255;
    }
  }
  return at === 16 && base32(out) === id ? out : undefined;
}
