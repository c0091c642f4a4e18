/** User name and password for a broker, by its address: for this tab, or on this device when the user says so. */
import { isRecord } from './signal/message';

export interface Credentials { user: string; password: string }

const key = (broker: string): string => `lunette.login ${broker}`;

export function loadCredentials(broker: string): Credentials | undefined {
  for (const storage of [session(), local()]) {
    try {
      const m: unknown = JSON.parse(storage?.getItem(key(broker)) ?? 'null');
      if (isRecord(m) && typeof m.user === 'string' && typeof m.password === 'string') {
        return { user: m.user, password: m.password };
      }
    } catch {
      // unreadable: as if there were none
    }
  }
  return undefined;
}

export function keepCredentials(broker: string, it: Credentials, remember: boolean): void {
  forgetCredentials(broker);
  try {
    (remember ? local() : session())?.setItem(key(broker), JSON.stringify(it));
  } catch {
    // full or forbidden: asked again next time
  }
}

export function forgetCredentials(broker: string): void {
  session()?.removeItem(key(broker));
  local()?.removeItem(key(broker));
}

/** Reading these properties throws where the browser forbids storage. */
export function local(): Storage | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}
function session(): Storage | undefined {
  try {
    return window.sessionStorage;
  } catch {
    return undefined;
  }
}
