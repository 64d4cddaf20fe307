import { describe, expect, it } from 'vitest';
import { KIND_BITS, Kinds } from '../../src/backends/wasm/kinds.ts';

describe('kinds of results', () => {
  it('are kept from the first that was missed on, each for itself', () => {
    const kinds = new Kinds();
    const last = 2 ** KIND_BITS - 1;
    expect(kinds.isKept(last)).toBe(false);
    kinds.used(last);
    expect(kinds.isKept(last)).toBe(true);
    expect(kinds.isKept(last - 1)).toBe(false);
  });

  it('are kept no more when enough of them in a row have been of no use', () => {
    const kinds = new Kinds();
    kinds.unused(5);
    kinds.used(5);
    for (let i = 0; i < 10; i++) kinds.unused(5);
    expect(kinds.isKept(5)).toBe(true);
    kinds.used(5);
    for (let i = 0; i < 10; i++) kinds.unused(5);
    expect(kinds.isKept(5)).toBe(true);
    for (let i = 0; i < 10; i++) kinds.unused(5);
    expect(kinds.isKept(5)).toBe(false);
  });
});
