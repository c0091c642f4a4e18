/** An invitation as a link: what the owner chose, signed by this browser. */
import { fragment } from './link';
import type { Camera } from './cameras';
import { base64url, readId } from './trust/bytes';
import type { Viewer } from './trust/exchange';
import { makeGrant, type Invitation } from './trust/grant';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** How long a link can be used, and how long access lasts: seconds; 0: without an end. */
export const LINK_GOOD: readonly [string, number][] = [['1 hour', HOUR], ['1 day', DAY], ['1 week', 7 * DAY]];
export const ACCESS_FOR: readonly [string, number][] = [
  ['Until removed', 0], ['1 hour', HOUR], ['1 day', DAY], ['1 week', 7 * DAY], ['30 days', 30 * DAY],
];

export interface Wish { role: Invitation['role']; good: number; lasts: number; label: string }

/** `now` in Unix seconds. */
export async function invitation(page: string, camera: Camera, giver: Viewer, wish: Wish, now: number): Promise<{ link: string; before: number }> {
  const id = readId(camera.id);
  if (!id) throw new Error('no camera');
  const before = Math.floor(now) + wish.good;
  const until = wish.lasts === 0 ? 0 : Math.floor(now) + wish.lasts;
  const { secret, grant } = await makeGrant(giver, id, { role: wish.role, before, until });
  const link = page + fragment({
    camera: camera.id, secret: base64url(secret), grant: base64url(grant), meter: false,
    ...(wish.label && { label: wish.label }), ...(camera.name && { name: camera.name }), ...(camera.broker && { broker: camera.broker }),
  });
  return { link, before };
}
