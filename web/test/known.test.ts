/** What the page knows: links, its config, its list of cameras, their presence; and how it says so. */
import { describe, expect, it } from 'vitest';
import { Cameras } from '../src/cameras';
import { parseConfig } from '../src/config';
import { brokerUrl, fragment, parseFragment, parsePasted } from '../src/link';
import { heardChallenge, heardLocked, heardRefusal, heardStatus, heardWelcome, reconnected, unrefused, unseen, wantsWelcome } from '../src/presence';
import type { Status } from '../src/signal/message';
import { badge, describe as say, type Scene } from '../src/words';

const A = 'a'.repeat(26);
const B = 'b'.repeat(26);
const C = 'c'.repeat(26);

describe('links', () => {
  it('are read and written', () => {
    expect(parseFragment('')).toEqual({ meter: false });
    expect(parseFragment(`#c=${A}`)).toEqual({ camera: A, meter: false });
    const full = { camera: A, name: 'Front door & garden', broker: 'wss://broker.example.net/mqtt', meter: true };
    expect(parseFragment(fragment(full))).toEqual(full);
    expect(fragment({ camera: A, meter: false })).toBe(`#c=${A}`);
    expect(fragment({ meter: false })).toBe('');
  });
  it.each(['#c=', '#c=short', `#c=${A.toUpperCase()}`, `#c=${A}/#`, `#c=${'1'.repeat(26)}`, '#c=../status', '#x', '#%ff&c=%'])(
    '%s names no camera', (hash) => expect(parseFragment(hash).camera).toBeUndefined());
  it('have no odd brokers or names', () => {
    expect(parseFragment(`#c=${A}&b=javascript:alert(1)&n=%0a%00`)).toEqual({ camera: A, meter: false });
    expect(parseFragment(`#c=${A}&b=wss://user:secret@h/x%23y`).broker).toBe('wss://h/x');
    expect(parseFragment(`#c=${A}&n=${'x'.repeat(500)}`).name).toHaveLength(64);
  });
  it('may be pasted whole, in part, or as an id', () => {
    expect(parsePasted(` https://h/view/#c=${A}&n=Door `)).toEqual({ camera: A, name: 'Door', meter: false });
    expect(parsePasted(`#c=${A}`)?.camera).toBe(A);
    expect(parsePasted(A.toUpperCase())?.camera).toBe(A);
    for (const junk of ['', 'hello', 'https://h/', 'https://h/#c=x']) expect(parsePasted(junk)).toBeUndefined();
  });
  it('place a relative broker at the page’s origin', () => {
    expect(brokerUrl('/mqtt', 'https://h:8443/view/#c=x')).toBe('wss://h:8443/mqtt');
    expect(brokerUrl('mqtt', 'http://127.0.0.1:8080/view/')).toBe('ws://127.0.0.1:8080/view/mqtt');
    expect(brokerUrl('wss://b.example.net/mqtt', 'http://h/')).toBe('wss://b.example.net/mqtt');
    for (const junk of ['', 'ftp://x', 'http://']) expect(brokerUrl(junk, 'https://h/')).toBe(junk ? undefined : undefined);
  });
});

describe('config.json', () => {
  it('is read', () => {
    expect(parseConfig({ broker: '/mqtt', login: 'password', cameras: [{ id: A, name: 'Front door' }, { id: B }] }, 'https://h/v/'))
      .toEqual({ broker: 'wss://h/mqtt', login: true, cameras: [{ id: A, name: 'Front door' }, { id: B }] });
  });
  it.each([undefined, null, [], 'x', {}, { broker: 7, login: 1, cameras: {} }, { cameras: [7, {}, { id: 'x' }] }])(
    '%j presets nothing', (x) => expect(parseConfig(x, 'https://h/')).toEqual({ broker: undefined, login: false, cameras: [] }));
});

