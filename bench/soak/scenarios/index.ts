import type { Scenario } from '../scenario.ts';
import { dropped } from './dropped.ts';
import { inPlace } from './in-place.ts';
import { programs } from './programs.ts';
import { training } from './training.ts';

export const scenarios: readonly Scenario[] = [...training, ...programs, inPlace, ...dropped];
