import { expect, it } from 'vitest';
import { clear } from '../../src/backends/wasm/clear.ts';
import { scratch, u8 } from '../../src/backends/wasm/heap.ts';
import { beginLaunch } from '../../src/backends/wasm/launch.ts';

it('clears the bytes it is given and no others', () => {
  beginLaunch();
  const room = scratch(4096);
  for (const bytes of [0, 1, 15, 16, 17, 64, 511, 512, 513, 3001]) {
    for (const offset of [0, 1, 7, 64]) {
      u8().fill(0xab, room, room + 4096);
      clear(room + 100 + offset, bytes);
      const expected = new Uint8Array(4096).fill(0xab).fill(0, 100 + offset, 100 + offset + bytes);
      expect(Buffer.compare(u8().slice(room, room + 4096), expected)).toBe(0);
    }
  }
});
