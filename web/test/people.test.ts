/** Who may look, in words; invitations as links; why somebody may not look. */
import { describe, expect, it } from 'vitest';
import { noAccess, refusedFor } from '../src/access';
import { guessLabel } from '../src/agent';
import { base32 } from '../src/base32';
import { loadIdentity } from '../src/identity';
import { invitation } from '../src/invite';
import { cleanName, parseFragment, parsePasted } from '../src/link';
import { people, watchers } from '../src/people';
import type { Known } from '../src/signal/message';
import { readBase64url } from '../src/trust/bytes';
import { sha256, signer, verify } from '../src/trust/crypto';

const [A, B, C] = ['a', 'b', 'c'].map((c) => c.repeat(26)) as [string, string, string];
const NOW = 1_763_900_000;
const DAY = 86_400;

it.each([
  ['Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36', 'Chrome on Android'],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1', 'Safari on iPhone'],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1', 'Chrome on iPhone'],
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0', 'Edge on Windows'],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0', 'Firefox on Linux'],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15', 'Safari on Mac'],
  ['curl/8', 'A browser'],
])('%s is called %s', (agent, label) => expect(guessLabel(agent)).toBe(label));

describe('people', () => {
  const known = (viewer: string, more: Partial<Known>): Known => ({ viewer, words: 'w', label: viewer.slice(0, 1), role: 'view', since: NOW - 20 * DAY, watching: 0, ...more });
  const list = [
    known(A, { role: 'owner', label: 'Mine', seen: NOW - 600 }), known(B, { role: 'admin', watching: 1, by: A, until: NOW + 30 * DAY }),
    known(C, { role: 'view', by: B, seen: NOW - 7200, until: NOW - DAY / 2 }),
  ];
  it('who watch come first, and each may do what its role allows', () => {
    const owner = people(list, A, 'owner', NOW);
    expect(owner.map((p) => [p.id, p.mayRename, p.mayRemove])).toEqual([[B, true, true], [A, true, false], [C, true, true]]);
    expect(owner.map((p) => p.seen)).toEqual(['Watching now', 'Seen 10 min ago', 'Seen 2 h ago']);
    expect(owner[0]?.since).toMatch(/^Invited by you .*, until /);
    expect(owner[2]?.since).toMatch(/^Invited by b .*, ended /);
    expect(people(list, B, 'admin', NOW).map((p) => [p.id, p.mayRename, p.mayRemove])).toEqual([[B, true, false], [A, false, false], [C, true, true]]);
    expect(people([known(C, { by: B })], A, 'owner', NOW)[0]?.since).toMatch(/somebody who was removed/);
  });
  it('are counted by name', () => expect(watchers([...list, known(A, { watching: 2 })], A)).toBe('b, you'));
});

it('an invitation is a link with a grant that its giver signed', async () => {
  const me = await loadIdentity();
  const camera = { id: base32(me.id), name: 'Front door', broker: 'wss://b.example.net/mqtt' };
  const { link, before } = await invitation('https://h/view/', camera, me, { role: 'view', good: 3600, lasts: DAY, label: 'Anna’s phone' }, NOW);
  expect(before).toBe(NOW + 3600);
  expect(link.startsWith('https://h/view/#c=')).toBe(true);
  const it = parsePasted(link)!;
  expect(it).toMatchObject({ camera: camera.id, name: 'Front door', broker: camera.broker, label: 'Anna’s phone' });
  const [grant, secret] = [readBase64url(it.grant!)!, readBase64url(it.secret!)!];
  expect(grant.slice(40, 72)).toEqual(await sha256(secret));
  expect([...grant.slice(72, 88)].reduce((n, b, i) => (i === 8 ? [...n, b] : [...n.slice(0, -1), n.at(-1)! * 256 + b]), [0])).toEqual([NOW + 3600, NOW + DAY]);
  expect(await verify('grant', grant.slice(0, 88), grant.slice(88), (await signer(me.point))!)).toBe(true);
});

describe('pairing links', () => {
  const SECRET = 'AAECAwQFBgcICQoLDA0ODw';
  it('are read, and junk in them is not', () => {
    expect(parseFragment(`#c=${A}&p=${SECRET}&n=Door`)).toEqual({ camera: A, secret: SECRET, name: 'Door', meter: false });
    for (const junk of ['', 'short', `${SECRET}A`, `${SECRET.slice(0, -1)}x`, `${SECRET}=`]) expect(parseFragment(`#c=${A}&p=${junk}`)).toEqual({ camera: A, meter: false });
    expect(parseFragment(`#c=${A}&p=${SECRET}&g=AAAA`)).toEqual({ camera: A, secret: SECRET, meter: false });
    expect(parseFragment(`#c=${A}&g=${'A'.repeat(203)}&l=x`), 'a grant without its secret').toEqual({ camera: A, meter: false });
  });
  it('have plain names', () => {
    expect(cleanName('a\u001b[31mb\u202ec\u2066')).toBe('a [31mbc');
    expect([...cleanName('😀'.repeat(100))]).toHaveLength(64);
  });
});

describe('no access', () => {
  it('is said with the way out, each kind in its own words', () => {
    const reasons = ['pairing_closed', 'pairing_used', 'pairing_wrong', 'grant_invalid', 'grant_expired', 'clock', 'full'];
    const said = reasons.map((reason) => noAccess({ pairing: { is: 'refused', reason, text: 'x' } }, false)!);
    const known = (['not_paired', 'revoked', 'expired', 'clock'] as const).map((refusal) => noAccess({ refusal }, false)!);
    expect(new Set([...said, ...known].map((w) => w.title + w.more)).size).toBe(reasons.length + 4);
    for (const w of [...said, ...known]) expect(w).toMatchObject({ tone: 'bad', again: true });
    expect(noAccess({ refusal: 'not_paired' }, false)?.more).toContain('lunette pair');
    expect(noAccess({ refusal: 'not_paired' }, true)?.title).toContain('lost its key');
    expect(noAccess({ pairing: { is: 'refused', reason: 'odd', text: 'Why not.' } }, false)?.more).toBe('Why not.');
    expect(noAccess({ pairing: { is: 'asking' }, refusal: 'revoked' }, false)?.tone).toBe('busy');
    expect(noAccess({}, true)).toBeUndefined();
    expect(refusedFor('binding', false)?.title).toContain('between you and the camera');
    expect(refusedFor('lost', false)).toBeUndefined();
  });
});
