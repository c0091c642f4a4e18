import { describe, expect, it } from 'vitest';
import { rows } from '../src/details';
import { unseen } from '../src/presence';
import { choices, Streams } from '../src/streams';
import type { Stream } from '../src/signal/message';

const MAIN: Stream = { id: 'main', codec: 'h264', profile: '42e01f', width: 1280, height: 720, fps: 30 };
const LOW: Stream = { id: 'low', codec: 'h264', profile: '42e01e', width: 640, height: 360, fps: 30 };

/** A session under way, of a camera with these streams. */
function watching(chosen?: string, list: readonly Stream[] = [MAIN, LOW]): Streams {
  const s = new Streams(chosen);
  s.listed(list);
  s.begin();
  return s;
}
const is = (s: Streams): unknown[] => [s.shown, s.wanted, s.chosen, s.notice];

describe('what is offered', () => {
  it('is left to the camera on a first visit', () => {
    const s = new Streams(undefined);
    s.listed([MAIN, LOW]);
    expect(s.begin()).toBeUndefined();
    expect([s.shown, s.wanted, s.due(0)]).toEqual(['main', undefined, undefined]);
  });
  it('is what was chosen last', () => {
    const s = new Streams('low');
    s.listed([MAIN, LOW]);
    expect(s.begin()).toBe('low');
    expect([s.shown, s.wanted, s.due(0)]).toEqual(['low', undefined, undefined]);
  });
  it('is the first where the chosen one is not listed; it is asked for, once, when it is', () => {
    const s = new Streams('low');
    s.listed([MAIN]);
    expect(s.begin()).toBeUndefined();
    expect([s.shown, s.wanted, s.due(0)]).toEqual(['main', undefined, undefined]);
    s.listed([MAIN, LOW]);
    expect([s.wanted, s.due(1), s.due(2)]).toEqual(['low', 'low', undefined]);
    s.heard('low', '', 3);
    expect(is(s)).toEqual(['low', undefined, 'low', '']);
  });
  it('is the first when the camera does not know the chosen one, until that is listed anew', () => {
    const s = watching('low');
    s.refuse();
    s.end();
    expect(s.begin()).toBeUndefined();
    expect([s.shown, s.wanted, s.due(0), s.chosen]).toEqual(['main', undefined, undefined, 'low']);
    s.listed([MAIN]);
    s.listed([MAIN, LOW]);
    expect(s.begin()).toBe('low');
  });
});

describe('a choice', () => {
  it('is asked for once, and done when the camera says so', () => {
    const s = watching();
    s.choose('low');
    expect(is(s)).toEqual(['main', 'low', 'low', '']);
    expect([s.due(0), s.due(1)]).toEqual(['low', undefined]);
    s.counted('main');
    expect(s.wanted).toBe('low');
    s.heard('low', '', 2);
    expect(is(s)).toEqual(['low', undefined, 'low', '']);
  });
  it('is done, too, when the numbers say so', () => {
    const s = watching();
    s.choose('low');
    s.due(0);
    s.counted('low');
    expect(is(s)).toEqual(['low', undefined, 'low', '']);
  });
  it('may be changed on the way', () => {
    const s = watching();
    s.choose('low');
    expect(s.due(0)).toBe('low');
    s.choose('main');
    expect([s.wanted, s.due(1)]).toEqual(['main', 'main']);
    s.counted('main');
    expect(s.wanted).toBe('main');
    s.heard('low', '', 2); // the answer to the first wish
    expect([s.shown, s.wanted]).toEqual(['low', 'main']);
    s.heard('main', '', 3);
    expect(is(s)).toEqual(['main', undefined, 'main', '']);
  });
  it('is taken back without a word to the camera where nothing was sent', () => {
    const s = watching();
    s.choose('low');
    s.choose('main');
    expect([s.wanted, s.due(0)]).toEqual([undefined, undefined]);
  });
  it('that the camera refuses is forgotten, with its reason shown for a while', () => {
    const s = watching();
    s.choose('low');
    s.due(0);
    s.heard('main', 'This camera has no low stream.', 100);
    expect(is(s)).toEqual(['main', undefined, 'main', 'This camera has no low stream.']);
    s.poll(8000);
    expect(s.notice).not.toBe('');
    s.poll(8100);
    expect(s.notice).toBe('');
  });
  it('of an earlier visit that the camera refuses is kept, without a word', () => {
    const s = watching('low', [MAIN]);
    s.listed([MAIN, LOW]);
    s.due(0);
    s.heard('main', 'This camera has no low stream.', 100);
    expect(is(s)).toEqual(['main', undefined, 'low', '']);
  });
  it('that is never answered comes to an end', () => {
    const s = watching();
    s.choose('low');
    s.poll(60_000); // not yet sent: the connection is not open
    expect(s.wanted).toBe('low');
    s.due(60_000);
    s.poll(74_999);
    expect(s.wanted).toBe('low');
    s.poll(75_000);
    expect(is(s)).toEqual(['main', undefined, 'low', 'The camera did not change the picture.']);
  });
  it('outlives its session', () => {
    const s = watching();
    s.choose('low');
    s.due(0);
    s.end();
    s.poll(60_000);
    expect(s.wanted).toBe('low');
    expect(s.begin()).toBe('low');
    expect(is(s)).toEqual(['low', undefined, 'low', '']);
  });
  it('is only what is listed', () => {
    const s = watching(undefined, [MAIN]);
    s.choose('low');
    expect(is(s)).toEqual(['main', undefined, undefined, '']);
  });
});

