/**
 * The messages of docs/signaling.md, as this page sends and reads them. Pure. What comes from the network is `unknown`
 * until a guard here has said what it is; unknown fields are left behind, and a message that lacks what its type needs
 * is no message.
 */
import { isRole, type Role } from '../trust/grant';

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
/** `key` opens what the camera publishes for all that it knows: 32 bytes, base64url. */
export interface Welcome {
  type: 'welcome'; boot: string; ice: IceServer[]; ttl?: number; limits?: { viewers: number; watching: number };
  role?: Role; label?: string; name?: string; key?: string;
}
export interface Paired { type: 'paired'; role: Role; label: string; name?: string }
/** Somebody who may look. Times in Unix seconds; `watching`: how many sessions now; `by`: who invited it. */
export interface Known {
  viewer: string; words: string; label: string; role: Role; since: number; seen?: number; until?: number; watching: number; by?: string;
}
/** `more`: so many did not fit. */
export interface Viewers { type: 'viewers'; viewers: Known[]; more?: number }
export interface Done { type: 'done'; re: string }
/** Other servers or credentials while a session goes on; `ttl`: so many seconds the credentials are good. */
export interface Ice { type: 'ice'; session: string; ice: IceServer[]; ttl?: number }
/** `restart`: which ICE restart it answers; none: the first offer */
export interface Answer { type: 'answer'; session: string; restart?: number; sdp: string; note?: string }
export interface CameraCandidate { type: 'candidate'; session: string; candidate: Candidate }
/** The camera needs new ways. */
export interface Restart { type: 'restart'; session: string; text: string }
export interface End { type: 'end'; session: string; reason: string; text: string }
export interface Refused { type: 'refused'; re: string; session?: string; reason: string; text: string }

export type Status = Online | Offline;
export type FromCamera =
  | Status | Welcome | Paired | Ice | Answer | CameraCandidate | Restart | End | Refused | Viewers | Done;

/** What opens an exchange. */
export type Request = { v: number } & (
  | { type: 'hello' }
  | { type: 'offer'; session: string; stream?: string; restart?: number; sdp: string }
  | { type: 'viewers' }
  | { type: 'revoke'; viewer: string }
  | { type: 'rename'; viewer: string; label: string }
);
/** What is said in an exchange that is there. */
export type More = { v: number } & (
  | { type: 'candidate'; session: string; candidate: Candidate }
  | { type: 'bye'; session: string }
);
export interface Pair { v: number; type: 'pair'; secret: string; label: string; grant?: string }

/* What this page says. */

export function hello(): Request {
  return { v: VERSION, type: 'hello' };
}
/** `restart` counts the ICE restarts of a session; 0 is its first offer. */
export function offer(session: string, sdp: string, stream?: string, restart = 0): Request {
  return {
    v: VERSION, type: 'offer', session, ...(stream === undefined ? {} : { stream }), ...(restart > 0 && { restart }), sdp,
  };
}
export function candidate(session: string, candidate: Candidate): More {
  return { v: VERSION, type: 'candidate', session, candidate };
}
export function bye(session: string): More {
  return { v: VERSION, type: 'bye', session };
}
export function pair(secret: string, label: string, grant?: string): Pair {
  return { v: VERSION, type: 'pair', secret, label, ...(grant !== undefined && { grant }) };
}
export function viewers(): Request {
  return { v: VERSION, type: 'viewers' };
}
export function revoke(viewer: string): Request {
  return { v: VERSION, type: 'revoke', viewer };
}
export function rename(viewer: string, label: string): Request {
  return { v: VERSION, type: 'rename', viewer, label };
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
    case 'paired':
      if (!isRole(m.role)) return undefined;
      return { type: 'paired', role: m.role, label: text(m.label), ...maybeText('name', m.name) };
    case 'viewers':
      if (!Array.isArray(m.viewers)) return undefined;
      return { type: 'viewers', viewers: m.viewers.slice(0, 256).map(known).filter((k) => k !== undefined), ...maybeNumber('more', m.more) };
    case 'done': return typeof m.re === 'string' ? { type: 'done', re: m.re } : undefined;
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
    ...(isRole(m.role) && { role: m.role }), ...maybeText('label', m.label), ...maybeText('name', m.name), ...maybeText('key', m.key),
  };
}

function known(x: unknown): Known | undefined {
  if (!isRecord(x) || !isId(x.viewer) || !isRole(x.role) || typeof x.since !== 'number') return undefined;
  return {
    viewer: x.viewer, words: text(x.words), label: text(x.label), role: x.role, since: x.since,
    ...maybeNumber('seen', x.seen), ...maybeNumber('until', x.until), watching: typeof x.watching === 'number' ? x.watching : 0,
    ...(isId(x.by) && { by: x.by }),
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
