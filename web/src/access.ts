/** What the page says when a camera does not let this browser look: why, and the way out. Pure. */
import type { Presence } from './presence';
import type { Words } from './words';

const WAY = 'Run “lunette pair” on the camera, or ask its owner for an invitation. Then open that link here.';
const ASK = 'Ask its owner for an invitation, and open that link here.';

/** `lost`: the camera knew this browser by a key that it does not have any more. Undefined when nothing is in the way. */
export function noAccess(p: Pick<Presence, 'refusal' | 'pairing'>, lost: boolean): Words | undefined {
  if (p.pairing?.is === 'asking') return { title: 'Pairing with the camera…', tone: 'busy' };
  if (p.pairing?.is === 'refused') return { ...pairingRefused(p.pairing.reason, p.pairing.text), tone: 'bad', again: true, link: true };
  return p.refusal && refusedFor(p.refusal, lost);
}

/** `reason`: of a refusal, or of a session's end. */
export function refusedFor(reason: string, lost: boolean): Words | undefined {
  const bad = { tone: 'bad', again: true } as const;
  const out = { ...bad, link: true } as const;
  switch (reason) {
    case 'not_paired':
      return lost ? { title: 'This browser has lost its key', more: `Its data was cleared, so the camera does not know it any more. ${WAY}`, ...out }
        : { title: 'This browser is not paired with the camera', more: WAY, ...out };
    case 'revoked': return { title: 'You may not look at this camera any more', more: `Its owner has removed this browser. ${ASK}`, ...out };
    case 'expired': return { title: 'Your time with this camera is over', more: ASK, ...out };
    case 'clock':
      return { title: 'The camera does not know what time it is', more: 'Your access has an end, so it cannot let you in before it does. It learns the time from its network.', ...bad };
    case 'binding':
      return { title: 'Somebody is between you and the camera', more: 'The connection did not lead to the camera that answered, so no picture is shown. Try again on another network, or with another broker.', ...bad };
    default: return undefined;
  }
}

function pairingRefused(reason: string, text: string): { title: string; more: string } {
  switch (reason) {
    case 'pairing_closed': return { title: 'This link is no longer good', more: `It is good for 15 minutes and a few tries. ${WAY}` };
    case 'pairing_used': return { title: 'This link was used already', more: `It lets one browser in. If that was not one of yours, look at who may see the camera. ${WAY}` };
    case 'pairing_wrong': return { title: 'This link does not fit the camera', more: `There is a newer one, or it was copied only in part. ${WAY}` };
    case 'grant_invalid': return { title: 'This invitation is not valid', more: `Whoever sent it may not invite, or not for this camera. ${WAY}` };
    case 'grant_expired': return { title: 'This invitation has ended', more: 'Ask for another one, and open its link here.' };
    case 'clock': return { title: 'The camera does not know what time it is', more: 'So it cannot take an invitation, which has an end. It learns the time from its network; or run “lunette pair” on the camera.' };
    case 'full': return { title: 'The camera knows as many browsers as it can', more: 'Its owner can remove some, under “Who may look”.' };
    default: return { title: 'The camera did not pair', more: text || 'The two do not understand each other. One of them may need an update.' };
  }
}
