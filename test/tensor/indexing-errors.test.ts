import {
  ArgumentError,
  type DType,
  DTypeError,
  functional as F,
  hstack,
  IndexError,
  meshgrid,
  type NablaError,
  NotImplementedError,
  ShapeError,
  segmentReduce,
  slice,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { describe, it } from 'vitest';
import { expectError } from '../support/close.ts';

/* What may be wrong with an index, a mask, and what is rearranged, in PyTorch's words where it has some. */

/** Zeros whose shape the compiler does not know, so that it lets wrong calls through. */
const z = (shape: readonly number[], dtype: DType = 'float32'): Tensor => zeros(shape, { dtype });
const index = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' });
/** An argument of a type that the compiler would refuse. */
const wrong = (x: unknown): never => x as never;

type Case = readonly [what: string, call: () => unknown, type: typeof NablaError, message: string | RegExp];

const groups: Readonly<Record<string, readonly Case[]>> = {
  'what stands in brackets': [
    ['too many', () => z([2, 3]).at(0, 0, 0), IndexError, 'too many indices for tensor of dimension 2'],
    [
      'too many, with a mask',
      () => z([2]).at(z([2, 3]).eq(0)),
      IndexError,
      'too many indices for tensor of dimension 1',
    ],
    [
      'a number too large',
      () => z([2, 3]).at(0, 3),
      IndexError,
      'index 3 is out of bounds for dimension 1 with size 3',
    ],
    ['a number too small', () => z([2, 3]).at(-3), IndexError, 'index -3 is out of bounds for dimension 0 with size 2'],
    ['of a scalar', () => z([]).at(0), IndexError, 'invalid index of a 0-dim tensor. Use `tensor.item()`'],
    ['two ellipses', () => z([2, 3]).at('...', '...'), IndexError, "an index can only have a single ellipsis ('...')"],
    ['a fraction', () => z([2]).at(0.5), IndexError, 'only integers, slices (`:`), ellipsis (`...`), None and long'],
    ['a fraction in a list', () => z([2]).at([0, 0.5]), IndexError, 'valid indices (got float 0.5)'],
    ['text', () => z([2]).at(wrong('x')), IndexError, "valid indices (got 'x')"],
    ['undefined', () => z([2]).at(wrong(undefined)), IndexError, 'valid indices (got undefined)'],
    ['a ragged list', () => z([2]).at(wrong([[0, 1], [0]])), ArgumentError, 'rows of an index must have one length'],
    [
      'a step backwards',
      () => z([4]).at(slice(3, 0, -1)),
      ArgumentError,
      'step must be greater than zero, got -1; flip',
    ],
    ['a step of nothing', () => z([4]).at(slice(0, 3, 0)), ArgumentError, 'step must be greater than zero'],
    ['a fraction in a slice', () => slice(0.5), ArgumentError, 'slice indices must be integers or null, got 0.5'],
    [
      'floats',
      () => z([2]).at(z([2])),
      DTypeError,
      'tensors used as indices must be long, byte or bool tensors, got float32',
    ],
    ['bytes', () => z([2]).at(z([2], 'uint8')), DTypeError, 'indexing with dtype torch.uint8 is now deprecated'],
    [
      'places too large',
      () => z([2, 3]).at([0], [3]),
      IndexError,
      'index 3 is out of bounds for dimension 1 with size 3',
    ],
    ['places too small', () => z([2, 3]).at([-3]), IndexError, 'index -3 is out of bounds for dimension 0 with size 2'],
    ['places of nothing', () => z([0]).at([0]), IndexError, 'index 0 is out of bounds for dimension 0 with size 0'],
    [
      'lists that do not broadcast',
      () => z([4, 4]).at([0, 1, 2], [0, 1]),
      IndexError,
      'shape mismatch: indexing tensors could not be broadcast together with shapes [3], [2]',
    ],
    [
      'a mask of another shape',
      () => z([5, 5]).at(z([4]).eq(0)),
      IndexError,
      'The shape of the mask [4] at index 0 does not match the shape of the indexed tensor [5, 5] at index 0',
    ],
    [
      'a value that does not broadcast',
      () => z([5, 5]).setAt_([[0, 1]], z([3])),
      ShapeError,
      'shape mismatch: value tensor of shape [3] cannot be broadcast to indexing result of shape [2, 5]',
    ],
    [
      'a value too large',
      () => z([3]).setAt_([0], z([2])),
      ShapeError,
      'value tensor of shape [2] cannot be broadcast',
    ],
    [
      'a value of another dtype',
      () => z([3]).setAt_([[0]], z([1], 'float64')),
      DTypeError,
      'Index put requires the source and destination dtypes match, got float32 for the destination and float64 for the source',
    ],
    ['no list', () => z([3]).setAt_(wrong(0), 1), ArgumentError, 'list of what stands in the brackets'],
    [
      'a value that is none',
      () => z([3]).setAt_([0], wrong([1])),
      ArgumentError,
      'the value must be a number or a tensor',
    ],
    ['a number too large for it', () => z([3], 'int32').setAt_([0], 2 ** 40), ArgumentError, 'without overflow'],
    ['no index tensor', () => z([3]).indexPut([null], z([3])), IndexError, 'at least one index must be a tensor'],
    [
      'index tensors in no list',
      () => z([3]).indexPut(wrong(index(0)), z([1])),
      ArgumentError,
      'an array of index tensors',
    ],
  ],
  'writing by index': [
    [
      'out of range',
      () => z([3]).scatter(0, index(0, 3), z([2])),
      IndexError,
      'index 3 is out of bounds for dimension 0',
    ],
    ['negative', () => z([3]).scatter(0, index(-1), 1), IndexError, 'index -1 is out of bounds for dimension 0'],
    ['rows out of range', () => z([3, 2]).indexCopy(0, index(3), z([1, 2])), IndexError, 'index out of range in self'],
    [
      'another dtype',
      () => z([3]).scatter(0, index(0), z([1], 'float64')),
      DTypeError,
      'Expected self.dtype to be equal to src.dtype',
    ],
    ['another rank', () => z([3, 3]).scatter(0, index(0), 1), ShapeError, 'same number of dimensions as self tensor'],
    ['too wide', () => z([3]).scatter(0, index(0, 1), z([1])), ShapeError, 'to be smaller size than src [1]'],
    [
      'an unknown reduction',
      () => z([3]).scatterReduce(0, index(0), z([1]), wrong('max')),
      ArgumentError,
      'reduce argument must be either',
    ],
    [
      'another reduction',
      () => z([3]).scatter(0, index(0), 1, { reduce: wrong('mean') }),
      ArgumentError,
      'add or multiply',
    ],
    ['slices of another shape', () => z([3, 2]).indexAdd(0, index(0), z([1, 3])), ShapeError, 'same slice shapes'],
    [
      'too few indices',
      () => z([3]).indexCopy(0, index(0), z([2])),
      ShapeError,
      'Number of indices (1) should be equal to source.size(dim)',
    ],
    [
      'an index that is no vector',
      () => z([3]).indexFill(0, z([1, 1], 'int32'), 1),
      ShapeError,
      'Index is supposed to be a vector',
    ],
    [
      'no scalar to fill with',
      () => z([3]).indexFill(0, index(0), z([1])),
      ShapeError,
      'only supports a 0-dimensional value tensor',
    ],
    [
      'no scalar to mask with',
      () => z([3]).maskedFill(z([3]).eq(0), z([1])),
      ShapeError,
      'only supports a 0-dimensional value tensor, but got tensor with 1 dimension',
    ],
    ['no mask', () => z([3]).maskedFill(index(0, 0, 1), 1), DTypeError, 'only supports boolean masks'],
    [
      'no mask to select by',
      () => z([3]).maskedSelect(z([3], 'uint8')),
      DTypeError,
      'masked_select: expected BoolTensor for mask',
    ],
    [
      'infinity among integers',
      () => z([3], 'int32').maskedFill(z([3]).eq(0), -Infinity),
      ArgumentError,
      'value cannot be converted to type int32 without overflow',
    ],
    [
      'too few to scatter',
      () => z([3]).maskedScatter(z([3]).eq(0), z([2])),
      ShapeError,
      'Number of elements of source < number of ones in mask',
    ],
    [
      'a mask that is larger, in place',
      () => z([3]).maskedFill_(wrong(z([2, 3]).eq(0)), 1),
      ShapeError,
      "output with shape [3] doesn't match the broadcast shape [2, 3]",
    ],
    [
      'take out of range',
      () => z([2, 2]).take(index(4)),
      IndexError,
      'out of range: tried to access index 4 on a tensor of 4 elements',
    ],
    ['take of nothing', () => z([0]).take(index(0)), ShapeError, 'from an empty tensor'],
    [
      'put of another size',
      () => z([3]).put(index(0), z([2])),
      ShapeError,
      'Expected source and index to have the same number of elements',
    ],
    [
      'along another rank',
      () => z([3]).takeAlongDim(z([1, 1], 'int32'), 0),
      ShapeError,
      'should have the same number of dimensions',
    ],
  ],
  arranging: [
    ['flip twice', () => z([2, 3]).flip(wrong([0, 0])), IndexError, 'dim 0 appears multiple times in the list of dims'],
    ['columns of a vector', () => z([3]).fliplr(), ShapeError, 'Input must be >= 2-d'],
    ['a triangle of a vector', () => z([3]).tril(), ShapeError, 'must have at least 2 dimensions'],
    ['no shifts', () => z([3]).roll([]), ArgumentError, '`shifts` required'],
    ['shifts without dims', () => z([3]).roll([1, 2]), ArgumentError, 'shifts and dimensions must align'],
    ['roll along nothing', () => z([]).roll(0, 0 as never), IndexError, 'Dimension specified as 0 but tensor has no'],
    ['a turn in one dim', () => z([2, 2]).rot90(1, [0, 0]), ArgumentError, 'expected rotation dims to be different'],
    [
      'too few repeats',
      () => z([2, 2]).repeat(wrong([2])),
      ShapeError,
      'can not be smaller than number of dimensions of tensor',
    ],
    ['negative repeats', () => z([2]).repeatInterleave(index(1, -1), 0), ArgumentError, 'repeats can not be negative'],
    [
      'repeats of another size',
      () => z([2]).repeatInterleave(index(1, 1, 1), 0),
      ShapeError,
      'same size as input along dim',
    ],
    ['the diagonal of a scalar', () => z([]).diag(), ShapeError, 'matrix or a vector expected'],
    [
      'one dim for a diagonal',
      () => z([2]).diagEmbed(0, 0, 0),
      ShapeError,
      'diagonal dimensions cannot be identical 0, 0',
    ],
    ['choices of a matrix', () => z([2, 2]).combinations(), ShapeError, 'Expect a 1D vector'],
    ['a grid of matrices', () => meshgrid([z([2, 2])]), ShapeError, 'Expected 0D or 1D tensor'],
    [
      'a grid by another name',
      () => meshgrid([z([2])], { indexing: wrong('yx') }),
      ArgumentError,
      'indexing must be one of "xy" or "ij"',
    ],
    ['nothing to stack', () => hstack(wrong([])), ArgumentError, 'expects a non-empty TensorList'],
    ['odd padding', () => F.pad(z([2]), wrong([1])), ArgumentError, 'Padding length must be divisible by 2'],
    [
      'more padding than dims',
      () => F.pad(z([2]), wrong([1, 1, 1, 1])),
      ArgumentError,
      'Padding length should be less than or equal to two times',
    ],
    ['more cut off than there is', () => F.pad(z([2]), [-3, 0]), ShapeError, 'resulted in a negative output size'],
    [
      'mirrored too far',
      () => F.pad(z([1, 2]), [2, 0], { mode: 'reflect' }),
      ShapeError,
      'Padding size should be less than the corresponding input dimension',
    ],
    [
      'round more than once',
      () => F.pad(z([1, 2]), [3, 0], { mode: 'circular' }),
      ShapeError,
      'wrapping around more than once',
    ],
    [
      'mirrored without channels',
      () => F.pad(z([2]), [1, 0], { mode: 'reflect' }),
      NotImplementedError,
      'Only 2D, 3D, 4D, 5D padding with non-constant padding',
    ],
    [
      'an unknown mode',
      () => F.pad(z([1, 2]), [1, 0], { mode: wrong('same') }),
      NotImplementedError,
      'Unrecognised padding mode same',
    ],
    [
      'a value to mirror',
      () => F.pad(z([1, 2]), [1, 0], { mode: 'reflect', value: 1 }),
      ArgumentError,
      "doesn't take in value argument",
    ],
    [
      'channels that do not divide',
      () => F.pixelShuffle(z([3, 2, 2]), 2),
      ShapeError,
      'divisible by the square of upscale_factor',
    ],
    [
      'rows that do not divide',
      () => F.pixelUnshuffle(z([1, 3, 2]), 2),
      ShapeError,
      'expects height to be divisible by downscale_factor',
    ],
    ['no such class', () => F.oneHot(index(0, 3), 3), ArgumentError, 'Class values must be smaller than num_classes'],
    ['a negative class', () => F.oneHot(index(-1)), ArgumentError, 'Class values must be non-negative'],
    ['classes of floats', () => F.oneHot(z([2])), DTypeError, 'only applicable to index tensor'],
    [
      'no classes at all',
      () => F.oneHot(z([0], 'int32')),
      ArgumentError,
      'Can not infer total number of classes from empty tensor',
    ],
    ['no such row', () => F.embedding(index(3), z([3, 2])), IndexError, 'index out of range in self'],
    ['a negative row', () => F.embedding(index(-1), z([3, 2])), IndexError, 'index out of range in self'],
    ['a table that is none', () => F.embedding(index(0), z([3])), ShapeError, "'weight' must be 2-D"],
    [
      'no padding row',
      () => F.embedding(index(0), z([3, 2]), { paddingIdx: 3 }),
      ArgumentError,
      'Padding_idx must be within num_embeddings',
    ],
    [
      'rows by floats',
      () => F.embedding(z([1]), z([3, 2])),
      DTypeError,
      'one of the following scalar types: Long, Int',
    ],
    [
      'bags that begin late',
      () => F.embeddingBag(index(0), z([3, 2]), index(1)),
      ArgumentError,
      'offsets[0] has to be 0',
    ],
    [
      'bags without offsets',
      () => F.embeddingBag(index(0), z([3, 2])),
      ArgumentError,
      'offsets has to be a 1D Tensor but got None',
    ],
    [
      'segments that do not add up',
      () => segmentReduce(z([3]), 'sum', { lengths: index(1, 1) }),
      ArgumentError,
      'Expected all rows of lengths along axis to sum to',
    ],
    [
      'segments beyond the end',
      () => segmentReduce(z([3]), 'sum', { lengths: index(4), unsafe: true }),
      ArgumentError,
      'reach beyond the 3 elements',
    ],
  ],
};

for (const [group, cases] of Object.entries(groups)) {
  describe(group, () => {
    for (const [what, call, type, message] of cases) it(what, () => expectError(call, type, message));
  });
}
