/** What a refusal means for whoever is to ask again. Pure. */

/** Refusals that asking again cannot mend; those of the first kind can be mended by a new start of the camera. */
export const MISUNDERSTOOD = ['bad_message', 'unknown_type', 'version', 'bad_sdp'];
export const CANNOT = ['no_video', 'no_h264'];
/** The camera does not know this browser, or does not let it look. */
export const NO_ACCESS = ['not_paired', 'expired', 'revoked', 'clock'];

/** After `stale`: another challenge is there, or will be at once. */
export const STALE_WAIT = 1000;

/** Is this a refusal that says when to come back? */
export function patient(why: { reason: string }): boolean {
  return why.reason === 'full' || why.reason === 'too_many';
}
