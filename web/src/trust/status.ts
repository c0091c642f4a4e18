/** A camera's status, for those who are known to it. */
import { equal, join, readU64, utf8, type Bytes } from './bytes';
import { derive, sealer, sha256, SIGNATURE, TAG, unseal, verify } from './crypto';
import { ENVELOPE_MAX, HEAD, wrongHead, type Dropped } from './envelope';

export interface BroadcastKey { key: Bytes; id: Bytes }

export async function broadcastKey(key: Bytes): Promise<BroadcastKey | undefined> {
  return key.length === 32 ? { key, id: (await sha256(key)).slice(0, 8) } : undefined;
}

export interface Broadcast { boot: Bytes; generation: number; number: number; keyId: Bytes; header: Bytes; body: Bytes }

const HEADER = 64;

/** What can be known without the broadcast key: that it is of this camera. `signs` finds the key of a generation. */
export async function readBroadcast(
  bytes: Bytes, camera: Bytes, signs: (generation: number) => CryptoKey | undefined,
): Promise<Broadcast | Dropped> {
  if (bytes.length < HEADER + TAG + SIGNATURE || bytes.length > ENVELOPE_MAX) return 'length';
  const wrong = wrongHead(bytes, 'broadcast', camera);
  if (wrong) return wrong;
  const generation = readU64(bytes, 40);
  const number = readU64(bytes, 48);
  if (number === undefined) return 'replay';
  const key = generation === undefined ? undefined : signs(generation);
  if (generation === undefined || !key) return 'stale';
  const unsigned = bytes.slice(0, -SIGNATURE);
  if (!(await verify('broadcast', unsigned, bytes.slice(-SIGNATURE), key))) return 'signature';
  return {
    boot: bytes.slice(HEAD, 40), generation, number, keyId: bytes.slice(56, 64), header: bytes.slice(0, HEADER), body: unsigned.slice(HEADER),
  };
}

export async function openBroadcast(it: Broadcast, key: BroadcastKey | undefined): Promise<Bytes | Dropped> {
  if (!key || !equal(key.id, it.keyId)) return 'key';
  const info = join(utf8('lunette/1 broadcast key'), it.boot);
  const k = await sealer(await derive(key.key, new Uint8Array(0), info));
  return (await unseal(k, it.number, it.header, it.body)) ?? 'sealed';
}
