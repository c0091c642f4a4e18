/** What this page has heard of one camera over the broker. Pure: time comes in as an argument (Unix ms). */
import type { IceServer, Source, Status, Stream, Welcome } from './signal/message';
import type { Role } from './trust/grant';
import type { RefusalReason } from './trust/refusal';

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
  /** the broker does not let us listen */
  denied: boolean;
  /** it has shown itself: there is something that a request can be sealed for; `words` of its key for good */
  shown?: { generation: number; words: string };
  /** its status cannot be read */
  locked?: boolean;
  /** who this browser is to it */
  me?: { role: Role; label: string };
  /** it does not want to talk to this browser */
  refusal?: Exclude<RefusalReason, 'stale' | 'busy'>;
  /** of a pairing link: it is being shown to the camera, or was refused */
  pairing?: { is: 'asking' } | { is: 'refused'; reason: string; text: string };
}

export const unseen = (): Presence => ({ streams: [], denied: false });

/** A new connection to the broker: what was seen in the one before does not say which last will is late. */
export function reconnected(p: Presence): Presence {
  const { bootHere: _, refusal: __, ...rest } = p;
  return { ...rest, denied: false };
}

export function heardStatus(p: Presence, s: Status, now: number): Presence {
  if (s.online) {
    const { offlineSince: _, source: __, locked: ___, ...rest } = p;
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

export function heardWelcome(p: Presence, w: Welcome, now: number): Presence {
  const viewers = w.limits?.viewers;
  const { refusal: _, pairing: __, locked: ___, ...rest } = p;
  return {
    ...rest, welcome: { boot: w.boot, ice: w.ice, at: now, ...(viewers !== undefined && { viewers }) },
    ...(w.role && { me: { role: w.role, label: w.label ?? '' } }), ...(w.name !== undefined && { name: w.name }),
  };
}

/** The camera has shown itself: one that was started anew may think otherwise of this browser. */
export function heardChallenge(p: Presence, generation: number, words: string): Presence {
  const { refusal: _, ...rest } = p;
  return { ...(p.shown && p.shown.generation !== generation ? rest : p), shown: { generation, words } };
}

/** A status that cannot be read: it is there, and there is a key to ask for. */
export function heardLocked(p: Presence): Presence {
  if (p.online !== false) return { ...p, locked: true };
  const { online: _, offlineSince: __, ...rest } = p;
  return { ...rest, locked: true };
}

export function heardRefusal(p: Presence, refusal: NonNullable<Presence['refusal']>): Presence {
  const { welcome: _, me: __, ...rest } = p;
  return { ...rest, refusal };
}

/** Asked again, or paired: what was refused may not be any more. */
export function unrefused(p: Presence): Presence {
  const { refusal: _, pairing: __, ...rest } = p;
  return rest;
}

/** Does the camera have to be asked for its ICE servers, and for the key to its status? */
export function wantsWelcome(p: Presence, now: number): boolean {
  if (!p.shown || p.online === false || p.refusal || p.pairing?.is === 'asking') return false;
  const { welcome } = p;
  return !welcome || p.locked === true || (p.boot !== undefined && welcome.boot !== p.boot) || now - welcome.at >= WELCOME_FRESH;
}
