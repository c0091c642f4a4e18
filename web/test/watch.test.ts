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
    s.in({ is: 'peer', session: 's1', state: 'closed' });
    expect(s.does).toEqual(['bye s1', 'close s1', 'open s2']);
    s.to('connecting').in({ is: 'peer', session: 's2', state: 'failed' }).pass(2000);
    expect(s.watch.state).toMatchObject({ is: 'pausing', until: s.now + 2000 });
    expect(s.pass(2000).does).toEqual(['open s3']);
    s.to('live').in({ is: 'picture', session: 's3' }).pass(10_500);
    expect(s.in({ is: 'peer', session: 's3', state: 'closed' }).does).toContain('open s4');
  });

  it('waits a little for more candidates when the first came to nothing', () => {
    const s = new Scene().ready().to('connecting').in({ is: 'peer', session: 's1', state: 'failed' }).pass(1500);
    expect(s.is).toBe('connecting');
    s.in({ is: 'peer', session: 's1', state: 'connecting' }).pass(3000);
    expect(s.is).toBe('connecting');
    expect(s.in({ is: 'peer', session: 's1', state: 'connected' }).is).toBe('live');
  });

  it('gives up what does not connect in time, and begins anew when the network is another', () => {
    const s = new Scene().ready().to('connecting').pass(11_250);
    expect(s.does).toEqual(['bye s1', 'close s1', 'open s2']);
    s.to('connecting');
    expect(s.in({ is: 'network' }).does).toEqual(['bye s2', 'close s2']);
    expect(s.in({ is: 'network' }).does).toEqual(['open s3']);
  });

  it('misses media only while the camera says that there is some', () => {
    const quiet = (s: Scene): Scene => {
      for (let i = 0; i < 6; i++) s.in({ is: 'media', session: 's1', packets: 9, received: 3, decoded: 3 }).pass(1000);
      return s;
    };
    const s = quiet(new Scene().live());
    expect([s.watch.restarts, s.watch.losses]).toEqual([1, 0]);
    const lost = new Scene().live().in({ is: 'source', session: 's1', source: { state: 'lost', text: 'unplugged' } });
    expect(quiet(quiet(lost)).watch.losses).toBe(0);
    lost.in({ is: 'source', session: 's1', source: { state: 'live', text: '' } });
    expect([lost.is, lost.watch.restarts]).toEqual(['live', 0]); // it has time from now on
    expect(quiet(lost).watch.restarts).toBe(1);
  });

  it('a session outlives the broker and an offline status', () => {
    const s = new Scene().live().in({ is: 'broker', up: false }).pass(60_000).presence(false);
    expect(s.is).toBe('live');
    s.in({ is: 'peer', session: 's1', state: 'failed' });
    expect(s.does).toEqual(['restart s1']);
    expect(s.pass(28_250).watch.state).toEqual({ is: 'waiting', for: 'broker' });
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

describe('mending', () => {
  const s1 = { session: 's1' };
  /** A restart that has come so far. */
  const mending = (s: Scene, to: 'making' | 'asking' | 'answered', restart = 1): Scene => {
    if (to === 'making') return s;
    s.in({ is: 'offered', ...s1, restart, sdp: 'o2' });
    return to === 'asking' ? s : s.in({ is: 'answer', ...s1, restart, sdp: 'a2' });
  };

  it('restarts ICE in the same session, and is done when something comes by the new way', () => {
    const s = new Scene().live().in({ is: 'network' });
    expect(s.effects).toEqual([{ do: 'restart', session: 's1', restart: 1 }]);
    expect(s.in({ is: 'offered', ...s1, restart: 1, sdp: 'o2' }).effects)
      .toEqual([{ do: 'offer', session: 's1', restart: 1, sdp: 'o2' }, { do: 'candidates', session: 's1' }]);
    expect(s.in({ is: 'answer', ...s1, sdp: 'old' }).effects).toEqual([]);
    expect(s.in({ is: 'answer', ...s1, restart: 1, sdp: 'a2' }).effects).toEqual([{ do: 'answer', session: 's1', sdp: 'a2' }]);
    expect(s.watch.state).toMatchObject({ is: 'live', mend: { step: 'answered' } });
    s.in({ is: 'media', ...s1, packets: 10, received: 1, decoded: 1 });
    expect(s.watch.state).not.toHaveProperty('mend');
    expect([s.watch.sessions, s.watch.losses, s.watch.restarts]).toEqual([1, 0, 1]);
  });

  it('begins when the network changes, the camera asks, the way is shaky, silent or broken, or the page has slept', () => {
    const after = (go: (s: Scene) => void): string[] => {
      const s = new Scene().live();
      const did: string[] = [];
      const take = (effects: Effect[]): void => void did.push(...effects.map((e) => e.do));
      go(Object.assign(s, { in(input: Input) { take(s.watch.handle(input, s.now)); return s; } }));
      for (let i = 0; i < 8; i++) {
        s.now += 250;
        take(s.watch.poll(s.now));
      }
      return did;
    };
    const media = { is: 'media', ...s1, packets: 9, received: 3, decoded: 3 } as const;
    expect(after(() => {})).toEqual([]);
    expect(after((s) => s.in({ is: 'restart', ...s1 }))).toEqual(['restart']);
    expect(after((s) => s.in({ is: 'restart', session: 's9' }))).toEqual([]);
    expect(after((s) => s.in({ is: 'peer', ...s1, state: 'disconnected' }))).toEqual(['restart']);
    expect(after((s) => s.in({ is: 'peer', ...s1, state: 'disconnected' }).in({ is: 'peer', ...s1, state: 'connected' }))).toEqual([]);
    expect(after((s) => s.in({ is: 'peer', ...s1, state: 'failed' }))).toEqual(['restart']);
    expect(after((s) => {
      s.in(media);
      s.now += 1500;
      s.in(media).in(media);
    })).toEqual(['restart']);
    expect(after((s) => { s.now += 40_000; })).toEqual(['restart']);
    expect(after((s) => s.in({ is: 'network' }).in({ is: 'restart', ...s1 }).in({ is: 'network' }))).toEqual(['restart']);
  });

  it('asks again after 1, 2, 4 s', () => {
    const s = mending(new Scene().live().in({ is: 'network' }), 'asking');
    const at: number[] = [];
    while (s.now < 10_000) if (s.pass(250).effects.some((e) => e.do === 'offer')) at.push(s.now);
    expect(at).toEqual([1000, 3000, 7000]);
  });

  it('says it again when the broker is back at once, and looks for ways anew when that took longer', () => {
    const s = mending(new Scene().live().in({ is: 'network' }), 'asking').in({ is: 'broker', up: false }).pass(750);
    expect(s.in({ is: 'broker', up: true }).does).toEqual(['offer s1', 'candidates s1']);
    for (const step of ['asking', 'answered'] as const) {
      const s = mending(new Scene().live().in({ is: 'network' }), step).in({ is: 'broker', up: false });
      expect(s.pass(10_000).does).toEqual([]);
      expect(s.in({ is: 'broker', up: true }).does).toEqual(['restart s1']);
    }
  });

  it('tries other restarts while none finds a way, then a new session', () => {
    const s = mending(new Scene().live().in({ is: 'peer', ...s1, state: 'failed' }), 'answered');
    expect(s.pass(8250).does).toEqual(['restart s1']);
    mending(s, 'answered', 2);
    expect(s.in({ is: 'media', ...s1, packets: 10, received: 1, decoded: 1 }).watch.state).toHaveProperty('mend');
    expect(s.pass(21_000).does).toEqual(['restart s1', 'restart s1', 'bye s1', 'close s1', 'open s2']);
  });

  it('a new way by which no picture comes is given up sooner', () => {
    const s = mending(new Scene().live().in({ is: 'network' }), 'answered');
    for (let i = 0; i < 6; i++) s.in({ is: 'media', ...s1, packets: -1, received: -1, decoded: 1 }).pass(1000);
    expect(s.watch.losses).toBe(1);
  });

  it('the control channel will do where the camera has no picture', () => {
    const s = mending(new Scene().live().in({ is: 'source', ...s1, source: { state: 'lost', text: '' } }).in({ is: 'restart', ...s1 }), 'answered');
    const media = { is: 'media', ...s1, packets: 0, received: 0, decoded: 0 } as const;
    s.in(media).in({ ...media, alive: 3 });
    expect(s.watch.state).not.toHaveProperty('mend');
  });

  it('a session that the camera has ended is followed by a new one at once', () => {
    for (const reason of ['no_session', 'bad_sdp', 'session_in_use', 'internal']) {
      const s = mending(new Scene().live().in({ is: 'network' }), 'asking');
      expect(s.in({ is: 'refused', re: 'offer', ...s1, reason, text: '' }).does).toEqual(['bye s1', 'close s1', 'open s2']);
    }
    const patient = mending(new Scene().live().in({ is: 'network' }), 'asking');
    expect(patient.in({ is: 'refused', re: 'offer', ...s1, reason: 'too_many', text: '' }).pass(9750).does).toEqual([]);
    expect(patient.pass(250).does).toEqual(['offer s1', 'candidates s1']);
  });

  it('does not wait for a camera that is known to be away', () => {
    const s = mending(new Scene().live().in({ is: 'peer', ...s1, state: 'failed' }), 'asking').presence(false);
    expect(s.watch.state).toEqual({ is: 'waiting', for: 'online' });
    // ... but a picture that still comes is worth more than what the broker says.
    expect(mending(new Scene().live().in({ is: 'network' }), 'asking').presence(false).watch.state).not.toHaveProperty('mend');
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
        { is: 'picture', session }, { is: 'farewell', session }, { is: 'network' }, { is: 'restart', session },
        { is: 'offered', session, restart: watch.restarts, sdp: 'o' }, { is: 'answer', session, restart: watch.restarts, sdp: 'a' }, { is: 'again' },
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

describe('who may not look', () => {
  it('is told, and does not ask again by itself', () => {
    for (const reason of ['not_paired', 'revoked', 'expired', 'clock']) {
      const s = new Scene().ready().to('asking').in({ is: 'refused', re: 'offer', session: 's1', reason, text: '' });
      expect(s.watch.state).toEqual({ is: 'stopped', why: { reason, text: '' } });
      expect(s.pass(120_000).does).toEqual([]);
    }
    const s = new Scene().live().in({ is: 'end', session: 's1', reason: 'revoked', text: 'x' });
    expect(s.watch.state).toEqual({ is: 'stopped', why: { reason: 'revoked', text: 'x' } });
    expect(s.presence(true).does, 'what others are told').toEqual([]);
    expect(s.presence(undefined).presence(true).does, 'it is known again').toEqual(['open s2']);
  });
  it('and nothing is shown by a channel that is not bound', () => {
    const s = new Scene().ready().to('live').in({ is: 'unbound', session: 's1' });
    expect(s.watch.state).toEqual({ is: 'stopped', why: { reason: 'binding', text: '' } });
    expect(s.does).toEqual(['bye s1', 'close s1']);
  });
  it('seals anew what came too late, once a second', () => {
    const s = new Scene().ready().to('asking');
    for (let n = 0; n < 3; n++) {
      expect(s.in({ is: 'refused', re: 'offer', session: 's1', reason: 'stale', text: '' }).does).toEqual([]);
      expect(s.pass(750).does).toEqual([]);
      expect(s.pass(250).does).toEqual(['offer s1', 'candidates s1']);
    }
    s.in({ is: 'refused', re: 'offer', session: 's1', reason: 'busy', text: '' });
    expect(s.pass(9750).does).toEqual([]);
    expect(s.pass(250).does).toEqual(['offer s1', 'candidates s1']);
  });
});
