/**
 * Who this browser is to a camera: an ECDSA P-256 key pair, kept in IndexedDB. The private key cannot be read out,
 * not even by this page. The viewer id is derived from the public key.
 */
import { base32 } from './base32';

export interface Identity { viewer: string; keys: CryptoKeyPair }

export async function loadIdentity(): Promise<Identity> {
  const keys = await keptKeys().catch(() => freshKeys()); // no storage: an identity for as long as the page is open
  return { viewer: await viewerId(keys.publicKey), keys };
}

/** The first 128 bits of SHA-256 over the uncompressed point, in base32. */
export async function viewerId(publicKey: CryptoKey): Promise<string> {
  const point = await crypto.subtle.exportKey('raw', publicKey);
  const digest = await crypto.subtle.digest('SHA-256', point);
  return base32(new Uint8Array(digest, 0, 16));
}

export async function freshKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
}

const STORE = 'identity';
const KEY = 'viewer';

async function keptKeys(): Promise<CryptoKeyPair> {
  const db = await openStore();
  try {
    const kept = await promised<unknown>(db.transaction(STORE).objectStore(STORE).get(KEY));
    if (isKeyPair(kept)) return kept;
    const fresh = await freshKeys();
    // Another tab may have been quicker: then its keys are this browser's.
    const store = db.transaction(STORE, 'readwrite').objectStore(STORE);
    const theirs = await promised<unknown>(store.get(KEY));
    if (isKeyPair(theirs)) return theirs;
    await promised(store.put(fresh, KEY));
    return fresh;
  } finally {
    db.close();
  }
}

function openStore(): Promise<IDBDatabase> {
  const request = indexedDB.open('lunette', 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return promised(request);
}

function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'));
  });
}

function isKeyPair(x: unknown): x is CryptoKeyPair {
  const pair = x as Partial<CryptoKeyPair> | undefined;
  return pair?.publicKey instanceof CryptoKey && pair.privateKey instanceof CryptoKey;
}
