/**
 * The fragment of the page's address: `#c=<camera id>` shows a camera, `&n=<name>` and `&b=<broker>` tell what is needed
 * to add it, `&p=<secret>` pairs with it, by an invitation where there is `&g=<grant>`
 * (`&l=<label>`: what its maker calls who is invited), and `&meter=1` turns the stamp meter
 * on (for tests). A fragment never reaches a server. Pure.
 */
import { isId } from './signal/message';
import { readBase64url } from './trust/bytes';

export interface Link { camera?: string; name?: string; broker?: string; secret?: string; grant?: string; label?: string; meter: boolean }

export function parseFragment(hash: string): Link {
  const p = new URLSearchParams(hash.replace(/^#/, ''));
  const camera = p.get('c');
  const name = cleanName(p.get('n') ?? '');
  const broker = brokerUrl(p.get('b') ?? '', undefined);
  const meter = p.get('meter') === '1';
  if (!isId(camera)) return { meter };
  const secret = bytes(p.get('p'), 16);
  const grant = secret && bytes(p.get('g'), 152);
  const label = secret && cleanName(p.get('l') ?? '');
  return { camera, ...(name && { name }), ...(broker && { broker }), ...(secret && { secret }), ...(grant && { grant }), ...(label && { label }), meter };
}

/** `#c=<id>`, and what else is to be kept in it. */
export function fragment(link: Link): string {
  const p = new URLSearchParams();
  if (link.camera) p.set('c', link.camera);
  if (link.secret) p.set('p', link.secret);
  if (link.grant) p.set('g', link.grant);
  if (link.label) p.set('l', link.label);
  if (link.name) p.set('n', link.name);
  if (link.broker) p.set('b', link.broker);
  if (link.meter) p.set('meter', '1');
  const s = p.toString();
  return s && '#' + s;
}

/** What people paste to add a camera: a whole link, its fragment, or the bare id. */
export function parsePasted(pasted: string): Link | undefined {
  const s = pasted.trim();
  if (isId(s.toLowerCase())) return { camera: s.toLowerCase(), meter: false };
  const at = s.indexOf('#');
  if (at < 0) return undefined;
  const link = parseFragment(s.slice(at));
  return link.camera ? link : undefined;
}

/** No control characters, none that turns the direction of text, at most 64. */
export function cleanName(name: string): string {
  const plain = name.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
  return [...plain.trim()].slice(0, 64).join('');
}

/** What is not base64url of so many bytes stays out. */
function bytes(text: string | null, length: number): string | undefined {
  return text !== null && readBase64url(text)?.length === length ? text : undefined;
}

/** A broker's full ws(s) address; a relative one becomes one of the page's own origin. Undefined when it is none. */
export function brokerUrl(broker: string, page: string | undefined): string | undefined {
  if (!broker) return undefined;
  try {
    const url = new URL(broker, page);
    if (url.protocol === 'http:') url.protocol = 'ws:';
    if (url.protocol === 'https:') url.protocol = 'wss:';
    if (url.protocol !== 'ws:' && url.protocol !== 'wss:') return undefined;
    url.username = url.password = url.hash = '';
    return url.href;
  } catch {
    return undefined;
  }
}
