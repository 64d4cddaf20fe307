/** Who is told of deaths, and what is held for it meanwhile: V8 keeps registrations of the dead until a program yields. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Body, type Owner } from '../../src/backends/wasm/body.ts';
import { clock } from '../../src/backends/wasm/clock.ts';
import { Deaths } from '../../src/backends/wasm/deaths.ts';
import { LISTED, list } from '../../src/backends/wasm/living.ts';

class Holder implements Owner {
  readonly body: Body;

  constructor(body: Body) {
    this.body = body;
  }

  [LISTED](): unknown {
    return list(this);
  }
}

/** So large that it does not wait for others before it is settled. */
const GRANULES = 2 ** 16;

function world() {
  const dead: Body[] = [];
  const deaths = new Deaths((body) => void dead.push(body));
  // Finds out what the host tells.
  deaths.reap(true);
  const register = vi.spyOn(FinalizationRegistry.prototype, 'register');
  const unregister = vi.spyOn(FinalizationRegistry.prototype, 'unregister');
  const expected = (): Holder => {
    const body = new Body(-1);
    body.used = GRANULES;
    const owner = new Holder(body);
    deaths.expect(body, owner);
    return owner;
  };
  const forget = (body: Body): void => {
    deaths.follow(body);
    body.forgotten = true;
  };
  return { dead, deaths, register, unregister, expected, forget };
}

afterEach(() => vi.restoreAllMocks());

describe('an owner that was seen alive twice', () => {
  it('is registered where its body is in place', () => {
    const { deaths, register, expected } = world();
    const owner = expected();
    deaths.reap(true);
    expect(register).not.toHaveBeenCalled();
    deaths.reap(true);
    expect(register.mock.calls.map(([target]) => target)).toEqual([owner]);
  });

  it('is not where it is forgotten', () => {
    const { deaths, register, expected, forget } = world();
    const owner = expected();
    forget(owner.body);
    for (let i = 0; i < 4; i++) deaths.reap(true);
    expect(register).not.toHaveBeenCalled();
    expect(owner.body.ticket).toBeNull();
  });

  it('is no longer when it is forgotten', () => {
    const { deaths, register, unregister, expected, forget } = world();
    const owner = expected();
    deaths.reap(true);
    deaths.reap(true);
    expect(register).toHaveBeenCalledTimes(1);
    forget(owner.body);
    expect(unregister.mock.results.map(({ value }) => value as boolean)).toEqual([true]);
    expect(owner.body.ticket).toBeNull();
  });
});

it('a body that was forgotten while its owner was young is given back when that has died', () => {
  const { dead, deaths, expected, forget } = world();
  const bodyOf = (): Body => {
    const { body } = expected();
    forget(body);
    return body;
  };
  const kept = expected();
  forget(kept.body);
  const body = bodyOf();
  deaths.reap(true);
  deaths.reap(true);
  expect(dead).toEqual([body]);
});

it('of the last launch is noticed where a program yields, though no launch follows', async () => {
  const { dead, deaths, expected } = world();
  const bodyOf = (): Body => {
    const { body } = expected();
    body.stamp = clock;
    return body;
  };
  const body = bodyOf();
  deaths.reap(true);
  expect(dead).toEqual([]);
  const collect = (globalThis as { gc?: () => void }).gc;
  for (let i = 0; i < 20 && dead.length === 0; i++) {
    collect?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(dead).toEqual([body]);
});
