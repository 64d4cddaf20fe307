import type { Case } from '../case.ts';
import { elementwise } from './elementwise.ts';
import { fused } from './fused.ts';
import { images } from './images.ts';
import { matmul } from './matmul.ts';
import { overhead } from './overhead.ts';
import { roofline } from './roofline.ts';
import { sizes } from './sizes.ts';
import { training } from './training.ts';

export const cases: readonly Case[] = [
  ...overhead,
  ...elementwise,
  ...sizes,
  ...fused,
  ...roofline,
  ...matmul,
  ...images,
  ...training,
];
