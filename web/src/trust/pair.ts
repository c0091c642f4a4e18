/** Becoming known to a camera. */
import { join, random } from './bytes';
import type { Challenge } from './challenge';
import { ephemeral } from './crypto';
import { head } from './envelope';
import { prepared, seals, type Exchange, type Viewer } from './exchange';
import type { Bytes } from './bytes';

const PAIR_MAX = 2048;

/** `message` is the JSON of `pair`. */
export async function sealPair(
  viewer: Viewer, challenge: Challenge, message: string,
): Promise<{ envelope: Bytes; exchange: Exchange } | undefined> {
  const nonce = random(16);
  const own = await ephemeral();
  const header = join(head('pair', challenge.camera), challenge.value, viewer.point, nonce, own.point);
  return seals(await prepared(challenge, nonce, own, header), viewer, 'pair', message, PAIR_MAX);
}
