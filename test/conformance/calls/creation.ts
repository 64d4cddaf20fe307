import type { Tensor } from 'nabla';
import * as nabla from 'nabla';
import {
  type Calls,
  type Creation,
  creation,
  dense,
  type HasDType,
  type Layout,
  type Operand,
  type Self,
  type Signatures,
  without,
} from './arguments.ts';

const CREATION = '*, ScalarType? dtype=None, Device? device=None, bool requires_grad=False';
const CONVERSION = '(Tensor self, *, MemoryFormat? memory_format=None)';

export const creations: Calls = {
  // ── copies and conversions ──
  'torch.clone': (a: Self & Layout) => dense(a).clone(),
  'Tensor.contiguous': (a: Self & Layout) => dense(a).contiguous(),
  'Tensor.float': (a: Self & Layout) => dense(a).float(),
  'Tensor.double': (a: Self & Layout) => dense(a).double(),
  'Tensor.int': (a: Self & Layout) => dense(a).int(),
  'Tensor.bool': (a: Self & Layout) => dense(a).bool(),
  'Tensor.to': (a: Self & Layout & HasDType & { other?: Tensor; device?: string; copy?: boolean }) => {
    without('device', a.device, 'cpu');
    const format = a.memory_format === 'channels_last' ? ({ memoryFormat: 'channelsLast' } as const) : {};
    return a.self.to(a.dtype ?? a.other ?? a.self.dtype, { copy: a.copy, ...format });
  },
  'torch.fill': ({ self, value }: Self & { readonly value: Operand }) => self.clone().fill_(value),

  // ── creation ──
  'torch.zeros': ({ size, ...options }: { size: readonly number[] } & Creation) => nabla.zeros(size, creation(options)),
  'torch.ones': ({ size, ...options }: { size: readonly number[] } & Creation) => nabla.ones(size, creation(options)),
  'torch.full': ({
    size,
    fill_value,
    ...options
  }: { size: readonly number[]; fill_value: number | boolean } & Creation) =>
    nabla.full(size, fill_value, creation(options)),
  'torch.arange': ({ start, end, step, ...options }: { start?: number; end: number; step?: number } & Creation) => {
    const chosen = creation(options);
    if (start === undefined) return nabla.arange(end, chosen);
    return step === undefined ? nabla.arange(start, end, chosen) : nabla.arange(start, end, step, chosen);
  },
  'torch.linspace': ({ start, end, steps, ...options }: { start: number; end: number; steps: number } & Creation) =>
    nabla.linspace(start, end, steps, creation(options)),
  'torch.eye': ({ n, m, ...options }: { n: number; m?: number } & Creation) => nabla.eye(n, m, creation(options)),
  'torch.zeros_like': ({ self, ...options }: Self & Creation) => nabla.zerosLike(self, creation(options)),
  'torch.ones_like': ({ self, ...options }: Self & Creation) => nabla.onesLike(self, creation(options)),
  'torch.full_like': ({ self, fill_value, ...options }: Self & { fill_value: number | boolean } & Creation) =>
    nabla.fullLike(self, fill_value, creation(options)),
};

export const creationsSignatures: Signatures = {
  'Tensor.float': [`float${CONVERSION}`],
  'Tensor.double': [`double${CONVERSION}`],
  'Tensor.int': [`int${CONVERSION}`],
  'Tensor.bool': [`bool${CONVERSION}`],
  'torch.zeros': [`zeros(int[] size, ${CREATION})`],
  'torch.ones': [`ones(int[] size, ${CREATION})`],
  'torch.full': [`full(int[] size, Any fill_value, ${CREATION})`],
  'torch.arange': [`arange(Scalar end, ${CREATION})`, `arange(Scalar start, Scalar end, Scalar step=1, ${CREATION})`],
  'torch.linspace': [`linspace(Scalar start, Scalar end, int steps, ${CREATION})`],
  'torch.eye': [`eye(int n, int? m=None, ${CREATION})`],
  'torch.zeros_like': [`zeros_like(Tensor self, ${CREATION})`],
  'torch.ones_like': [`ones_like(Tensor self, ${CREATION})`],
  'torch.full_like': [`full_like(Tensor self, Any fill_value, ${CREATION})`],
};
