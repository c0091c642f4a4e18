import { describe, expect, it } from 'vitest';
import { jittered, resendAfter } from '../src/backoff';
import { base32 } from '../src/base32';
import { Clock } from '../src/clock';
import { profileWords } from '../src/details';
import { loadIdentity } from '../src/identity';
import { Latency, median, rtpBetween } from '../src/latency';
import { decodeRow, sinceStamp, stampRow } from '../src/stamp';
import { pathOf, pathWords, read, type Report } from '../src/stats';

it('waits longer and longer, by chance, up to 30 s', () => {
  expect([0, 1, 2, 3, 4, 5, 99].map((n) => jittered(n, 1))).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(jittered(5, 0)).toBe(100);
  expect([1, 2, 3, 4, 5, 99].map(resendAfter)).toEqual([2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

it('writes base32 as RFC 4648 does', () => {
  const b = (s: string): string => base32(new TextEncoder().encode(s));
  expect(['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar'].map(b)).toEqual(['', 'my', 'mzxq', 'mzxw6', 'mzxw6yq', 'mzxw6ytb', 'mzxw6ytboi']);
});

it('makes viewer ids out of public keys', async () => {
  const me = await loadIdentity(); // no storage here: a new one each time
  expect(me.key.extractable).toBe(false);
  expect(me.point).toHaveLength(65);
  expect(me.viewer).toMatch(/^[a-z2-7]{26}$/);
  expect(me.viewer).toBe(base32(new Uint8Array(await crypto.subtle.digest('SHA-256', me.point)).slice(0, 16)));
  expect((await loadIdentity()).viewer).not.toBe(me.viewer);
});

describe('the camera’s clock', () => {
  it('is believed where the round trip was shortest', () => {
    const c = new Clock();
    expect(c.best()).toBeUndefined();
    c.pong(1000, 1100, 5090); // 100 ms, of which 90 on the way there
    c.pong(2000, 2004, 6002);
    c.pong(3000, 3050, 7001);
    expect(c.best()).toEqual({ offset: 4000, roundTrip: 4 });
  });
  it('forgets the old, so that a clock that is set is followed', () => {
    const c = new Clock();
    c.pong(0, 1, 100);
    for (let i = 1; i <= 16; i++) c.pong(i * 10, i * 10 + 4, i * 10 + 2 + 9000);
    expect(c.best()?.offset).toBe(9000);
  });
  it('takes no answer from before the question', () => {
    const c = new Clock();
    c.pong(10, 5, 100);
    c.pong(NaN, 5, 100);
    expect(c.best()).toBeUndefined();
  });
});

describe('latency', () => {
  it('follows RTP time over its 32-bit end', () => {
    expect(rtpBetween(0xffff_ff00, 0x100)).toBe(0x200);
    expect(rtpBetween(0x100, 0xffff_ff00)).toBe(-0x200);
    const l = new Latency();
    expect(l.frame(1, 1)).toBeUndefined();
    l.reference(0xffff_ff00, 1_000_000);
    expect(l.frame((0xffff_ff00 + 9000) % 2 ** 32, 1_000_143)).toBeCloseTo(43);
    expect(l.frame(0xffff_ff00 - 9000, 999_930)).toBeCloseTo(30);
    expect(l.p50()).toBeCloseTo(36.5);
    expect(l.frame(0x7fff_ffff, 1_000_000)).toBeUndefined(); // hours off: of another session
  });
  it('is a median', () => {
    expect([median([]), median([3]), median([9, 1, 5]), median([4, 1, 2, 3])]).toEqual([undefined, 3, 5, 2.5]);
  });
});

describe('the stamp', () => {
  const bits = (stamp: number): number[] => {
    let check = 0;
    for (let i = 0; i < 8; i++) check ^= Math.floor(stamp / 16 ** i) & 15;
    const of = (v: number, n: number): number[] => Array.from({ length: n }, (_, i) => Math.floor(v / 2 ** (n - 1 - i)) & 1);
    return [1, 0, ...of(stamp, 32), ...of(check, 4), 1, 0];
  };
  const row = (width: number, stamp: number, white = 235, black = 16): Uint8Array => {
    const b = bits(stamp);
    return Uint8Array.from({ length: width }, (_, x) => (b[Math.floor((x * 40) / width)] ? white : black));
  };
  const stamps = [0, 1, 0x8000_0000, 0xffff_ffff, 1_763_870_400_123 % 2 ** 32, 0x1234_5678];

  it.each([320, 640, 1280, 1366, 1920])('is read in a picture %i wide', (width) => {
    for (const s of stamps) expect(decodeRow(row(width, s), width)).toBe(s);
  });
  it('is read out of noise, pale pictures, RGBA and behind an offset', () => {
    const noisy = row(1280, 0x1234_5678, 200, 60).map((v, x) => v + ((x * 7919) % 31) - 15);
    expect(decodeRow(noisy, 1280)).toBe(0x1234_5678);
    const plain = row(640, 0x1234_5678);
    const rgba = new Uint8Array(8 + 4 * 640);
    plain.forEach((v, x) => { rgba[8 + 4 * x + 1] = v; });
    expect(decodeRow(rgba, 640, 9, 4)).toBe(0x1234_5678);
  });
  it('is not read where a cell is wrong or there is none', () => {
    const wrong = row(1280, 0x1234_5678);
    for (let cell = 2; cell < 38; cell++) {
      const one = wrong.slice();
      for (let x = cell * 32; x < cell * 32 + 32; x++) one[x] = 251 - one[x]!;
      expect(decodeRow(one, 1280)).toBeUndefined();
    }
    expect(decodeRow(new Uint8Array(1280).fill(128), 1280)).toBeUndefined();
    expect(decodeRow(new Uint8Array(0), 1280)).toBeUndefined();
    expect(decodeRow(row(1280, 5, 90, 60), 1280)).toBeUndefined();
  });
  it('lies 32 rows high, 16 in small pictures', () => expect([1080, 480, 479, 240].map(stampRow)).toEqual([16, 16, 8, 8]));
  it('is compared mod 2^32', () => {
    expect(sinceStamp(100, 2 ** 32 * 410 + 143)).toBe(43);
    expect(sinceStamp(2 ** 32 - 10, 2 ** 32 * 411 + 20)).toBe(30);
    expect(sinceStamp(20, 2 ** 32 * 411 - 10)).toBe(-30);
  });
});

describe('getStats', () => {
  const candidate = (id: string, candidateType: string, address: string, more: object = {}): Report =>
    ({ id, type: `${id === 'L' ? 'local' : 'remote'}-candidate`, candidateType, address, protocol: 'udp', ...more });
  const words = (l: Report | undefined, r: Report | undefined): string => pathWords(pathOf(l, r));

  it('the path in plain words', () => {
    const lan = candidate('L', 'host', '192.168.1.5');
    expect(words(lan, candidate('R', 'host', '192.168.1.9'))).toBe('Direct, over UDP');
    expect(words(lan, candidate('R', 'prflx', '192.168.1.9'))).toBe('Direct, over UDP');
    expect(words(lan, candidate('R', 'prflx', ''))).toBe('Direct, over UDP');
    expect(words(lan, candidate('R', 'srflx', '203.0.113.9'))).toBe('Direct through NAT, over UDP');
    expect(words(lan, candidate('R', 'prflx', '203.0.113.9'))).toBe('Direct through NAT, over UDP');
    expect(words(candidate('L', 'prflx', '203.0.113.5'), candidate('R', 'host', '203.0.113.9'))).toBe('Direct through NAT, over UDP');
    expect(words(candidate('L', 'relay', '203.0.113.1', { relayProtocol: 'tls' }), lan)).toBe('Relayed by TURN, over TLS');
    expect(words(candidate('L', 'relay', '203.0.113.1', { relayProtocol: 'tcp' }), lan)).toBe('Relayed by TURN, over TCP');
    expect(words(candidate('L', 'relay', '203.0.113.1'), lan)).toBe('Relayed by TURN, over UDP');
    expect(words(candidate('L', 'relay', '203.0.113.1', { url: 'turns:t.example.net' }), lan)).toBe('Relayed by TURN, over TLS');
    expect(words(lan, candidate('R', 'relay', '203.0.113.1'))).toBe('Relayed by the camera’s TURN server');
    expect(words(candidate('L', 'relay', '203.0.113.1', { relayProtocol: 'tcp' }), candidate('R', 'relay', '203.0.113.1')))
      .toBe('Relayed by TURN on both sides, over TCP');
    expect(words(candidate('L', 'host', '::1', { protocol: 'tcp' }), undefined)).toBe('Direct, over TCP');
  });

  it('rates come from two samples, the round trip from the pair in use', () => {
    const reports = (bytes: number, decoded: number): Report[] => [
      { id: 'A', type: 'inbound-rtp', kind: 'audio', bytesReceived: 1 },
      { id: 'V', type: 'inbound-rtp', kind: 'video', bytesReceived: bytes, packetsReceived: 9, packetsLost: 1, framesReceived: decoded,
        framesDecoded: decoded, frameWidth: 1280, frameHeight: 720, codecId: 'C', jitterBufferDelay: decoded * 0.005, jitterBufferEmittedCount: decoded },
      { id: 'C', type: 'codec', mimeType: 'video/H264', sdpFmtpLine: 'profile-level-id=42e01f' },
      { id: 'T', type: 'transport', selectedCandidatePairId: 'P2' },
      { id: 'P1', type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 9 },
      { id: 'P2', type: 'candidate-pair', currentRoundTripTime: 0.012, localCandidateId: 'L', remoteCandidateId: 'R' },
      candidate('L', 'host', '10.0.0.1'), candidate('R', 'host', '10.0.0.2'),
    ];
    const first = read(reports(1000, 30), undefined, 1000);
    expect(first.kbps).toBeUndefined();
    const second = read(reports(251_000, 60), first, 2000);
    expect(second).toMatchObject({
      kbps: 2000, fps: 30, roundTrip: 12, width: 1280, height: 720, lost: 1, codec: 'video/H264 profile-level-id=42e01f',
      path: { kind: 'direct', protocol: 'UDP' },
    });
    expect(second.buffered).toBeCloseTo(5);
    expect(read([], undefined, 0)).toMatchObject({ bytes: 0, decoded: 0 });
  });

  it('profiles have names', () => {
    expect(profileWords('42e01f')).toBe('H.264 Constrained Baseline, level 3.1');
    expect(profileWords('42001e')).toBe('H.264 Baseline, level 3.0');
    expect(profileWords('640028')).toBe('H.264 High, level 4.0');
    expect(profileWords('99001f')).toBe('H.264 99001f');
    expect(profileWords(undefined)).toBeUndefined();
  });
});
