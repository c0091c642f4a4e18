/** An invitation: signed here, by somebody whom the camera knows, and shown to it by somebody whom it does not. */
import { join, random, u64, type Bytes } from './bytes';
import { sha256, sign } from './crypto';
import type { Viewer } from './exchange';

export const ROLES = ['view', 'talk', 'admin', 'owner'] as const;
export type Role = (typeof ROLES)[number];

export function isRole(x: unknown): x is Role {
  return (ROLES as readonly unknown[]).includes(x);
}
/** May he list, invite and revoke? Those below him. */
export function mayInvite(role: Role | undefined): boolean {
  return role === 'admin' || role === 'owner';
}
export function isBelow(role: Role, than: Role | undefined): boolean {
  return than !== undefined && ROLES.indexOf(role) < ROLES.indexOf(than);
}

export interface Invitation {
  role: Exclude<Role, 'owner'>;
  /** Unix seconds: until when the link can be used */
  before: number;
  /** Unix seconds: when the access ends; 0: not by itself */
  until: number;
}

const BEGIN = Uint8Array.of(0x4c, 0x55, 0x4e, 1);

export async function makeGrant(giver: Viewer, camera: Bytes, it: Invitation, secret = random(16)): Promise<{ secret: Bytes; grant: Bytes }> {
  const unsigned = join(
    BEGIN, Uint8Array.of(ROLES.indexOf(it.role) + 1, 0, 0, 0), camera, giver.id, await sha256(secret), u64(it.before), u64(it.until),
  );
  return { secret, grant: join(unsigned, await sign('grant', unsigned, giver.key)) };
}
