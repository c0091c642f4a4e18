/** Those who may look, in words: when they were there, until when they may, who they are to each other. Pure. */
import { roleWords } from './details';
import type { Known } from './signal/message';
import { isBelow, type Role } from './trust/grant';

export interface Person {
  id: string; name: string; role: string; words: string;
  /** now, or when last */
  seen: string; now: boolean;
  since: string;
  me: boolean;
  mayRename: boolean; mayRemove: boolean;
}

/** The ones who watch first, then those who were there last. `now` in Unix seconds. */
export function people(list: readonly Known[], me: string, role: Role | undefined, now: number): Person[] {
  const names = new Map(list.map((k) => [k.viewer, k.label]));
  return list.toSorted((a, b) => b.watching - a.watching || (b.seen ?? b.since) - (a.seen ?? a.since)).map((k) => {
    const mine = k.viewer === me;
    const below = isBelow(k.role, role);
    const by = k.by === undefined ? '' : ` by ${k.by === me ? 'you' : names.get(k.by) ?? 'somebody who was removed'}`;
    const until = k.until === undefined ? '' : k.until > now ? `, until ${day(k.until, now)}` : `, ended ${day(k.until, now)}`;
    return {
      id: k.viewer, name: k.label || 'A browser', role: roleWords(k.role), words: k.words, me: mine, now: k.watching > 0,
      seen: k.watching > 1 ? `Watching now, ${k.watching} times` : k.watching === 1 ? 'Watching now' : k.seen === undefined ? 'Not seen yet' : `Seen ${ago(now - k.seen, k.seen, now)}`,
      since: `${k.by === undefined ? 'Paired' : `Invited${by}`} ${day(k.since, now)}${until}`,
      mayRename: mine || below, mayRemove: below && !mine,
    };
  });
}

/** Who watches now, in one line. */
export function watchers(list: readonly Known[], me: string): string {
  return list.filter((k) => k.watching > 0).map((k) => (k.viewer === me ? 'you' : k.label || 'a browser')).sort().join(', ');
}

function ago(s: number, at: number, now: number): string {
  if (s < 90) return 'just now';
  if (s < 5400) return `${Math.round(s / 60)} min ago`;
  return s < 36 * 3600 ? `${Math.round(s / 3600)} h ago` : day(at, now);
}

/** A day; with the year when it is another one, with the hour when it is near. Unix seconds. */
export function day(at: number, now: number): string {
  const [d, today] = [new Date(at * 1000), new Date(now * 1000)];
  const near = Math.abs(at - now) < 36 * 3600;
  return d.toLocaleString([], {
    month: 'short', day: 'numeric', ...(d.getFullYear() !== today.getFullYear() && { year: 'numeric' }),
    ...(near && { hour: 'numeric', minute: '2-digit' }),
  });
}
