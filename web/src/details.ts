/** What the details panel says about a running session, row by row. Pure. */
import type { Offset } from './clock';
import type { Metered } from './meter';
import type { Presence } from './presence';
import type { Numbers } from './signal/control';
import { median } from './latency';
import { pathWords, type Sample } from './stats';
import type { Role } from './trust/grant';
import { streamName, type Streams } from './streams';

export interface Facts {
  sample: Sample | undefined; numbers: Numbers; note: string; latency: number | undefined; clock: Offset | undefined;
  presence: Presence; watching: string; words: string; streams: Pick<Streams, 'list' | 'shown' | 'wanted'>; metered: readonly Metered[] | undefined; rtpKnown: boolean;
}
export interface Row { key: string; label: string; value: string; how?: string }

export function rows(f: Facts): Row[] {
  const { sample: s, numbers: n } = f;
  const out: Row[] = [];
  const add = (key: string, label: string, value: string | undefined, how?: string): void => {
    if (value) out.push({ key, label, value, ...(how && { how }) });
  };
  const width = s?.width ?? n.width;
  const height = s?.height ?? n.height;
  add('resolution', 'Picture', width && height ? `${width} × ${height}` : undefined);
  const { list, shown, wanted } = f.streams;
  if (shown !== undefined && (list.length > 1 || shown !== list[0]?.id)) {
    add('stream', 'Stream', streamName(shown), wanted !== undefined && wanted !== shown ? `changing to ${streamName(wanted)}` : undefined);
  }
  add('fps', 'Frame rate', s?.fps === undefined ? undefined : `${Math.round(s.fps)} fps`,
    n.fps === undefined ? undefined : `the camera sends ${n.fps.toFixed(1)}`);
  add('bitrate', 'Bitrate', bitrate(s?.kbps ?? n.kbps));
  if (f.latency !== undefined && f.clock) {
    add('latency', 'Latency', `${Math.round(f.latency)} ms`,
      `from capture to screen, median; by the camera’s clock, good to ±${Math.max(1, Math.ceil(f.clock.roundTrip / 2))} ms`);
  } else if (!f.rtpKnown) add('latency', 'Latency', 'Not measured', 'this browser does not tell which picture it shows');
  const stamped = f.metered && median(f.metered.slice(-150).flatMap((m) => m.latencyMs ?? []));
  if (stamped !== undefined) add('stamp', 'By the stamp', `${Math.round(stamped)} ms`, 'read from the test card, by this device’s clock');
  add('round-trip', 'Round trip', s?.roundTrip === undefined ? undefined : `${s.roundTrip < 10 ? s.roundTrip.toFixed(1) : Math.round(s.roundTrip)} ms`);
  add('path', 'Path', s?.path && pathWords(s.path));
  add('network', 'Network takes', bitrate(n.estimate), n.network
    ?? [n.queue !== undefined && `${n.queue} ms wait on the way`, n.loss !== undefined && `${(n.loss * 100).toFixed(1)} % lost`].filter(Boolean).join(', '));
  const own = n.stream === undefined || n.stream === shown ? n.profile : undefined; // the numbers may be a second old
  add('profile', 'Profile', profileWords(own ?? list.find((s) => s.id === shown)?.profile));
  add('encoder', 'Encoder', n.encoder);
  add('source', 'Source', n.source);
  add('viewers', 'Viewers', n.viewers === undefined ? undefined
    : f.presence.welcome?.viewers === undefined ? String(n.viewers) : `${n.viewers} of ${f.presence.welcome.viewers}`, f.watching);
  if (s) {
    add('lost', 'Lost on the way', `${s.lost} of ${s.packets + s.lost} packets`);
    add('dropped', 'Left out', `${n.dropped ?? 0} pictures`, 'by the camera, when they would have come too late');
    add('freezes', 'Freezes', String(s.freezes));
  }
  add('version', 'Camera runs', f.presence.version && `Lunette ${f.presence.version}`);
  add('role', 'You are', f.presence.me && roleWords(f.presence.me.role), f.presence.me?.label && `“${f.presence.me.label}” to this camera`);
  add('camera-words', 'Camera’s key', f.presence.shown?.words, '`lunette status` on the camera says the same words');
  add('viewer-words', 'This browser’s', f.words, 'these words stand by its name in the list of who may look');
  add('note', 'Note', n.note || f.note);
  return out;
}

/** What a role may do. */
export function roleWords(role: Role): string {
  return { view: 'Viewer', talk: 'Viewer, may talk', admin: 'Admin', owner: 'Owner' }[role];
}

function bitrate(kbps: number | undefined): string | undefined {
  if (kbps === undefined) return undefined;
  return kbps >= 1000 ? `${(kbps / 1000).toFixed(1)} Mbit/s` : `${Math.round(kbps)} kbit/s`;
}

/** `42e01f` in words. */
export function profileWords(hex: string | undefined): string | undefined {
  const m = /^([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex ?? '');
  if (!m) return hex;
  const [, idc = '', constraints = '', level = ''] = m;
  const constrained = (parseInt(constraints, 16) & 0x40) !== 0;
  const names: Record<string, string> = {
    '42': constrained ? 'Constrained Baseline' : 'Baseline', '4d': 'Main', '64': 'High', '58': 'Extended', f4: 'High 4:4:4',
  };
  const name = names[idc.toLowerCase()];
  return name ? `H.264 ${name}, level ${(parseInt(level, 16) / 10).toFixed(1)}` : `H.264 ${hex}`;
}