describe('the list', () => {
  class Memory {
    kept = new Map<string, string>();
    getItem = (k: string): string | null => this.kept.get(k) ?? null;
    setItem = (k: string, v: string): void => void this.kept.set(k, v);
  }
  const config = parseConfig({ broker: '/mqtt', cameras: [{ id: A, name: 'Door' }] }, 'https://h/');

  it('joins what is preset with what was added, and is kept', () => {
    const storage = new Memory();
    const list = new Cameras(config, storage);
    list.add({ id: B, name: 'Garden', broker: 'wss://other/mqtt' });
    list.add({ id: C });
    list.rename(C, '  Shed\n ');
    const all = [
      { id: A, name: 'Door', broker: 'wss://h/mqtt' }, { id: B, name: 'Garden', broker: 'wss://other/mqtt' },
      { id: C, name: 'Shed', broker: 'wss://h/mqtt' },
    ];
    expect(list.all()).toEqual(all);
    expect(new Cameras(config, storage).all()).toEqual(all);
  });
  it('keeps the user’s name when a link comes again, and takes its broker', () => {
    const list = new Cameras(config, undefined);
    list.add({ id: A });
    expect(list.all()).toEqual([{ id: A, name: 'Door', broker: 'wss://h/mqtt' }]);
    list.rename(A, 'Mine');
    list.add({ id: A, name: 'Theirs', broker: 'wss://new/mqtt' });
    expect(list.all()).toEqual([{ id: A, name: 'Mine', broker: 'wss://new/mqtt' }]);
    list.rename(A, '');
    expect(list.find(A)?.name).toBe('Door');
  });
  it('keeps the stream that was chosen, through a new link and a new name, until the camera is removed', () => {
    const storage = new Memory();
    const list = new Cameras(config, storage);
    list.choose(A, 'low');
    list.add({ id: B, name: 'Garden' });
    list.choose(B, 'low');
    list.add({ id: B, broker: 'wss://new/mqtt' });
    list.rename(B, 'Shed');
    expect(new Cameras(config, storage).all()).toEqual([
      { id: A, name: 'Door', broker: 'wss://h/mqtt', stream: 'low' }, { id: B, name: 'Shed', broker: 'wss://new/mqtt', stream: 'low' },
    ]);
    list.choose(B, 'main');
    expect(list.find(B)?.stream).toBe('main');
    list.remove(B);
    list.add({ id: B });
    expect(list.find(B)?.stream).toBeUndefined();
  });
  it('forgets what is removed, the preset too, until its link is opened', () => {
    const storage = new Memory();
    const list = new Cameras(config, storage);
    list.add({ id: B });
    list.remove(A);
    list.remove(B);
    expect(new Cameras(config, storage).all()).toEqual([]);
    list.add({ id: A });
    expect(list.all().map((c) => c.id)).toEqual([A]);
  });
  it.each(['', 'x', '7', '[]', '{"cameras":7}', '{"cameras":[7,{"id":"x"}],"hidden":[1]}'])('bears junk in its storage: %s', (junk) => {
    const storage = new Memory();
    storage.setItem('lunette.cameras', junk);
    expect(new Cameras(config, storage).all().map((c) => c.id)).toEqual([A]);
  });
});

