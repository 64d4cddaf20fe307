/** The modules of GradBench, by name. */
import { ba } from './ba.ts';
import { det } from './det.ts';
import type { Module } from './eval.ts';
import { gmm } from './gmm.ts';
import { hello, warm } from './hello.ts';
import { ht } from './ht.ts';
import { kmeans } from './kmeans.ts';
import { llsq } from './llsq.ts';
import { lse } from './lse.ts';
import { lstm } from './lstm.ts';
import { ode } from './ode.ts';
import { particle } from './particle.ts';
import { saddle } from './saddle.ts';

export const modules: ReadonlyMap<string, Module> = new Map(
  Object.entries({ ba, det, gmm, hello, ht, kmeans, llsq, lse, lstm, ode, particle, saddle }),
);

/** What is done when a module is defined. */
export const preparations: ReadonlyMap<string, () => void> = new Map([['hello', warm]]);
