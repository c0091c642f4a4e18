/** The JSON messages of the data channel `control`, as docs/signaling.md has them. Pure. */
import { isRecord, maybeNumber, maybeText, source, text, type Source } from './message';

export const LABEL = 'control';
const CONTROL_MAX = 4096;

export interface Numbers {
  rtp?: number; wall?: number; fps?: number; kbps?: number; dropped?: number; viewers?: number;
  width?: number; height?: number; profile?: string; encoder?: string; source?: string; note?: string;
  stream?: string; path?: string; estimate?: number; queue?: number; loss?: number; network?: string;
}
export type ControlFromCamera =
  | { type: 'bind'; mac: string }
  | { type: 'pong'; id: number; t: number; wall: number }
  | ({ type: 'camera' } & Source)
  | { type: 'stats'; numbers: Numbers }
  | { type: 'stream'; id: string; text: string }
  | { type: 'restart'; text: string }
  | { type: 'bye' };

export type ControlToCamera =
  | { type: 'bind'; mac: string } | { type: 'ping'; id: number; t: number } | { type: 'key' } | { type: 'stream'; id: string } | { type: 'bye' };

export function parseControl(raw: unknown): ControlFromCamera | undefined {
  if (typeof raw !== 'string' || raw.length > CONTROL_MAX) return undefined;
  let m: unknown;
  try {
    m = JSON.parse(raw);
  } catch {
    return undefined;
  }
  if (!isRecord(m)) return undefined;
  switch (m.type) {
    case 'bind': return typeof m.mac === 'string' && m.mac.length <= 64 ? { type: 'bind', mac: m.mac } : undefined;
    case 'pong':
      if (!isNumber(m.id) || !isNumber(m.t) || !isNumber(m.wall)) return undefined;
      return { type: 'pong', id: m.id, t: m.t, wall: m.wall };
    case 'camera': {
      const it = source(m);
      return it && { type: 'camera', ...it };
    }
    case 'stats':
      return {
        type: 'stats',
        numbers: {
          ...maybeNumber('rtp', m.rtp), ...maybeNumber('wall', m.wall), ...maybeNumber('fps', m.fps),
          ...maybeNumber('kbps', m.kbps), ...maybeNumber('dropped', m.dropped), ...maybeNumber('viewers', m.viewers),
          ...maybeNumber('width', m.width), ...maybeNumber('height', m.height), ...maybeText('profile', m.profile),
          ...maybeText('encoder', m.encoder), ...maybeText('source', m.source), ...maybeText('note', m.note),
          ...maybeText('stream', m.stream), ...maybeText('path', m.path), ...maybeNumber('estimate', m.estimate),
          ...maybeNumber('queue', m.queue), ...maybeNumber('loss', m.loss), ...maybeText('network', m.network),
        },
      };
    case 'stream':
      if (typeof m.id !== 'string' || m.id === '') return undefined;
      return { type: 'stream', id: m.id, text: text(m.text) };
    case 'restart': return { type: 'restart', text: text(m.text) };
    case 'bye': return { type: 'bye' };
    default: return undefined;
  }
}

function isNumber(x: unknown): x is number {
  return typeof x === 'number' && Number.isFinite(x);
}
