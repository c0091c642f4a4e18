/**
 * The messages of docs/signaling.md, as this page sends and reads them. Pure. What comes from the network is `unknown`
 * until a guard here has said what it is; unknown fields are left behind, and a message that lacks what its type needs
 * is no message.
 */

export const MESSAGE_MAX = 16_384;
const VERSION = 1;

export type SourceState = 'idle' | 'starting' | 'live' | 'lost';
export interface Source { state: SourceState; text: string }
export interface Stream { id: string; codec: string; profile?: string; width?: number; height?: number; fps?: number }
export interface IceServer { urls: string[]; username?: string; credential?: string }
/** An RTCIceCandidateInit; `null` says that there are no more. */
export type Candidate =
  | { candidate: string; sdpMid?: string | null; sdpMLineIndex?: number | null; usernameFragment?: string | null }
  | null;

export interface Online {
  type: 'status'; online: true; boot: string; name?: string; version?: string; camera?: Source; streams: Stream[];
}
export interface Offline { type: 'status'; online: false; boot: string }
export interface Welcome {
  type: 'welcome'; boot: string; ice: IceServer[]; ttl?: number; limits?: { viewers: number; watching: number };
}
/** Other servers or credentials while a session goes on; `ttl`: so many seconds the credentials are good. */
export interface Ice { type: 'ice'; session: string; ice: IceServer[]; ttl?: number }
/** `restart`: which ICE restart it answers; none: the first offer */
export interface Answer { type: 'answer'; session: string; restart?: number; sdp: string; note?: string }
export interface CameraCandidate { type: 'candidate'; session: string; candidate: Candidate }
/** The camera needs new ways. */
export interface Restart { type: 'restart'; session: string; text: string }
export interface End { type: 'end'; session: string; reason: string; text: string }
export interface Refused { type: 'refused'; re: string; session?: string; reason: string; text: string }
export interface Event { type: 'event'; event: string; text: string }

export type Status = Online | Offline;
export type FromCamera = Status | Welcome | Ice | Answer | CameraCandidate | Restart | End | Refused | Event;

export type ToCamera = { v: number; from: string } & (
  | { type: 'hello' }
  | { type: 'offer'; session: string; stream?: string; restart?: number; sdp: string }
  | { type: 'candidate'; session: string; candidate: Candidate }
  | { type: 'bye'; session: string }
);

/* What this page says. */

export function hello(from: string): ToCamera {
  return { v: VERSION, type: 'hello', from };
}
/** `restart` counts the ICE restarts of a session; 0 is its first offer. */
export function offer(from: string, session: string, sdp: string, stream?: string, restart = 0): ToCamera {
  return {
    v: VERSION, type: 'offer', from, session, ...(stream === undefined ? {} : { stream }), ...(restart > 0 && { restart }), sdp,
  };
}
export function candidate(from: string, session: string, candidate: Candidate): ToCamera {
  return { v: VERSION, type: 'candidate', from, session, candidate };
}
export function bye(from: string, session: string): ToCamera {
  return { v: VERSION, type: 'bye', from, session };
}

/* What it hears. */

/** 26 characters of base32: a camera, a viewer, a session or a boot. */
export function isId(x: unknown): x is string {
  return typeof x === 'string' && /^[a-z2-7]{26}$/.test(x);
}

/** What a camera said, or undefined when it makes no sense. */
export function parse(raw: Uint8Array): FromCamera | undefined {
  if (raw.byteLength > MESSAGE_MAX) return undefined;
  let m: unknown;
  try {
    m = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw));
  } catch {
    return undefined;
  }
  if (!isRecord(m) || m.v !== VERSION) return undefined;
  switch (m.type) {
    case 'status': return status(m);
    case 'welcome': return welcome(m);
    case 'ice':
      if (!isId(m.session)) return undefined;
      return { type: 'ice', session: m.session, ice: iceServers(m.ice), ...maybeNumber('ttl', m.ttl) };
    case 'answer':
      if (!isId(m.session) || typeof m.sdp !== 'string') return undefined;
      return { type: 'answer', session: m.session, sdp: m.sdp, ...maybeNumber('restart', m.restart), ...maybeText('note', m.note) };
    case 'candidate': {
      const candidate = iceCandidate(m.candidate);
      if (!isId(m.session) || candidate === undefined) return undefined;
      return { type: 'candidate', session: m.session, candidate };
    }
    case 'restart': return isId(m.session) ? { type: 'restart', session: m.session, text: text(m.text) } : undefined;
    case 'end':
      if (!isId(m.session) || typeof m.reason !== 'string') return undefined;
      return { type: 'end', session: m.session, reason: m.reason, text: text(m.text) };
    case 'refused':
      if (typeof m.re !== 'string' || typeof m.reason !== 'string') return undefined;
      if (m.session !== undefined && !isId(m.session)) return undefined;
      return {
        type: 'refused', re: m.re, reason: m.reason, text: text(m.text),
        ...(m.session === undefined ? {} : { session: m.session }),
      };
    case 'event':
      if (typeof m.event !== 'string') return undefined;
      return { type: 'event', event: m.event, text: text(m.text) };
    default: return undefined;
  }
}