describe('presence', () => {
  const on = (boot: string): Status => ({ type: 'status', online: true, boot, streams: [], camera: { state: 'idle', text: '' } });
  const off = (boot: string): Status => ({ type: 'status', online: false, boot });

  it('ignores the late last will of an earlier start', () => {
    let p = heardStatus(unseen(), on(B), 1);
    p = heardStatus(p, off(A), 2);
    expect(p.online).toBe(true);
    p = heardStatus(p, off(B), 3);
    expect(p).toMatchObject({ online: false, offlineSince: 3 });
    expect(heardStatus(p, off(B), 9).offlineSince).toBe(3);
    expect(heardStatus(p, on(C), 4)).toMatchObject({ online: true, boot: C });
  });
  it('but believes any first word of a new connection', () => {
    expect(heardStatus(unseen(), off(A), 1)).toEqual({ ...unseen(), online: false });
    const p = heardStatus(heardStatus(unseen(), on(B), 1), off(A), 2);
    expect(heardStatus(reconnected(p), off(A), 3).online).toBe(false);
  });
  it('wants a welcome for each start, and a new one after ten minutes', () => {
    let p = unseen();
    expect(wantsWelcome(p, 0)).toBe(false);
    p = heardChallenge(p, 1, 'words');
    expect(wantsWelcome(p, 0)).toBe(true);
    expect(wantsWelcome(heardStatus(p, off(A), 0), 0), 'of one that is not there').toBe(false);
    p = heardStatus(p, on(A), 0);
    expect(wantsWelcome(p, 0)).toBe(true);
    p = heardWelcome(p, { type: 'welcome', boot: A, ice: [] }, 0);
    expect([wantsWelcome(p, 599_999), wantsWelcome(p, 600_000)]).toEqual([false, true]);
    expect(wantsWelcome(heardStatus(p, on(B), 1), 1)).toBe(true);
  });
  it('asks nothing more of a camera that refused, until something is different', () => {
    const p = heardRefusal(heardChallenge(unseen(), 1, 'words'), 'not_paired');
    expect(wantsWelcome(p, 0)).toBe(false);
    expect(wantsWelcome(heardChallenge(p, 1, 'words'), 0)).toBe(false);
    expect(wantsWelcome(heardChallenge(p, 2, 'words'), 0), 'it was started anew').toBe(true);
    expect(wantsWelcome(reconnected(p), 0)).toBe(true);
    expect(wantsWelcome(unrefused(p), 0)).toBe(true);
    expect(wantsWelcome({ ...p, refusal: 'revoked' }, 0)).toBe(false);
    expect(wantsWelcome({ ...unrefused(p), pairing: { is: 'asking' } }, 0)).toBe(false);
  });
  it('wants another key when it cannot read the status', () => {
    let p = heardWelcome(heardChallenge(unseen(), 1, 'words'), { type: 'welcome', boot: A, ice: [], role: 'view', label: 'x' }, 0);
    expect(p.me).toEqual({ role: 'view', label: 'x' });
    expect(wantsWelcome(p, 1)).toBe(false);
    p = heardLocked(p);
    expect(wantsWelcome(p, 1)).toBe(true);
    expect(wantsWelcome(heardLocked(heardStatus(p, off(A), 1)), 1), 'it was away, and is back').toBe(true);
    expect(wantsWelcome(heardStatus(p, on(A), 1), 1)).toBe(false);
  });
});

describe('words', () => {
  const scene = (more: Partial<Scene>): Scene => ({
    state: { is: 'waiting', for: 'broker' }, broker: { is: 'up' }, presence: unseen(), source: undefined, now: 1000, ...more,
  });
  it('are plain', () => {
    expect(say(scene({ broker: { is: 'connecting' } })).title).toBe('Connecting to the broker…');
    expect(say(scene({ state: { is: 'asking', session: A, since: 0, sdp: '', sent: 1, next: 0 } })).title).toBe('Asking the camera…');
    expect(say(scene({ state: { is: 'pausing', until: 3500, why: { reason: 'lost', text: '' }, session: A } })))
      .toMatchObject({ title: 'Connection lost', more: 'Trying again in 3 s.', again: true });
    expect(say(scene({ state: { is: 'pausing', until: 500, why: { reason: 'full', text: '20 of 20 viewers are watching.' }, session: A } })))
      .toMatchObject({ title: 'All places are taken', more: '20 of 20 viewers are watching. Trying again…' });
    expect(say(scene({ state: { is: 'stopped', why: { reason: 'no_h264', text: '' } } })).title).toBe('This browser cannot decode H.264 video.');
    const live = { is: 'live', session: A, since: 0, lastMedia: 0, picture: 5 } as const;
    expect(say(scene({ state: live }))).toEqual({ title: 'Live', tone: 'live' });
    expect(say(scene({ state: live, source: { state: 'lost', text: '/dev/video0 was unplugged' } })))
      .toMatchObject({ title: 'The camera has no picture', more: '/dev/video0 was unplugged.', tone: 'bad' });
  });
  it('on a card are few', () => {
    const p = { ...unseen(), online: true, source: { state: 'idle' as const, text: '' }, streams: [{ id: 'main', codec: 'h264', width: 1280, height: 720, fps: 30 }] };
    expect(badge({ is: 'up' }, p, 0)).toEqual({ state: 'idle', word: 'Ready', line: '1280 × 720 · 30 fps' });
    expect(badge({ is: 'down', until: 1500 }, p, 0)).toEqual({ state: 'down', word: 'No broker', line: 'Trying again in 2 s.' });
    expect(badge({ is: 'up' }, unseen(), 0).word).toBe('Not seen');
  });
});
