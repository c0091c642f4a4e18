/**
 * Who this browser is to a camera: an ECDSA P-256 key pair, kept in IndexedDB. The private key cannot be read out,
 * not even by this page. The viewer id is derived from the public key.
 */
import { base32 } from './base32';
import { promised, withStore } from './kept';
import { nameOf, pointOf } from './trust/crypto';
import type { Viewer } from './trust/exchange';

/** `viewer`: its id, as topics and JSON have it */
export interface Identity extends Viewer { viewer: string }

export async function loadIdentity(): Promise<Identity> {
  const { publicKey, privateKey } = await keptKeys().catch(() => freshKeys()); // no storage: an identity for as long as the page is open
  const point = await pointOf(publicKey);
  const id = await nameOf(point);
  return { viewer: base32(id), id, point, key: privateKey };
}

/** Asks the browser not to throw the keys away when it runs out of space. It may say no. */
export async function keepKeys(): Promise<boolean> {
  try {
    return (await navigator.storage?.persist?.()) === true;
  } catch {
    return false;
  }
}

const STORE = 'identity';
const KEY = 'viewer';

function freshKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
}

async function keptKeys(): Promise<CryptoKeyPair> {
  const kept = await withStore(STORE, 'readonly', (s) => promised<unknown>(s.get(KEY)));
  if (isKeyPair(kept)) return kept;
  const fresh = await freshKeys();
  return withStore(STORE, 'readwrite', async (s) => {
    // Another tab may have been quicker: then its keys are this browser's.
    const theirs = await promised<unknown>(s.get(KEY));
    if (isKeyPair(theirs)) return theirs;
    await promised(s.put(fresh, KEY));
    return fresh;
  });
}

function isKeyPair(x: unknown): x is CryptoKeyPair {
  const pair = x as Partial<CryptoKeyPair> | undefined;
  return pair?.publicKey instanceof CryptoKey && pair.privateKey instanceof CryptoKey;
}
