import type { Scenario } from '../scenario.ts';
import { training } from './training.ts';

export const scenarios: readonly Scenario[] = [...training];
