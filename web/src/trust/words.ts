/** A key in six words, for people to compare. The list is BIP-39's English one: 2048 words, told apart by four letters. */
import list from '../../../src/trust/words.txt?raw';
import { join, utf8, type Bytes } from './bytes';
import { sha256 } from './crypto';

const WORDS = list.trim().split('\n');
const COUNT = 6;
const BITS = 11;

export async function words(point: Bytes): Promise<string> {
  const digest = await sha256(join(utf8('lunette/1 words'), Uint8Array.of(0), point));
  const said: string[] = [];
  for (let i = 0; i < COUNT; i++) {
    let n = 0;
    for (let bit = i * BITS; bit < (i + 1) * BITS; bit++) n = (n << 1) | (((digest[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);
    said.push(WORDS[n] ?? '');
  }
  return said.join(' ');
}
