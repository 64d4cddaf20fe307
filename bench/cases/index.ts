import type { Case } from '../case.ts';
import { elementwise } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { overhead } from './overhead.ts';
import { roofline } from './roofline.ts';

export const cases: readonly Case[] = [...overhead, ...elementwise, ...roofline, ...matmul];