function status(m: Record<string, unknown>): Status | undefined {
  if (!isId(m.boot) || typeof m.online !== 'boolean') return undefined;
  if (!m.online) return { type: 'status', online: false, boot: m.boot };
  const camera = source(m.camera);
  return {
    type: 'status', online: true, boot: m.boot,
    ...maybeText('name', m.name), ...maybeText('version', m.version), ...(camera && { camera }),
    streams: (Array.isArray(m.streams) ? m.streams : []).slice(0, 8).map(stream).filter((s) => s !== undefined),
  };
}

/** The state of the picture source, also as the data channel tells it. */
export function source(x: unknown): Source | undefined {
  if (!isRecord(x)) return undefined;
  const state = x.state;
  if (state !== 'idle' && state !== 'starting' && state !== 'live' && state !== 'lost') return undefined;
  return { state, text: text(x.text) };
}

function stream(x: unknown): Stream | undefined {
  if (!isRecord(x) || typeof x.id !== 'string' || typeof x.codec !== 'string') return undefined;
  return {
    id: x.id, codec: x.codec, ...maybeText('profile', x.profile),
    ...maybeNumber('width', x.width), ...maybeNumber('height', x.height), ...maybeNumber('fps', x.fps),
  };
}

function welcome(m: Record<string, unknown>): Welcome | undefined {
  if (!isId(m.boot)) return undefined;
  const limits = isRecord(m.limits) ? m.limits : {};
  return {
    type: 'welcome', boot: m.boot,
    ice: iceServers(m.ice), ...maybeNumber('ttl', m.ttl),
    ...(typeof limits.viewers === 'number' && typeof limits.watching === 'number'
      ? { limits: { viewers: limits.viewers, watching: limits.watching } } : {}),
  };
}

function iceServers(x: unknown): IceServer[] {
  return (Array.isArray(x) ? x : []).slice(0, 16).map(iceServer).filter((s) => s !== undefined);
}

/** Only what a peer connection will take: one bad address would make it refuse all of them. */
function iceServer(x: unknown): IceServer | undefined {
  if (!isRecord(x)) return undefined;
  const urls = (Array.isArray(x.urls) ? x.urls : [x.urls])
    .filter((u) => typeof u === 'string' && /^(stuns?|turns?):[^\s]+$/.test(u)).slice(0, 8) as string[];
  const secret = { ...maybeText('username', x.username), ...maybeText('credential', x.credential) };
  const usable = 'username' in secret && 'credential' in secret ? urls : urls.filter((u) => u.startsWith('stun'));
  return usable.length > 0 ? { urls: usable, ...secret } : undefined;
}

function iceCandidate(x: unknown): Candidate | undefined {
  if (x === null) return null;
  if (!isRecord(x) || typeof x.candidate !== 'string') return undefined;
  return {
    candidate: x.candidate, ...maybeText('sdpMid', x.sdpMid), ...maybeNumber('sdpMLineIndex', x.sdpMLineIndex),
    ...maybeText('usernameFragment', x.usernameFragment),
  };
}

export function isRecord(x: unknown): x is Record<string, unknown> {
  return typeof x === 'object' && x !== null && !Array.isArray(x);
}
export function text(x: unknown): string {
  return typeof x === 'string' ? x.slice(0, 500) : '';
}
export function maybeText<K extends string>(key: K, x: unknown): { [P in K]?: string } {
  return (typeof x === 'string' ? { [key]: x.slice(0, 500) } : {}) as { [P in K]?: string };
}
export function maybeNumber<K extends string>(key: K, x: unknown): { [P in K]?: number } {
  return (typeof x === 'number' && Number.isFinite(x) ? { [key]: x } : {}) as { [P in K]?: number };
}
