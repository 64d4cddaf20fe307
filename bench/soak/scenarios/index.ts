import type { Scenario } from '../scenario.ts';
import { programs } from './programs.ts';
import { training } from './training.ts';

export const scenarios: readonly Scenario[] = [...training, ...programs];
