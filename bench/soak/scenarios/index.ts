import type { Scenario } from '../scenario.ts';
import { dropped } from './dropped.ts';
import { graphs } from './graphs.ts';
import { inPlace } from './in-place.ts';
import { operands } from './operands.ts';
import { programs } from './programs.ts';
import { shapes } from './shapes.ts';
import { smallCaches } from './small-caches.ts';
import { threads } from './threads.ts';
import { throwing } from './throwing.ts';
import { training } from './training.ts';

export const scenarios: readonly Scenario[] = [
  ...training,
  throwing,
  ...programs,
  inPlace,
  operands,
  ...dropped,
  ...shapes,
  graphs,
  smallCaches,
  threads,
];
