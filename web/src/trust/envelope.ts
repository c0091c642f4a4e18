/** How every envelope begins. Pure. */
import { equal, join, type Bytes } from './bytes';

export const KIND = {
  open: 0x01, more: 0x02, pair: 0x03, first: 0x11, next: 0x12, refusal: 0x13, broadcast: 0x21, challenge: 0x31,
} as const;
export type Kind = keyof typeof KIND;

export const HEAD = 24;
/** No envelope is longer than this. */
export const ENVELOPE_MAX = 16_384;
const VERSION = 1;
const SUITE = 1;
const MAGIC = Uint8Array.of(0x4c, 0x55, 0x4e); // LUN

/** Why something that came was dropped. */
export type Dropped =
  | 'length' | 'version' | 'kind' | 'suite' | 'camera' | 'stale' | 'signature' | 'exchange' | 'sealed' | 'replay'
  | 'key' | 'message';

export function head(kind: Kind, camera: Bytes): Bytes {
  return join(MAGIC, Uint8Array.of(VERSION, KIND[kind], SUITE, 0, 0), camera);
}

/** What is wrong with the first 24 bytes, if anything is. */
export function wrongHead(bytes: Uint8Array, kind: Kind, camera: Uint8Array): Dropped | undefined {
  if (!equal(bytes.subarray(0, 3), MAGIC) || bytes[3] !== VERSION) return 'version';
  if (bytes[4] !== KIND[kind]) return 'kind';
  if (bytes[5] !== SUITE) return 'suite';
  if (bytes[6] !== 0 || bytes[7] !== 0) return 'version';
  if (!equal(bytes.subarray(8, HEAD), camera)) return 'camera';
  return undefined;
}

/** Which kind it says it is, if it is one. */
export function kindOf(bytes: Uint8Array): Kind | undefined {
  if (bytes.length < HEAD) return undefined;
  return (Object.keys(KIND) as Kind[]).find((k) => KIND[k] === bytes[4]);
}
