/** What the page says about the state of things, in plain words. Pure. */
import { noAccess, refusedFor } from './access';
import type { Presence } from './presence';
import type { BrokerState } from './signal/broker';
import type { State, Why } from './watch';
import type { Source } from './signal/message';

export interface Words {
  title: string;
  more?: string;
  /** what colour and sign it gets */
  tone: 'live' | 'busy' | 'wait' | 'bad';
  /** offer a button to try again */
  again?: boolean;
  /** and one to paste a link that lets this browser in */
  link?: boolean;
}

export interface Scene { state: State; broker: BrokerState; presence: Presence; source: Source | undefined; now: number;
  /** why this side found no way, when there is something to tell */
  ways?: string | undefined;
  /** it was paired with a key that this browser does not have any more */
  lost?: boolean }

/** A connection takes a second or two; after so long it is time to say what is missing. */
const LONG = 7000;

export const NO_H264 = 'This browser cannot decode H.264 video.';
export const NO_H264_MORE = 'Try Chrome, Edge or Safari. Firefox needs its OpenH264 plugin, which it fetches by itself '
  + 'some minutes after it is first started.';

/** Of the live view. */
export function describe({ state, broker, presence, source, now, ways, lost = false }: Scene): Words {
  const none = noAccess(presence, lost);
  if (none && (state.is === 'stopped' || (state.is === 'waiting' && state.for !== 'broker' && presence.online !== false))) return none;
  switch (state.is) {
    case 'left': return { title: '', tone: 'wait' };
    case 'asleep': return { title: 'Paused', more: 'The page was out of sight.', tone: 'wait' };
    case 'waiting': return waiting(state.for, broker, presence, now);
    case 'opening': return { title: 'Asking the camera…', tone: 'busy' };
    case 'asking':
      return state.sent < 3 ? { title: 'Asking the camera…', tone: 'busy' }
        : { title: 'Asking the camera…', more: 'It does not answer yet.', tone: 'busy' };
    case 'connecting':
      return { title: 'Connecting…', ...(ways && now - state.since > LONG && { more: ways }), tone: 'busy' };
    case 'live':
      if (source?.state === 'lost') {
        return { title: 'The camera has no picture', more: said(source.text) || 'It was unplugged or does not answer.', tone: 'bad' };
      }
      if (state.mend && now - state.lastMedia > 1500) {
        const more = broker.is === 'up' ? undefined : brokerWords(broker, now).title + '.';
        return { title: 'Finding a new way to the camera…', ...(more && { more }), tone: 'busy' };
      }
      if (state.shaky !== undefined) return { title: 'The connection is shaky…', tone: 'busy' };
      if (state.picture !== undefined) return { title: 'Live', tone: 'live' };
      if (source?.state === 'starting') return { title: 'The camera is starting…', tone: 'busy' };
      return { title: 'Waiting for the first picture…', tone: 'busy' };
    case 'pausing': {
      const s = Math.ceil((state.until - now) / 1000);
      const { reason, text } = state.why;
      // Both sides may say that there is no TURN server; once is enough.
      const twice = text.includes('[[ice]]') && ways?.includes('[[ice]]') && !ways.includes('refused');
      const why = reason === 'failed' && !twice ? [text, ways].filter(Boolean).join(' ') : text;
      return { ...because(state.why), more: join(why, s > 0 ? `Trying again in ${s} s.` : 'Trying again…'), again: true };
    }
    case 'stopped': return refusedFor(state.why.reason, lost) ?? { ...because(state.why), ...stopped(state.why), again: state.why.reason !== 'unsupported' };
  }
}

function waiting(what: string, broker: BrokerState, presence: Presence, now: number): Words {
  if (presence.denied) {
    return { title: 'The broker does not let you see this camera', more: 'Ask its owner for access.', tone: 'bad' };
  }
  switch (what) {
    case 'broker': return brokerWords(broker, now);
    case 'status':
      return { title: 'Looking for the camera…', more: 'It has not yet been seen at its broker.', tone: 'busy' };
    case 'online':
      return {
        title: presence.offlineSince === undefined ? 'The camera is offline'
          : `The camera is offline since ${clock(presence.offlineSince)}`,
        more: 'The picture comes as soon as it is back.', tone: 'wait',
      };
    case 'restart': return { title: 'The camera is restarting', more: 'The picture comes as soon as it is back.', tone: 'wait' };
    default: return { title: 'Asking the camera…', tone: 'busy' };
  }
}

