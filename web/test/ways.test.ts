import { expect, it } from 'vitest';
import { Ways } from '../src/ways';

const line = (typ: string): string => `candidate:1 1 udp 1 192.0.2.7 5000 typ ${typ}`;
const turn = [{ urls: ['stun:s.example.net', 'turn:t.example.net:3478?transport=udp', 'turns:t.example.net:443'], username: 'u', credential: 'c' }];
function ways(servers = turn, relayOnly = false): Ways {
  const w = new Ways(servers, relayOnly);
  w.told({ candidate: line('host') }, 'mine');
  w.described(`v=0\r\na=${line('host')}\r\na=${line('srflx')}\r\n`, 'camera');
  return w;
}

it('no TURN server at all', () => {
  expect(ways([]).why()).toContain('the camera names no TURN server');
  expect(ways([{ urls: ['stun:s'] } as never], true).why()).toContain('Only relayed connections are wanted');
});

it('a TURN server that refuses, is full, cannot be reached, or says nothing', () => {
  const with_ = (...troubles: [number, string][]): string => {
    const w = ways();
    for (const [code, url] of troubles) w.failed({ code, url, text: '' });
    return w.why();
  };
  expect(with_([401, 'turn:t.example.net:3478?transport=udp'], [701, 'turns:t.example.net:443']))
    .toMatch(/^The TURN server t\.example\.net refused the credentials\. Look at/);
  expect(with_([486, 'turn:t.example.net:3478'])).toContain('takes no more');
  expect(with_([701, 'turn:t.example.net:3478'], [701, 'stun:s.example.net'])).toContain('t.example.net cannot be reached from here');
  expect(with_([701, 'turn:[2001:db8::1]:3478'])).toContain('[2001:db8::1] cannot be reached');
  expect(with_([701, 'stun:s.example.net'])).toBe('The TURN server t.example.net has not answered.');
});

it('a TURN server that works is not blamed', () => {
  const w = ways();
  w.told({ candidate: line('relay') }, 'mine');
  w.failed({ code: 701, url: 'turns:t.example.net:443', text: '' });
  expect(w.why()).toBe('This device has a TURN server to relay, but the camera did not come through to it.');
  w.told({ candidate: line('relay') }, 'camera');
  expect(w.why()).toBe('');
});

it('a side that told nothing', () => {
  const w = new Ways([], false);
  expect(w.why()).toContain('The camera told no way to reach it. This browser found no network.');
});
