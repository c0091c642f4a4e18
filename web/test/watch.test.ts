import { describe, expect, it } from 'vitest';
import { Watch, type Effect, type Input } from '../src/watch';

/** A watch with a clock of its own. Chance always says the longest wait. */
class Scene {
  now = 0;
  ids = 0;
  watch = new Watch({ random: () => 1, id: () => `s${++this.ids}` });
  effects: Effect[] = [];

  in(input: Input): this {
    this.effects = this.watch.handle(input, this.now);
    return this;
  }
  /** Lets time pass in ticks of 250 ms and gathers what is done meanwhile. */
  pass(ms: number): this {
    const all: Effect[] = [];
    for (const end = this.now + ms; this.now < end; ) {
      this.now = Math.min(end, this.now + 250);
      all.push(...this.watch.poll(this.now));
    }
    this.effects = all;
    return this;
  }
  get does(): string[] {
    return this.effects.map((e) => `${e.do} ${e.session}`);
  }
  get is(): string {
    return this.watch.state.is;
  }
  presence(online: boolean | undefined, boot = 'b1', fresh = true): this {
    return this.in({ is: 'presence', online, boot, fresh });
  }
  ready(): this {
    return this.presence(true).in({ is: 'broker', up: true });
  }
  /** the session of the moment, as far as `asking`, `connecting` or `live` */
  to(state: 'asking' | 'connecting' | 'live'): this {
    const session = `s${this.ids}`;
    this.in({ is: 'offered', session, sdp: 'o' });
    if (state === 'asking') return this;
    this.in({ is: 'answer', session, sdp: 'a' });
    if (state === 'connecting') return this;
    return this.in({ is: 'peer', session, state: 'connected' });
  }
  live(): this {
    return this.ready().to('live').in({ is: 'source', session: 's1', source: { state: 'live', text: '' } })
      .in({ is: 'picture', session: 's1' });
  }
}

describe('a join', () => {
  it('waits for broker, status, an online camera and its welcome, in whatever order they come', () => {
    const s = new Scene();
    expect(s.in({ is: 'broker', up: true }).watch.state).toEqual({ is: 'waiting', for: 'status' });
    expect(s.presence(false).watch.state).toEqual({ is: 'waiting', for: 'online' });
    expect(s.presence(true, 'b1', false).watch.state).toMatchObject({ is: 'waiting', for: 'welcome' });
    expect(s.presence(true).does).toEqual(['open s1']);
  });

  it('goes on without ICE servers when no welcome comes', () => {
    const s = new Scene().presence(true, 'b1', false).in({ is: 'broker', up: true });
    expect(s.is).toBe('waiting');
    expect(s.pass(1500).does).toEqual(['open s1']);
  });

  it('offers, takes the answer, connects, shows', () => {
    const s = new Scene().ready();
    expect(s.is).toBe('opening');
    expect(s.in({ is: 'offered', session: 's1', sdp: 'o' }).effects)
      .toEqual([{ do: 'offer', session: 's1', sdp: 'o' }, { do: 'candidates', session: 's1' }]);
    expect(s.in({ is: 'answer', session: 's1', sdp: 'a' }).effects).toEqual([{ do: 'answer', session: 's1', sdp: 'a' }]);
    s.in({ is: 'peer', session: 's1', state: 'connected' }).in({ is: 'picture', session: 's1' });
    expect(s.watch.state).toMatchObject({ is: 'live', picture: 0 });
    expect(s.in({ is: 'answer', session: 's1', sdp: 'a' }).does).toEqual([]);
  });

  it('sends the same offer again after 2, 4, 8, 16 and 30 s, then starts afresh', () => {
    const s = new Scene().ready().to('asking');
    const at: number[] = [];
    while (s.is === 'asking') {
      s.pass(250);
      if (s.effects.some((e) => e.do === 'offer' && e.sdp === 'o')) at.push(s.now / 1000);
    }
    expect(at).toEqual([2, 6, 14, 30, 60]);
    expect(s.now).toBeGreaterThan(60_000);
    expect(s.watch.sessions).toBe(2); // the first loss is followed by a new session at once
  });

  it('says it all again when the broker is back', () => {
    const s = new Scene().ready().to('asking').in({ is: 'broker', up: false });
    expect(s.pass(20_000).does).toEqual([]);
    expect(s.in({ is: 'broker', up: true }).does).toEqual(['offer s1', 'candidates s1']);
    s.in({ is: 'answer', session: 's1', sdp: 'a' }).in({ is: 'broker', up: false });
    expect(s.in({ is: 'broker', up: true }).does).toEqual(['candidates s1']);
  });

  it('does not listen to other sessions', () => {
    const s = new Scene().ready().to('asking');
    for (const input of [
      { is: 'answer', session: 'x', sdp: 'a' }, { is: 'end', session: 'x', reason: 'replaced', text: '' },
      { is: 'refused', re: 'offer', session: 'x', reason: 'full', text: '' }, { is: 'broken', session: 'x', text: '' },
      { is: 'peer', session: 'x', state: 'failed' }, { is: 'farewell', session: 'x' },
    ] as Input[]) s.in(input);
    expect(s.is).toBe('asking');
  });
});