/** Of the way to a broker. */
export function brokerWords(broker: BrokerState, now: number): Words {
  switch (broker.is) {
    case 'up': return { title: 'Looking for the camera…', tone: 'busy' };
    case 'login': return { title: 'Sign in to see this camera', tone: 'wait' };
    case 'blocked': return { title: 'The broker cannot be reached', more: broker.text, tone: 'bad' };
    case 'down': {
      const s = Math.ceil((broker.until - now) / 1000);
      return { title: 'The broker cannot be reached', more: s > 0 ? `Trying again in ${s} s.` : 'Trying again…', tone: 'wait' };
    }
    default: return { title: 'Connecting to the broker…', tone: 'busy' };
  }
}

function because(why: Why): Words {
  switch (why.reason) {
    case 'full': return { title: 'All places are taken', tone: 'wait' };
    case 'too_many': return { title: 'Asked too often', tone: 'wait' };
    case 'silent': return { title: 'The camera does not answer', tone: 'bad' };
    case 'no_media': return { title: 'The picture stopped', tone: 'bad' };
    case 'lost': return { title: 'Connection lost', tone: 'bad' };
    case 'internal': return { title: 'The camera could not answer', tone: 'bad' };
    case 'replaced': return { title: 'Watching elsewhere', tone: 'wait' };
    case 'undecodable': return { title: 'This browser cannot decode the video of this camera', tone: 'bad' };
    case 'unsupported': case 'no_h264': return { title: NO_H264, tone: 'bad' };
    case 'no_video': case 'bad_message': case 'unknown_type': case 'version': case 'bad_sdp':
      return { title: 'This page and the camera do not understand each other', tone: 'bad' };
    default: return { title: 'No connection to the camera', tone: 'bad' };
  }
}

function stopped(why: Why): { more: string } {
  switch (why.reason) {
    case 'replaced': return { more: 'This browser opened the camera again in another window or tab.' };
    case 'undecodable':
      return { more: 'Its pictures arrive, but none of them could be shown. Try another browser, or another H.264 profile at the camera.' };
    case 'unsupported': case 'no_h264': return { more: NO_H264_MORE };
    default: return { more: join(why.text, 'One of them may need an update.') };
  }
}

/** Of a card in the list: one or two words, and a line. */
export function badge(broker: BrokerState, p: Presence, now: number, lost = false): { state: string; word: string; line: string } {
  if (p.denied) return { state: 'denied', word: 'No access', line: 'The broker does not let you see it' };
  if (broker.is === 'login') return { state: 'login', word: 'Sign in', line: 'Its broker asks who you are' };
  if (broker.is === 'blocked') return { state: 'down', word: 'No broker', line: broker.text };
  if (broker.is === 'down') return { state: 'down', word: 'No broker', line: brokerWords(broker, now).more ?? '' };
  if (broker.is !== 'up') return { state: 'unknown', word: 'Connecting', line: '' };
  const none = p.online !== false && noAccess(p, lost);
  if (none && p.pairing?.is === 'asking') return { state: 'starting', word: 'Pairing', line: '' };
  if (none) return { state: 'denied', word: p.refusal === 'not_paired' || p.pairing ? 'Not paired' : 'No access', line: none.title };
  if (p.online === undefined && p.shown) return { state: 'unknown', word: 'Asking', line: '' };
  if (p.online === undefined) return { state: 'unknown', word: 'Not seen', line: 'Nothing heard of it yet' };
  if (!p.online) {
    return { state: 'offline', word: 'Offline', line: p.offlineSince === undefined ? 'Not at its broker now' : `Since ${clock(p.offlineSince)}` };
  }
  switch (p.source?.state) {
    case 'lost': return { state: 'lost', word: 'No picture', line: said(p.source.text) };
    case 'starting': return { state: 'starting', word: 'Starting', line: size(p) };
    case 'live': return { state: 'live', word: 'Live', line: size(p) };
    default: return { state: 'idle', word: 'Ready', line: size(p) };
  }
}

function size(p: Presence): string {
  const s = p.streams[0];
  if (s?.width === undefined || s.height === undefined) return '';
  return `${s.width} × ${s.height}` + (s.fps === undefined ? '' : ` · ${Math.round(s.fps)} fps`);
}

function said(text: string): string {
  return text && text[0]!.toUpperCase() + text.slice(1).replace(/[.\s]*$/, '.');
}
function join(text: string, more: string): string {
  return text ? `${said(text)} ${more}` : more;
}

/** The time of day, with the date when it is not today. */
export function clock(at: number): string {
  const d = new Date(at);
  const time = d.toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' });
  return d.toDateString() === new Date().toDateString() ? time
    : `${d.toLocaleDateString([], { month: 'short', day: 'numeric' })}, ${time}`;
}
