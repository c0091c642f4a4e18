/**
 * The time stamp that the test card burns into its picture. Pure.
 *
 * 40 cells of equal width over the whole picture width, in the top 32 rows (16 in pictures less than 480 high):
 * cells 0, 1 = white, black; 2..33 = Unix ms mod 2^32, most significant bit first, white = 1; 34..37 = xor of its
 * 8 nibbles; 38, 39 = white, black.
 */
const CELLS = 40;

/** The row to read: the middle of the strip. */
export function stampRow(height: number): number {
  return height >= 480 ? 16 : 8;
}

/** `luma(i)` gives the brightness, 0..255, in the middle of cell i. The stamp, or undefined when there is no sound one. */
export function decodeStamp(luma: (cell: number) => number): number | undefined {
  const c = Array.from({ length: CELLS }, (_, i) => luma(i));
  const at = (i: number): number => c[i] ?? 0;
  const white = (at(0) + at(38)) / 2;
  const black = (at(1) + at(39)) / 2;
  if (!(white - black >= 60)) return undefined;
  const middle = (white + black) / 2;
  const bits = (from: number, count: number): number => {
    let v = 0;
    for (let i = from; i < from + count; i++) v = v * 2 + (at(i) > middle ? 1 : 0);
    return v;
  };
  const stamp = bits(2, 32);
  let check = 0;
  for (let i = 0; i < 8; i++) check ^= Math.floor(stamp / 16 ** i) & 15;
  return check === bits(34, 4) ? stamp : undefined;
}

/** Reads one row of samples that lie `step` bytes apart. */
export function decodeRow(row: Uint8Array | Uint8ClampedArray, width: number, offset = 0, step = 1): number | undefined {
  const cell = width / CELLS;
  return decodeStamp((i) => row[offset + step * Math.floor(cell * (i + 0.5))] ?? 0);
}

/** Ms from the stamp to `wall` (Unix ms), the short way round mod 2^32. */
export function sinceStamp(stamp: number, wall: number): number {
  let d = (wall % 2 ** 32) - stamp;
  if (d < -(2 ** 31)) d += 2 ** 32;
  if (d > 2 ** 31) d -= 2 ** 32;
  return d;
}
