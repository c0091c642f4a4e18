/** What a camera says to those with whom it has no exchange. */
import { equal, type Bytes } from './bytes';
import { SIGNATURE, verify } from './crypto';
import { HEAD, wrongHead, type Dropped } from './envelope';

const REASONS = ['stale', 'not_paired', 'expired', 'busy', 'revoked', 'clock'] as const;
export type RefusalReason = (typeof REASONS)[number];

const LENGTH = 128;

/** `signers`: the operational keys of the challenges of late, the newest first. */
export async function readRefusal(
  bytes: Bytes, camera: Bytes, viewer: Bytes, nonce: Bytes, signers: readonly CryptoKey[],
): Promise<RefusalReason | Dropped> {
  if (bytes.length !== LENGTH) return 'length';
  const wrong = wrongHead(bytes, 'refusal', camera);
  if (wrong) return wrong;
  if (!equal(bytes.subarray(HEAD, 40), viewer) || !equal(bytes.subarray(40, 56), nonce)) return 'exchange';
  const reason = REASONS[(bytes[56] ?? 0) - 1];
  if (reason === undefined || bytes.subarray(57, 64).some((b) => b !== 0)) return 'version';
  for (const key of signers) {
    if (await verify('refusal', bytes.slice(0, 64), bytes.slice(-SIGNATURE), key)) return reason;
  }
  return 'signature';
}

export function isRefusal(it: RefusalReason | Dropped): it is RefusalReason {
  return (REASONS as readonly string[]).includes(it);
}