describe('losses', () => {
  it('comes back at once the first time, then later and later, and calms down when it holds', () => {
    const s = new Scene().live();
    s.in({ is: 'peer', session: 's1', state: 'failed' });
    expect(s.does).toEqual(['bye s1', 'close s1', 'open s2']);
    s.to('connecting').in({ is: 'peer', session: 's2', state: 'failed' });
    expect(s.watch.state).toMatchObject({ is: 'pausing', until: s.now + 2000 });
    expect(s.pass(2000).does).toEqual(['open s3']);
    s.to('live').in({ is: 'picture', session: 's3' }).pass(10_500);
    expect(s.in({ is: 'peer', session: 's3', state: 'failed' }).does).toContain('open s4');
  });

  it('gives a shaky connection two seconds', () => {
    const s = new Scene().live().in({ is: 'peer', session: 's1', state: 'disconnected' }).pass(1750);
    expect(s.is).toBe('live');
    s.in({ is: 'peer', session: 's1', state: 'connected' }).pass(2000);
    expect(s.is).toBe('live');
    expect(s.in({ is: 'peer', session: 's1', state: 'disconnected' }).pass(2250).does).toEqual(['bye s1', 'close s1', 'open s2']);
    expect(new Scene().live().in({ is: 'peer', session: 's1', state: 'disconnected' }).in({ is: 'network' }).does).toContain('open s2');
  });

  it('misses media only while the camera says that there is some', () => {
    const quiet = (s: Scene): Scene => {
      for (let i = 0; i < 6; i++) s.in({ is: 'media', session: 's1', packets: 9, received: 3, decoded: 3 }).pass(1000);
      return s;
    };
    expect(quiet(new Scene().live()).watch.losses).toBe(1);
    const lost = new Scene().live().in({ is: 'source', session: 's1', source: { state: 'lost', text: 'unplugged' } });
    expect(quiet(quiet(lost)).watch.losses).toBe(0);
    lost.in({ is: 'source', session: 's1', source: { state: 'live', text: '' } });
    expect(lost.is).toBe('live'); // it has five seconds from now on
    expect(quiet(lost).watch.losses).toBe(1);
  });

  it('a session outlives the broker and an offline status', () => {
    const s = new Scene().live().in({ is: 'broker', up: false }).pass(60_000).presence(false);
    expect(s.is).toBe('live');
    s.in({ is: 'peer', session: 's1', state: 'failed' });
    expect(s.watch.state).toEqual({ is: 'waiting', for: 'broker' });
  });

  it('waits for a camera that is offline, and offers as soon as it has started again', () => {
    const s = new Scene().live().presence(false).in({ is: 'peer', session: 's1', state: 'failed' });
    expect(s.watch.state).toEqual({ is: 'waiting', for: 'online' });
    expect(s.pass(600_000).does).toEqual([]);
    expect(s.presence(true, 'b2').does).toEqual(['open s2']);
  });

  it('a new start of the camera ends the old session without waiting for its end', () => {
    expect(new Scene().live().presence(true, 'b2').does).toEqual(['close s1', 'open s2']);
  });

  it('asks nobody who went away', () => {
    const s = new Scene().ready().to('asking').presence(false);
    expect(s.does).toEqual(['close s1']);
    expect(s.watch.state).toEqual({ is: 'waiting', for: 'online' });
  });
});

