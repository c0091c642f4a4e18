/** What this page has heard of one camera over the broker. Pure: time comes in as an argument (Unix ms). */
import type { IceServer, Source, Status, Stream, Welcome, Event } from './signal/message';

/** TURN credentials inside a welcome run out: it is renewed while the page is looked at. */
const WELCOME_FRESH = 600_000;

export interface Presence {
  online?: boolean;
  /** of the last online status; survives a loss of the broker */
  boot?: string;
  /** of the last online status in this connection */
  bootHere?: string;
  offlineSince?: number;
  name?: string;
  version?: string;
  source?: Source;
  streams: Stream[];
  welcome?: { boot: string; ice: IceServer[]; viewers?: number; at: number };
  denied: boolean;
}

export const unseen = (): Presence => ({ streams: [], denied: false });

/** A new connection to the broker: what was seen in the one before does not say which last will is late. */
export function reconnected(p: Presence): Presence {
  const { bootHere: _, ...rest } = p;
  return { ...rest, denied: false };
}

export function heardStatus(p: Presence, s: Status, now: number): Presence {
  if (s.online) {
    const { offlineSince: _, source: __, ...rest } = p;
    return {
      ...rest, online: true, boot: s.boot, bootHere: s.boot, streams: s.streams,
      ...(s.name !== undefined && { name: s.name }), ...(s.version !== undefined && { version: s.version }),
      ...(s.camera && { source: s.camera }),
    };
  }
  if (p.bootHere !== undefined && p.bootHere !== s.boot) return p; // a late last will of an earlier start
  // The will carries no time: when it happened is known only to a page that saw it happen.
  return { ...p, online: false, ...(p.online && { offlineSince: now }) };
}

export function heardEvent(p: Presence, e: Event): Presence {
  if (e.event === 'camera_lost') return { ...p, source: { state: 'lost', text: e.text } };
  if (e.event === 'camera_back' && p.source?.state === 'lost') return { ...p, source: { state: 'idle', text: '' } };
  return p;
}

export function heardWelcome(p: Presence, w: Welcome, now: number): Presence {
  const viewers = w.limits?.viewers;
  return { ...p, welcome: { boot: w.boot, ice: w.ice, at: now, ...(viewers !== undefined && { viewers }) } };
}

/** Does the camera have to be asked for its ICE servers? */
export function wantsWelcome(p: Presence, now: number): boolean {
  return p.online === true && !(p.welcome && p.welcome.boot === p.boot && now - p.welcome.at < WELCOME_FRESH);
}
