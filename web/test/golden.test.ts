/** The golden messages that the daemon's tests read too. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bye, candidate, hello, MESSAGE_MAX, offer, pair, parse, rename, revoke, viewers } from '../src/signal/message';
import { publishPacket } from '../src/signal/broker';
import { parseControl, type ControlToCamera } from '../src/signal/control';

const golden = (path: string): URL => new URL(`../../tests/data/signal/${path}`, import.meta.url);
const json = (path: string): unknown => JSON.parse(readFileSync(golden(path), 'utf8'));
const bytes = (x: unknown): Uint8Array => new TextEncoder().encode(typeof x === 'string' ? x : JSON.stringify(x));

const VIEWER = 'abcdefghijklmnopqrstuvwxyz';
const OTHER = 'bcdefghijklmnopqrstuvwxyza';
const SESSION = '234567abcdefghijklmnopqrst';

describe('what a camera sends', () => {
  const files = readdirSync(golden('camera/'));
  it('is there', () => expect(files.length).toBeGreaterThanOrEqual(12));
  it.each(files)('%s is understood, whole', (file) => {
    expect({ v: 1, ...parse(readFileSync(golden(`camera/${file}`))) }).toEqual(json(`camera/${file}`));
  });
});

describe('what a viewer sends', () => {
  const built: Record<string, object> = {
    'hello.json': hello(),
    'offer.json': offer(SESSION, 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n', 'main'),
    'offer-low.json': offer(SESSION, 'v=0\r\n', 'low'),
    'offer-default-stream.json': offer(SESSION, 'v=0\r\n'),
    'offer-restart.json': offer(SESSION, 'v=0\r\n', undefined, 2),
    'candidate.json': candidate(SESSION, {
      candidate: 'candidate:1 1 udp 2130706431 192.0.2.2 50000 typ host', sdpMid: '0', sdpMLineIndex: 0,
    }),
    'candidate-end.json': candidate(SESSION, null),
    'bye.json': bye(SESSION),
    'pair.json': pair('AAECAwQFBgcICQoLDA0ODw', 'Anna\'s phone'), 'pair-grant.json': pair('AAECAwQFBgcICQoLDA0ODw', 'Anna\'s phone', 'TFVOAQ'),
    'viewers.json': viewers(), 'revoke.json': revoke(OTHER), 'rename.json': rename(OTHER, 'Kitchen tablet'),
  };
  it('is built by this page, every kind of it', () => {
    expect(readdirSync(golden('viewer/')).sort()).toEqual(Object.keys(built).sort());
  });
  it.each(Object.keys(built))('%s is exactly that', (file) => {
    expect(JSON.parse(JSON.stringify(built[file]))).toEqual(json(`viewer/${file}`));
  });
});

describe('junk', () => {
  it.each(readdirSync(golden('refused/')))('%s is nothing that a camera says', (file) => {
    const { raw } = json(`refused/${file}`) as { raw: string };
    expect(parse(bytes(raw))).toBeUndefined();
  });
  it.each([
    '', 'null', '7', '"x"', '[]', '{}', '{"v":1}', '{"v":2,"type":"done","re":"x"}', '{"v":1,"type":"paired","role":"king"}', '{"v":1,"type":"viewers"}', '{"v":1,"type":"status"}',
    '{"v":1,"type":"status","online":true,"boot":"short"}', '{"v":1,"type":"status","online":1,"boot":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}',
    `{"v":1,"type":"answer","session":"${SESSION}"}`, `{"v":1,"type":"answer","session":"${SESSION}","sdp":{}}`,
    `{"v":1,"type":"candidate","session":"${SESSION}"}`, `{"v":1,"type":"candidate","session":"${SESSION}","candidate":"x"}`,
    '{"v":1,"type":"end","session":7,"reason":"lost"}', '{"v":1,"type":"refused","re":"offer"}',
    '{"v":1,"type":"refused","re":"offer","session":"x","reason":"full"}', '{"v":1,"type":"__proto__"}',
  ])('%s is refused', (raw) => expect(parse(bytes(raw))).toBeUndefined());

  it('is refused when it is too long or no UTF-8', () => {
    const long = (n: number): Uint8Array => bytes({ v: 1, type: 'refused', re: 'offer', reason: 'x', text: 'y'.repeat(n) });
    expect(parse(long(100))).toBeDefined();
    expect(parse(long(MESSAGE_MAX))).toBeUndefined();
    expect(parse(Uint8Array.of(0x22, 0xff, 0x22))).toBeUndefined();
  });

  it('costs only itself inside a message', () => {
    expect(parse(bytes({
      v: 1, type: 'welcome', boot: VIEWER, limits: { viewers: 'x' },
      ice: [7, {}, { urls: 'stun:a:1' }, { urls: ['javascript:x', 'turn:b'] }, { urls: ['turns:c', 'http://d'], username: 'u', credential: 'p' }],
    }))).toEqual({
      type: 'welcome', boot: VIEWER, ice: [{ urls: ['stun:a:1'] }, { urls: ['turns:c'], username: 'u', credential: 'p' }],
    });
    expect(parse(bytes({ v: 1, type: 'status', online: true, boot: VIEWER, camera: { state: 'odd' }, streams: [1, { id: 'main' }] })))
      .toEqual({ type: 'status', online: true, boot: VIEWER, streams: [] });
  });

  it('survives random bytes', () => {
    let seed = 1;
    const random = (): number => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
    const sample = readFileSync(golden('camera/status-online.json'));
    for (let i = 0; i < 2000; i++) {
      const copy = Uint8Array.from(sample);
      for (let k = 0; k < 1 + i % 8; k++) copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256);
      expect(() => parse(copy)).not.toThrow();
    }
  });
});

describe('the data channel', () => {
  const spoken: Record<string, ControlToCamera> = {
    'bind.json': { type: 'bind', mac: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8' }, 'ping.json': { type: 'ping', id: 7, t: 1234.5 }, 'key.json': { type: 'key' },
    'stream.json': { type: 'stream', id: 'low' }, 'bye.json': { type: 'bye' },
  };
  it('carries what this page says, every kind of it', () => {
    expect(readdirSync(golden('control-viewer/')).sort()).toEqual(Object.keys(spoken).sort());
  });
  it.each(Object.keys(spoken))('%s is exactly that', (file) => {
    expect(spoken[file]).toEqual(json(`control-viewer/${file}`));
  });
  it.each(readdirSync(golden('control-camera/')))('%s of a camera is understood, whole', (file) => {
    const raw = json(`control-camera/${file}`) as { type: string };
    const { type, ...numbers } = raw;
    const whole = type === 'stats' ? { type, numbers } : type === 'stream' ? { text: '', ...raw } : raw;
    expect(parseControl(readFileSync(golden(`control-camera/${file}`), 'utf8'))).toEqual(whole);
  });
  it('is understood in part', () => {
    expect(parseControl('{"type":"stats","rtp":3735928559,"wall":1.5,"fps":"x","encoder":"openh264"}'))
      .toEqual({ type: 'stats', numbers: { rtp: 3735928559, wall: 1.5, encoder: 'openh264' } });
    expect(parseControl('{"type":"bye"}')).toEqual({ type: 'bye' });
  });
  it.each(['', '[]', '{"type":"pong","id":7}', '{"type":"camera","state":"odd"}', '{"type":"stream"}', '{"type":"stream","id":7}', '{"type":"other"}', 'x'.repeat(5000), 7, undefined])(
    '%s is refused', (raw) => expect(parseControl(raw)).toBeUndefined());
});

describe('last words', () => {
  it('are a PUBLISH as MQTT 3.1.1 has it', () => {
    expect([...publishPacket('a/b', bytes({}))]).toEqual([0x30, 7, 0, 3, 0x61, 0x2f, 0x62, 0x7b, 0x7d]);
    const long = publishPacket('t', bytes({ x: 'y'.repeat(200) }));
    expect([...long.slice(0, 5)]).toEqual([0x30, 0x80 | (211 & 127), 1, 0, 1]);
    expect(long).toHaveLength(3 + 211);
  });
});
