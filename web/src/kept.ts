/** What this browser keeps in IndexedDB: its own keys, and what it has seen of each camera. */
import type { Seen } from './trust/challenge';

export type Store = 'identity' | 'seen';
const VERSION = 2;

/** Runs `use` with the store, and closes the database after it. Throws where the browser allows no storage. */
export async function withStore<T>(store: Store, mode: IDBTransactionMode, use: (store: IDBObjectStore) => Promise<T>): Promise<T> {
  const db = await open();
  try {
    return await use(db.transaction(store, mode).objectStore(store));
  } finally {
    db.close();
  }
}

export function promised<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'));
  });
}

/** The highest generation and number of a camera's challenges: what is older is a replay. */
export async function loadSeen(camera: string): Promise<Seen | undefined> {
  try {
    const kept = await withStore('seen', 'readonly', (s) => promised<unknown>(s.get(camera)));
    return isSeen(kept) ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Another tab may have seen more: then that stays. */
export async function keepSeen(camera: string, { generation, number }: Seen): Promise<void> {
  try {
    await withStore('seen', 'readwrite', async (s) => {
      const kept = await promised<unknown>(s.get(camera));
      const older = isSeen(kept) && (kept.generation > generation || (kept.generation === generation && kept.number >= number));
      if (!older) await promised(s.put({ generation, number }, camera));
    });
  } catch {
    // no storage: it holds as long as the page is open
  }
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open('lunette', VERSION);
  request.onupgradeneeded = () => {
    for (const store of ['identity', 'seen']) {
      if (!request.result.objectStoreNames.contains(store)) request.result.createObjectStore(store);
    }
  };
  return promised(request);
}

function isSeen(x: unknown): x is Seen {
  const seen = x as Partial<Seen> | undefined;
  return Number.isSafeInteger(seen?.generation) && Number.isSafeInteger(seen?.number);
}
