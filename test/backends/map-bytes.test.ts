import { expect, it } from 'vitest';
import { scratch, u8 } from '../../src/backends/wasm/heap.ts';
import { beginLaunch } from '../../src/backends/wasm/launch.ts';
import { byteTruths } from '../../src/backends/wasm/map-bytes.ts';
import { orders } from '../support/orders.ts';

it('makes truths of the bytes it is given and touches no others', () => {
  beginLaunch();
  const room = scratch(4096);
  const bytesAt = (i: number): number => [0, 1, 2, 127, 128, 255][(i * i) % 6]!;
  for (const bytes of [0, 1, 15, 16, 17, 64, 511, 1000]) {
    for (const offset of [0, 1, 7]) {
      u8().fill(0xab, room, room + 4096);
      for (let i = 0; i < bytes; i++) u8()[room + i] = bytesAt(i);
      byteTruths()(bytes, room + 2048 + offset, room);
      const expected = new Uint8Array(2048).fill(0xab);
      for (let i = 0; i < bytes; i++) expected[offset + i] = bytesAt(i) === 0 ? 0 : 1;
      expect(Buffer.compare(u8().slice(room + 2048, room + 4096), expected)).toBe(0);
    }
  }
});

it('joins the truths of two rows of bytes', () => {
  beginLaunch();
  const room = scratch(4096);
  const joined = {
    and: (a: number, b: number) => a & b,
    or: (a: number, b: number) => a | b,
    xor: (a: number, b: number) => a ^ b,
  };
  for (const [op, expectation] of Object.entries(joined) as ['and', (a: number, b: number) => number][]) {
    for (const bytes of [0, 1, 15, 16, 17, 64, 511]) {
      u8().fill(0xab, room, room + 4096);
      const a = Uint8Array.from({ length: bytes }, (_, i) => [0, 1, 2, 255][i % 4]!);
      const b = Uint8Array.from({ length: bytes }, (_, i) => [0, 4, 128][i % 3]!);
      u8().set(a, room + 1);
      u8().set(b, room + 1024);
      byteTruths(op)(bytes, room + 2055, room + 1, room + 1024);
      const expected = new Uint8Array(2048).fill(0xab);
      for (let i = 0; i < bytes; i++) expected[7 + i] = expectation(a[i] ? 1 : 0, b[i] ? 1 : 0);
      expect(Buffer.compare(u8().slice(room + 2048, room + 4096), expected)).toBe(0);
    }
  }
});

it('compares every byte with every other', () => {
  beginLaunch();
  const bytes = 2 ** 16 + 13;
  const room = scratch(3 * bytes);
  const a = Uint8Array.from({ length: bytes }, (_, i) => i);
  const b = Uint8Array.from({ length: bytes }, (_, i) => i >> 8);
  u8().set(a, room);
  u8().set(b, room + bytes);
  for (const [op, expectation] of Object.entries(orders) as ['eq', (typeof orders)['eq']][]) {
    byteTruths(op)(bytes, room + 2 * bytes, room, room + bytes);
    const expected = a.map((x, i) => Number(expectation(x, b[i]!)));
    expect(Buffer.compare(u8().slice(room + 2 * bytes, room + 3 * bytes), expected), op).toBe(0);
  }
});