describe('what the camera says', () => {
  it('shutdown: waits for the next start', () => {
    const s = new Scene().live().in({ is: 'end', session: 's1', reason: 'shutdown', text: '' });
    expect(s.watch.state).toMatchObject({ is: 'waiting', for: 'restart' });
    s.presence(false);
    expect(s.watch.state).toEqual({ is: 'waiting', for: 'online' });
    expect(s.presence(true, 'b2').does).toEqual(['open s2']);
  });
  it('shutdown of one that stays: asks again after half a minute', () => {
    const s = new Scene().live().in({ is: 'end', session: 's1', reason: 'shutdown', text: '' });
    expect(s.pass(29_000).does).toEqual([]);
    expect(s.pass(1500).does).toEqual(['open s2']);
  });
  it('replaced: only when asked, also when the farewell came first', () => {
    for (const first of [false, true]) {
      const s = new Scene().live();
      if (first) expect(s.in({ is: 'farewell', session: 's1' }).is).toBe('pausing');
      s.in({ is: 'end', session: 's1', reason: 'replaced', text: '' });
      expect(s.is).toBe('stopped');
      expect(s.pass(100_000).presence(true, 'b2').in({ is: 'network' }).does).toEqual([]);
      expect(s.in({ is: 'again' }).does).toEqual(['open s2']);
    }
  });
  it('a farewell alone: again after two seconds', () => {
    const s = new Scene().live().in({ is: 'farewell', session: 's1' });
    expect(s.pass(1750).does).toEqual([]);
    expect(s.pass(500).does).toEqual(['open s2']);
  });
  it('lost: at once; failed and unknown reasons: with backoff', () => {
    expect(new Scene().live().in({ is: 'end', session: 's1', reason: 'lost', text: '' }).does).toContain('open s2');
    for (const reason of ['failed', 'moon_phase']) {
      const s = new Scene().live().in({ is: 'end', session: 's1', reason, text: '' });
      expect(s.watch.state).toMatchObject({ is: 'pausing', until: 2000 });
    }
  });
  it('full and too_many: not before ten seconds, whatever the network says', () => {
    for (const reason of ['full', 'too_many']) {
      const s = new Scene().ready().to('asking').in({ is: 'refused', re: 'offer', session: 's1', reason, text: '' });
      expect(s.does).toEqual(['close s1']);
      expect(s.in({ is: 'network' }).pass(9750).does).toEqual([]);
      expect(s.pass(500).does).toEqual(['open s2']);
    }
  });
  it('a misunderstanding: stops until the camera has started anew', () => {
    for (const reason of ['bad_message', 'unknown_type', 'version', 'bad_sdp']) {
      const s = new Scene().ready().to('asking').in({ is: 'refused', re: 'offer', session: undefined, reason, text: '' });
      expect(s.is).toBe('stopped');
      expect(s.pass(100_000).does).toEqual([]);
      expect(s.presence(true, 'b2').does).toEqual(['open s2']);
    }
  });
  it('no_h264: stops', () => {
    const s = new Scene().ready().to('asking').in({ is: 'refused', re: 'offer', session: 's1', reason: 'no_h264', text: '' });
    expect(s.is).toBe('stopped');
    expect(s.presence(true, 'b2').does).toEqual([]);
  });
  it('unknown_stream: a new session at once, and no storm of them', () => {
    const s = new Scene().ready().to('asking').in({ is: 'refused', re: 'offer', session: 's1', reason: 'unknown_stream', text: '' });
    expect(s.does).toEqual(['bye s1', 'close s1', 'open s2']);
    s.to('asking').in({ is: 'refused', re: 'offer', session: 's2', reason: 'unknown_stream', text: '' });
    expect(s.does).toEqual(['bye s2', 'close s2']);
  });
  it('internal, session_in_use: with backoff and a new session', () => {
    for (const reason of ['internal', 'session_in_use']) {
      const s = new Scene().ready().to('asking').in({ is: 'refused', re: 'offer', session: 's1', reason, text: '' });
      expect(s.pass(2250).does).toEqual(['open s2']);
    }
  });
  it('a refused candidate or hello ends nothing', () => {
    const s = new Scene().ready().to('asking').in({ is: 'refused', re: 'candidate', session: 's1', reason: 'bad_message', text: '' })
      .in({ is: 'refused', re: 'hello', session: undefined, reason: 'version', text: '' });
    expect(s.is).toBe('asking');
  });
});

