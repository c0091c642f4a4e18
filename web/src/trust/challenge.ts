/** What a camera says so that viewers can know it and be fresh without a clock; and what a viewer remembers of it. */
import { equal, readU64, type Bytes } from './bytes';
import { agreer, nameOf, POINT, signer, verify } from './crypto';
import { wrongHead, type Dropped } from './envelope';

/** The highest that this browser has seen of a camera: what is older is a replay. */
export interface Seen { generation: number; number: number }

export interface Challenge extends Seen {
  camera: Bytes;
  /** 16 random bytes */
  value: Bytes;
  /** the camera's key for good, an uncompressed point */
  identity: Bytes;
  signs: CryptoKey;
  agrees: CryptoKey;
  /** the point of `agrees` */
  agreesPoint: Bytes;
}

const LENGTH = 379;

/** Checks in the order of their cost. The caller remembers what was taken as `Seen`. */
export async function readChallenge(bytes: Bytes, camera: Bytes, seen: Seen | undefined): Promise<Challenge | Dropped> {
  if (bytes.length !== LENGTH) return 'length';
  const wrong = wrongHead(bytes, 'challenge', camera);
  if (wrong) return wrong;
  const generation = readU64(bytes, 24);
  const number = readU64(bytes, 291);
  if (generation === undefined || (seen && generation < seen.generation)) return 'stale';
  if (number === undefined || (seen && generation === seen.generation && number < seen.number)) return 'stale';
  const identity = bytes.slice(162, 162 + POINT);
  if (!equal(await nameOf(identity), camera)) return 'camera';
  const signsPoint = bytes.slice(32, 97);
  const agreesPoint = bytes.slice(97, 162);
  const [own, signs, agrees] = await Promise.all([signer(identity), signer(signsPoint), agreer(agreesPoint)]);
  if (!own || !signs || !agrees) return 'signature';
  const certified = new Uint8Array([...camera, ...bytes.subarray(24, 162)]);
  const held = await Promise.all([
    verify('operational', certified, bytes.slice(227, 291), own),
    verify('challenge', bytes.slice(0, 315), bytes.slice(315), signs),
  ]);
  if (held.includes(false)) return 'signature';
  return { camera, generation, number, value: bytes.slice(299, 315), identity, signs, agrees, agreesPoint };
}
