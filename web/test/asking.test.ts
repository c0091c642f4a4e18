import { expect, it } from 'vitest';
import { Asking } from '../src/asking';
import { Talk } from '../src/line';
import { viewers, type FromCamera, type Request } from '../src/signal/message';

/** What was opened, closed and answered, with a clock of its own. */
function scene() {
  const open: Talk[] = [];
  const closed: Talk[] = [];
  let there = true;
  const asking = new Asking((r: Request) => {
    if (!there) return undefined;
    const talk = new Talk(r);
    open.push(talk);
    return talk;
  }, (talk) => closed.push(talk));
  const ask = (now: number): { outcome: Promise<string> } => ({ outcome: asking.ask(viewers(), now).then((m: FromCamera) => m.type, (e: Error) => e.message) });
  return { asking, open, closed, ask, away: (is: boolean) => { there = !is; } };
}

it('a question is repeated until its answer comes, and each of its exchanges is closed then', async () => {
  const s = scene();
  const { outcome } = s.ask(0);
  const at = [0, 500, 1500, 2000, 5500, 6000].filter((now) => { const n = s.open.length; s.asking.poll(now); return s.open.length > n; });
  expect([s.open.length, at]).toEqual([3, [2000, 6000]]);
  const stranger = new Talk(viewers());
  expect(s.asking.answered({ type: 'viewers', viewers: [] }, stranger)).toBe(false);
  expect(s.asking.answered({ type: 'viewers', viewers: [] }, s.open[1]!)).toBe(true);
  expect(await outcome).toBe('viewers');
  expect(s.closed).toEqual(s.open);
  s.asking.poll(9000);
  expect(s.open).toHaveLength(3);
});

it('it is given up, refused, or waits for a broker', async () => {
  const s = scene();
  s.away(true);
  const first = s.ask(0);
  s.asking.poll(3000);
  expect(s.open).toHaveLength(0);
  s.away(false);
  s.asking.poll(3500);
  expect(s.open).toHaveLength(1);
  s.asking.poll(10_500);
  expect(await first.outcome).toBe('The camera does not answer.');
  const second = s.ask(20_000);
  s.asking.answered({ type: 'refused', re: 'viewers', reason: 'not_allowed', text: 'Only admins may.' }, s.open.at(-1)!);
  expect(await second.outcome).toBe('Only admins may.');
  const third = s.ask(30_000);
  expect(s.asking.refused('busy', s.open.at(-1)!)).toBe(true);
  expect(s.asking.refused('revoked', s.open.at(-1)!)).toBe(true);
  expect(await third.outcome).toContain('does not know this browser');
});