describe('the browser', () => {
  it('says so when pictures arrive and none is decoded', () => {
    const s = new Scene().ready().to('live');
    const did: string[] = [];
    for (let i = 1; i <= 6; i++) {
      did.push(...s.in({ is: 'media', session: 's1', packets: i * 50, received: i * 30, decoded: 0 }).does, ...s.pass(1000).does);
    }
    expect(did).toEqual(['key s1', 'bye s1', 'close s1']);
    expect(s.watch.state).toMatchObject({ is: 'stopped', why: { reason: 'undecodable' } });
  });
  it('sleeps when it is long out of sight, and wakes at once', () => {
    const s = new Scene().live().in({ is: 'hidden', hidden: true });
    for (let i = 0; i < 299; i++) s.in({ is: 'media', session: 's1', packets: i, received: i, decoded: i + 1 }).pass(1000);
    expect(s.is).toBe('live');
    for (let i = 300; i < 303; i++) s.in({ is: 'media', session: 's1', packets: i, received: i, decoded: i }).pass(1000);
    expect(s.is).toBe('asleep');
    expect(s.in({ is: 'hidden', hidden: false }).does).toEqual(['open s2']);
  });
  it('says bye when it leaves, and nothing afterwards', () => {
    const s = new Scene().live().in({ is: 'leave' });
    expect(s.does).toEqual(['bye s1', 'close s1']);
    expect(s.presence(true, 'b2').in({ is: 'again' }).in({ is: 'broker', up: true }).pass(100_000).does).toEqual([]);
  });
});

it('whatever happens: one session at a time, each closed once, and no offer without an open connection', () => {
  let seed = 7;
  const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
  for (let run = 0; run < 200; run++) {
    let ids = 0;
    const watch = new Watch({ random: () => random(1000) / 1000, id: () => `s${++ids}` });
    let open: string | undefined;
    let now = 0;
    const check = (effects: Effect[]): void => {
      for (const e of effects) {
        if (e.do === 'open') {
          expect(open).toBeUndefined();
          open = e.session;
        } else expect(e.session).toBe(open);
        if (e.do === 'close') open = undefined;
      }
      expect(watch.session).toBe(open);
    };
    for (let step = 0; step < 120; step++) {
      const session = random(5) ? `s${ids}` : `s${ids - 1}`;
      const inputs: Input[] = [
        { is: 'broker', up: random(3) > 0 }, { is: 'broker', up: true },
        { is: 'presence', online: [true, true, false, undefined][random(4)], boot: `b${random(2)}`, fresh: random(2) > 0 },
        { is: 'offered', session, sdp: 'o' }, { is: 'answer', session, sdp: 'a' }, { is: 'broken', session, text: '' },
        { is: 'end', session, reason: ['shutdown', 'replaced', 'lost', 'failed', 'x'][random(5)]!, text: '' },
        { is: 'refused', re: 'offer', session, reason: ['full', 'version', 'internal', 'no_h264'][random(4)]!, text: '' },
        { is: 'peer', session, state: (['connected', 'connected', 'disconnected', 'failed'] as const)[random(4)]! },
        { is: 'media', session, packets: random(9), received: random(9), decoded: random(2) },
        { is: 'picture', session }, { is: 'farewell', session }, { is: 'network' }, { is: 'again' },
        { is: 'source', session, source: { state: random(2) ? 'live' : 'lost', text: '' } },
        { is: 'hidden', hidden: random(4) === 0 },
      ];
      check(watch.handle(inputs[random(inputs.length)]!, now));
      now += random(3000);
      check(watch.poll(now));
    }
    check(watch.handle({ is: 'leave' }, now));
    expect(open).toBeUndefined();
  }
});