describe('a camera that changes the stream by itself', () => {
  it('is followed; the choice stays what the user chose', () => {
    const s = watching('main');
    s.heard('low', 'Your connection is too slow for the main stream.', 0);
    expect(is(s)).toEqual(['low', undefined, 'main', 'Your connection is too slow for the main stream.']);
    expect(s.due(1)).toBeUndefined();
    s.heard('main', '', 2);
    expect(is(s)).toEqual(['main', undefined, 'main', 'Your connection is too slow for the main stream.']);
    s.poll(8000);
    expect(s.notice).toBe('');
  });
  it('is not asked again for what it was not yet asked for', () => {
    const s = watching('low', [MAIN]);
    s.heard('main', '', 0);
    s.listed([MAIN, LOW]);
    expect(s.due(1)).toBeUndefined();
  });
});

it('whatever comes: a wish is asked for at most once, and ends', () => {
  let seed = 11;
  const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
  const ids = ['main', 'low'];
  for (let run = 0; run < 300; run++) {
    const s = watching([undefined, 'main', 'low', 'x'][random(4)]);
    let now = 0;
    for (let step = 0; step < 60; step++) {
      now += random(4000);
      const id = ids[random(2)] ?? '';
      const todo = [
        () => s.choose(id), () => s.heard(id, random(2) ? 'because' : '', now), () => s.counted(id), () => s.poll(now),
        () => s.listed(random(3) ? [MAIN, LOW] : [MAIN]), () => s.refuse(), () => { s.end(); s.begin(); },
        () => { if (s.due(now) !== undefined) expect(s.due(now)).toBeUndefined(); },
      ];
      todo[random(todo.length)]?.();
      expect(s.shown).toBeDefined();
    }
    s.due(now);
    s.poll(now + 60_000);
    if (s.list.length > 1) expect([s.wanted, s.notice === '' || s.wanted === undefined]).toEqual([undefined, true]);
  }
});

describe('the choices', () => {
  it('are sizes', () => {
    expect(choices([MAIN, LOW])).toEqual([
      { id: 'main', label: '1280 × 720', short: '720p' }, { id: 'low', label: '640 × 360', short: '360p' },
    ]);
  });
  it('are names where sizes do not tell', () => {
    const names = ['Main', 'Low'];
    expect(choices([MAIN, { id: 'low', codec: 'h264' }]).map((c) => c.label)).toEqual(names);
    expect(choices([MAIN, { ...MAIN, id: 'low' }]).map((c) => c.label)).toEqual(names);
    expect(choices([MAIN, { ...LOW, height: 720 }]).map((c) => [c.label, c.short]))
      .toEqual([['1280 × 720', 'Main'], ['640 × 720', 'Low']]);
  });
});

describe('the details', () => {
  const facts = (s: Streams, numbers = {}): Record<string, string> => Object.fromEntries(rows({
    sample: undefined, numbers, note: '', latency: undefined, clock: undefined, presence: unseen(), watching: '', words: '', streams: s,
    metered: undefined, rtpKnown: true,
  }).map((r) => [r.key, r.how ? `${r.value} (${r.how})` : r.value]));

  it('say which stream it is, where there is a choice, and its profile', () => {
    expect(facts(watching(undefined, [MAIN])).stream).toBeUndefined();
    const s = watching();
    expect(facts(s)).toMatchObject({ stream: 'Main', profile: 'H.264 Constrained Baseline, level 3.1' });
    s.choose('low');
    expect(facts(s).stream).toBe('Main (changing to Low)');
    s.due(0);
    s.heard('low', '', 1);
    expect(facts(s, { stream: 'main', profile: '42e01f' }))
      .toMatchObject({ stream: 'Low', profile: 'H.264 Constrained Baseline, level 3.0' });
    expect(facts(s, { stream: 'low', profile: '42e015' }).profile).toBe('H.264 Constrained Baseline, level 2.1');
  });
});
