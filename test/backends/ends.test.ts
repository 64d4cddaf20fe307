/** What happens to queued work when a program ends. */
import { afterEach, expect, it, vi } from 'vitest';
import { beforeTheEnd } from '../../src/backends/wasm/threads/start.ts';

afterEach(() => vi.unstubAllGlobals());

/** The events whose listeners are asked for. */
function heard(): Map<string, () => void> {
  const listeners = new Map<string, () => void>();
  vi.stubGlobal('addEventListener', (event: string, listener: () => void) => listeners.set(event, listener));
  return listeners;
}

it('Deno waits for it however a program ends, as it would take the memory from under a worker', () => {
  const listeners = heard();
  vi.stubGlobal('Deno', {});
  let joined = 0;
  beforeTheEnd(() => void joined++);
  expect([...listeners.keys()].sort()).toEqual(['error', 'unhandledrejection', 'unload']);
  for (const listener of listeners.values()) listener();
  expect(joined).toBe(3);
});

it('other hosts are left alone: a page with such a listener could not be kept for going back to it', () => {
  const listeners = heard();
  beforeTheEnd(() => undefined);
  expect(listeners.size).toBe(0);
});
