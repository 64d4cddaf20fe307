import {
  ArgumentError,
  AutogradError,
  arange,
  autograd,
  cat,
  columnStack,
  crossEntropy,
  DeviceError,
  type DType,
  DTypeError,
  elementwise,
  eye,
  functional as F,
  full,
  fullLike,
  grad,
  hessian,
  hstack,
  IndexError,
  jacobian,
  linalg,
  linspace,
  logspace,
  multinomial,
  NablaError,
  NotImplementedError,
  nllLoss,
  noGrad,
  parameter,
  parametersToVector,
  poisson,
  rand,
  randint,
  randintLike,
  randLike,
  randn,
  randnLike,
  randperm,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  tensordot,
  vmap,
  where,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError } from './support/close.ts';

/*
 * What a user does wrong, the class of the error and the part of its message that says what and where.
 * Messages hold PyTorch's own fragment where it has one.
 */

/** Zeros whose shape the compiler does not know, so that it lets wrong calls through. */
const z = (shape: readonly number[], dtype: DType = 'float32'): Tensor => zeros(shape, { dtype });
const index = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' });
/** An argument of a type that the compiler would refuse. */
const wrong = (x: unknown): never => x as never;

type Case = readonly [what: string, call: () => unknown, type: typeof NablaError, message: string | RegExp];

const HUGE = 2 ** 31;

const groups: Readonly<Record<string, readonly Case[]>> = {
  'more than there is room for': [
    ['parts', () => z([4]).tensorSplit(HUGE), ArgumentError, 'tensorSplit: 2147483648 parts are more tensors than'],
    ['parts of nothing', () => z([0]).chunk(HUGE), ArgumentError, 'chunk: 2147483648 parts are more tensors than'],
    ['windows', () => F.adaptiveAvgPool1d(z([1, 1, 4]), wrong(HUGE)), DeviceError, 'cannot allocate 8589934592 bytes'],
    ['maxima', () => F.adaptiveMaxPool2d(z([1, 4, 4]), wrong([HUGE, 1])), DeviceError, 'cannot allocate 8589934592'],
    ['pixels', () => F.interpolate(z([1, 1, 4]), { size: HUGE }), DeviceError, 'cannot allocate 8589934592 bytes'],
    [
      'repetitions',
      () => z([4]).repeatInterleave(index(2 ** 30, 2 ** 30, 2 ** 30, 2 ** 30)),
      DeviceError,
      'repeatInterleave: cannot allocate 17179869184 bytes',
    ],
    ['a sum of a column and a row', () => z([2 ** 17, 1]).add(z([1, 2 ** 17])), DeviceError, /^add: cannot allocate/],
    ['their product', () => z([2 ** 17, 1]).matmul(z([1, 2 ** 17])), DeviceError, /^matmul: cannot allocate/],
    ['copies', () => z([1]).expand([HUGE]).clone(), DeviceError, /^clone: cannot allocate/],
    ['random numbers', () => randn([HUGE]), DeviceError, /^randn: cannot allocate/],
    ['a range', () => arange(HUGE), DeviceError, /^arange: cannot allocate 8589934592 bytes: .* a part at a time$/],
    ['terms of a sum', () => z([1]).mvlgamma(HUGE), DeviceError, /^mvlgamma: cannot allocate/],
  ],
  'what is made of several operations, by its own name': [
    ...(
      [
        ['clamp', () => z([2]).clamp(z([3]))],
        ['clamp', () => z([2]).clamp(0, z([3]))],
        ['klDiv', () => F.klDiv(z([2]), z([3]))],
        ['poissonNllLoss', () => F.poissonNllLoss(z([2]), z([3]))],
        ['gaussianNllLoss', () => F.gaussianNllLoss(z([2]), z([3]), z([2]))],
        ['softMarginLoss', () => F.softMarginLoss(z([2]), z([3]))],
        ['hingeEmbeddingLoss', () => F.hingeEmbeddingLoss(z([2]), z([3]))],
        ['marginRankingLoss', () => F.marginRankingLoss(z([2]), z([3]), z([2]))],
        ['marginRankingLoss', () => F.marginRankingLoss(z([2]), z([2]), z([3]))],
        ['cosineEmbeddingLoss', () => F.cosineEmbeddingLoss(z([2, 3]), z([2, 4]), z([2]))],
        ['cosineEmbeddingLoss', () => F.cosineEmbeddingLoss(z([2, 3]), z([2, 3]), z([4]))],
        ['tripletMarginLoss', () => F.tripletMarginLoss(z([2, 3]), z([2, 3]), z([2, 4]))],
        ['multilabelSoftMarginLoss', () => F.multilabelSoftMarginLoss(z([2, 3]), z([2, 4]))],
        ['pairwiseDistance', () => F.pairwiseDistance(z([2, 3]), z([2, 4]))],
      ] as const
    ).map(([name, call]): Case => [name, call, ShapeError, new RegExp(`^${name}: shapes .* cannot be broadcast`)]),
    ['linear', () => F.linear(z([3, 4]), z([5, 6])), ShapeError, /^linear: mat1 .* multiplied \(3x4 and 6x5\)/],
    ['linear of a stack', () => F.linear(z([2, 3, 4]), z([5, 6])), ShapeError, /^linear: .*\(2x3x4 and 6x5\)/],
    ['linear with a vector', () => F.linear(z([3, 4]), z([6])), ShapeError, /^linear: .*\(3x4 and 6x1\)/],
    ['the bias of linear', () => F.linear(z([3, 4]), z([5, 4]), z([6])), ShapeError, /^linear: a bias of shape \[6\]/],
    [
      'crossEntropy',
      () => crossEntropy(z([3, 4]), index(1, 2)),
      ShapeError,
      /^crossEntropy: Expected input batch_size/,
    ],
    ['classes of crossEntropy', () => crossEntropy(z([3, 4]), z([3])), DTypeError, /^crossEntropy: expected scalar/],
    ['softmin', () => F.softmin(z([3]), wrong(2)), IndexError, /^softmin: Dimension out of range/],
    ['gumbelSoftmax', () => F.gumbelSoftmax(z([3]), { dim: 2 }), IndexError, /^gumbelSoftmax: Dimension out of range/],
    ['normalize', () => F.normalize(z([3])), IndexError, /^normalize: Dimension out of range/],
    ...(
      [
        ['isclose', () => z([2]).isclose(z([3]))],
        ['allclose', () => z([2]).allclose(z([3]))],
        ['dist', () => z([2]).dist(z([3]))],
        ['floatPower', () => z([2]).floatPower(z([3]))],
        ['ldexp', () => z([2]).ldexp(z([3]))],
        ['tripletMarginWithDistanceLoss', () => F.tripletMarginWithDistanceLoss(z([2, 3]), z([3, 3]), z([2, 3]))],
      ] as const
    ).map(([name, call]): Case => [name, call, ShapeError, new RegExp(`^${name}: shapes .* cannot be broadcast`)]),
    ...(
      [
        ['mseLoss', () => F.mseLoss(index(1), index(1)), 'mean'],
        ['l1Loss', () => F.l1Loss(index(1), index(1)), 'mean'],
        ['smoothL1Loss', () => F.smoothL1Loss(index(1), index(1)), 'mean'],
        ['huberLoss', () => F.huberLoss(index(1), index(1)), "not implemented for 'int32'"],
        ['hingeEmbeddingLoss', () => F.hingeEmbeddingLoss(index(1), index(1)), 'mean'],
        ['klDiv', () => F.klDiv(z([1], 'bool'), z([1], 'bool')), 'with a bool tensor is not supported'],
        ['crossEntropy', () => crossEntropy(z([1, 2], 'int32'), index(0)), "not implemented for 'int32'"],
        ['linear', () => F.linear(z([2, 3]), z([4, 3], 'float64')), 'same dtype'],
        ['the bias of linear', () => F.linear(z([2, 3]), z([4, 3]), z([4], 'float64')), 'same dtype'],
        ['matmul', () => z([2, 3]).matmul(z([3], 'float64')), 'same dtype'],
        ['normalize', () => F.normalize(z([2, 3], 'int32')), 'Expected a floating point'],
        ['softmin', () => F.softmin(z([3], 'bool'), 0), 'on a bool tensor is not supported'],
        ['dropout_', () => F.dropout_(index(1, 2)), "can't be cast to the desired output type int32"],
        ['hypot', () => index(1).hypot(index(1)), "not implemented for 'int32'; convert"],
        ['logaddexp', () => index(1).logaddexp(1), "not implemented for 'int32'; convert"],
        ['randLike', () => randLike(index(1)), "not implemented for 'int32'"],
        ['randnLike', () => randnLike(index(1)), "not implemented for 'int32'"],
      ] as const
    ).map(
      ([name, call, words]): Case => [
        `the dtype of ${name}`,
        call,
        DTypeError,
        new RegExp(`^${name.replace('the bias of ', '')}: .*${words}`),
      ],
    ),
    [
      'matmul',
      () => z([2, 3]).matmul(z([2, 3])),
      ShapeError,
      /^matmul: mat1 and mat2 shapes cannot be multiplied \(2x3/,
    ],
    ['matmul with a vector', () => z([2, 3]).matmul(z([2])), ShapeError, /^matmul: size mismatch/],
    [
      'attention',
      () => F.scaledDotProductAttention(z([2, 3]), z([4, 5]), z([4, 5])),
      ShapeError,
      /^scaledDotProductAttention: mat1/,
    ],
    ['fillDiagonal_', () => z([2, 2]).fillDiagonal_(wrong(undefined)), ArgumentError, /^fillDiagonal_: expected/],
    [
      'fillDiagonal_ with a vector',
      () => z([2, 2]).fillDiagonal_(wrong(z([2]))),
      ShapeError,
      /^fillDiagonal_: fill_ only/,
    ],
    [
      'a model of nothing',
      () => parametersToVector([]),
      ArgumentError,
      /^parametersToVector: .*non-empty list of Tensors/,
    ],
    ['multinomial', () => multinomial(z([2]), -1), ArgumentError, /^multinomial: cannot sample n_sample <= 0/],
    ['oneHot', () => F.oneHot(index(0), HUGE), DeviceError, /^oneHot: cannot allocate/],
    ['logspace', () => logspace(0, 1, HUGE), DeviceError, /^logspace: cannot allocate/],
    ['randint', () => randint(3, 3, [1]), ArgumentError, /^randint: random_ expects 'from'/],
    ['hstack', () => hstack(wrong([z([2, 3]), z([3, 2])])), ShapeError, /^hstack: Sizes of tensors must match/],
    ['columnStack', () => columnStack([z([2, 3]), z([3, 2])]), ShapeError, /^columnStack: Sizes of tensors/],
    ['tensordot', () => tensordot(z([2]), z([2], 'float64'), 1), DTypeError, /^tensordot: expected both/],
    ['parameter', () => parameter(index(1)), DTypeError, /^parameter: only Tensors of floating point dtype/],
    ['fullLike', () => fullLike(z([2]), wrong('1')), ArgumentError, /^fullLike: the fill value must be a number/],
    ['randintLike', () => randintLike(z([2]), -1), ArgumentError, /^randintLike: random_ expects 'from'/],
    ['embedding', () => F.embedding(index(2), z([2, 3])), IndexError, /^\w+: index out of range in self: index 2/],
    ['gather', () => z([2]).gather(0, index(2)), IndexError, /^gather: index 2 is out of bounds for dimension 0/],
    ['scatter_', () => randn([2]).scatter_(0, index(2), 1), IndexError, /^scatter_: index 2 is out of bounds/],
    [
      'indexAdd_',
      () => randn([2]).indexAdd_(0, index(2), z([1])),
      IndexError,
      /^indexAdd_: index out of range in self/,
    ],
    ['hessian', () => hessian(wrong(z([1]))), ArgumentError, /^hessian: expected a function/],
    ['jacobian', () => jacobian(wrong(z([1]))), ArgumentError, /^jacobian: expected a function/],
    ['hsplit', () => z([2]).hsplit(wrong([Number.NaN])), IndexError, /^hsplit: slice indices must be integers/],
    ['linalg.norm', () => linalg.norm(z([2, 2]), 2, wrong({ dim: {} })), ArgumentError, /^linalg\.norm: expected dim/],
    ['poisson', () => poisson(tensor([Number.POSITIVE_INFINITY])), ArgumentError, /^poisson: .*it is infinite/],
  ],
  'data that is no tensor': [
    ['a short row', () => tensor(wrong([[1, 2], [3]])), ShapeError, 'expected sequence of length 2 at dim 1 (got 1)'],
    ['a long row', () => tensor(wrong([[1], [2, 3]])), ShapeError, 'expected sequence of length 1 at dim 1 (got 2)'],
    ['a number among rows', () => tensor(wrong([[1, 2], 3])), ShapeError, 'expected sequence of length 2 at dim 1'],
    ['a row among numbers', () => tensor(wrong([1, [2, 3]])), ShapeError, 'data[1] is nested more deeply'],
    ['a ragged row deep inside', () => tensor(wrong([[[1, 2]], [[3]]])), ShapeError, 'data[1][0] is ragged'],
    ['an empty row among others', () => tensor(wrong([[], [1]])), ShapeError, 'expected sequence of length 0'],
    ['text', () => tensor(wrong(['1', '2'])), DTypeError, 'data[0] is string 1; elements must be numbers or booleans'],
    ['null', () => tensor(wrong([1, null])), DTypeError, 'data[1] is null'],
    ['undefined', () => tensor(wrong(undefined)), DTypeError, 'data is undefined'],
    ['a hole', () => tensor(new Array<number>(3)), DTypeError, 'data[0] is undefined'],
    ['an object', () => tensor(wrong({ length: 2 })), DTypeError, 'data is object'],
    ['a bigint', () => tensor(wrong([1n])), DTypeError, 'data[0] is bigint 1'],
    ['an array of another type', () => tensor(wrong(new Int16Array(2))), DTypeError, 'this typed array has no dtype'],
    [
      'a tensor among numbers',
      () => tensor(wrong([z([]), 1])),
      DTypeError,
      'data[0] is a tensor; tensors are joined by stack',
    ],
    ['a fraction as int32', () => tensor([1.5], { dtype: 'int32' }), ArgumentError, '1.5 does not fit int32'],
    ['too large for int32', () => tensor([2 ** 31], { dtype: 'int32' }), ArgumentError, 'does not fit int32'],
    ['NaN as int32', () => tensor([Number.NaN], { dtype: 'int32' }), ArgumentError, 'NaN does not fit int32'],
    ['a fraction as uint8', () => tensor([1.5], { dtype: 'uint8' }), ArgumentError, '1.5 does not fit uint8'],
    ['too large for uint8', () => tensor([256], { dtype: 'uint8' }), ArgumentError, '256 does not fit uint8'],
    [
      'negative as uint8',
      () => tensor(new Int32Array([-1]), { dtype: 'uint8' }),
      ArgumentError,
      '-1 does not fit uint8',
    ],
    [
      'a shape of another size',
      () => tensor(wrong([1, 2, 3]), { shape: [2, 2] }),
      ShapeError,
      'invalid for input of size 3',
    ],
  ],
  'shapes that are none': [
    ['several numbers', () => zeros(wrong(2), wrong(3)), ArgumentError, 'zeros: several numbers are one array'],
    [
      'a number',
      () => zeros(wrong(3)),
      ArgumentError,
      'expected a shape as an array of numbers such as [2, 3], got the number 3; write [3]',
    ],
    ['nothing', () => rand(wrong(undefined)), ArgumentError, 'expected a shape as an array of numbers'],
    ['a negative size', () => z([2, -1]), ShapeError, 'Trying to create tensor with negative dimension -1'],
    ['a fraction', () => z([1.5]), ShapeError, 'sizes must be integers'],
    ['NaN', () => full([Number.NaN], 1), ShapeError, 'sizes must be integers'],
    ['text', () => zeros(wrong(['2'])), ShapeError, 'sizes must be integers'],
    ['too many elements', () => z([2 ** 20, 2 ** 20]), DeviceError, 'cannot allocate'],
  ],
  'options and arguments of creation': [
    ['an unknown option', () => zeros([1], wrong({ dtpye: 'int32' })), ArgumentError, "unexpected option 'dtpye'"],
    ['PyTorch’s spelling', () => tensor([1], wrong({ requires_grad: true })), ArgumentError, "option 'requires_grad'"],
    ['no object', () => zeros([1], wrong('float32')), ArgumentError, 'options must be an object'],
    ['a tensor', () => zeros([1]).backward(wrong(zeros([1]))), ArgumentError, 'such as { gradient: … }, got a tensor'],
    ['an array', () => zeros([1], wrong([])), ArgumentError, 'got an array'],
    ['null', () => zeros([1], wrong(null)), ArgumentError, 'got null'],
    ['an unknown dtype', () => zeros([1], wrong({ dtype: 'float16' })), ArgumentError, 'unknown dtype "float16"'],
    ['a prototype name as dtype', () => zeros([1], wrong({ dtype: 'toString' })), ArgumentError, 'unknown dtype'],
    ['a step of 0', () => arange(0, 3, 0), ArgumentError, 'step must be nonzero'],
    ['a step the wrong way', () => arange(3, 0), ArgumentError, 'inconsistent with step sign'],
    ['text as the end', () => arange(0, wrong('4')), ArgumentError, 'unsupported range: 0 -> 4 by 1'],
    ['text as the end of whole numbers', () => arange(wrong('4'), { dtype: 'int32' }), ArgumentError, '0 -> 4 by 1'],
    ['an endless range', () => arange(Number.POSITIVE_INFINITY), ArgumentError, 'unsupported range'],
    ['a negative count', () => linspace(0, 1, -1), ArgumentError, 'number of steps must be non-negative'],
    ['half a column', () => eye(2, 1.5), ArgumentError, 'm must be greater or equal to 0'],
    ['a value that is no number', () => full([1], wrong('1')), ArgumentError, 'the fill value must be a number'],
    ['random integers as floats', () => rand([1], { dtype: 'int32' }), DTypeError, "not implemented for 'int32'"],
    ['normal truth values', () => randn([1], { dtype: 'bool' }), DTypeError, "not implemented for 'bool'"],
    ['a negative permutation', () => randperm(-1), ArgumentError, 'n must be non-negative'],
    ['an empty range', () => randint(3, 3, [1]), ArgumentError, 'from'],
    ['weights of rank 3', () => multinomial(z([1, 1, 1]), 1), ShapeError, 'prob_dist must be 1 or 2 dim'],
    ['an unknown option of a reduction', () => z([2]).sum(0, wrong({ keepDim: true })), ArgumentError, "'keepDim'"],
    [
      'an unknown rounding',
      () => z([1]).div(1, wrong({ roundingMode: 'up' })),
      ArgumentError,
      'expected rounding_mode',
    ],
    [
      'an unknown reduction',
      () => nllLoss(z([1, 2]), index(0), wrong({ reduction: 'max' })),
      ArgumentError,
      'max is not',
    ],
    ['an unknown norm', () => z([1]).norm(wrong('max')), ArgumentError, "p must be a number, 'fro' or 'nuc'"],
    ['a clamp without bounds', () => z([1]).clamp(), ArgumentError, "At least one of 'min' or 'max' must not be null"],
  ],
  'operands that are none': [
    ['text', () => z([2]).add(wrong('1')), ArgumentError, 'add: expected a Tensor or a number'],
    ['undefined', () => z([2]).mul(wrong(undefined)), ArgumentError, 'mul: expected a Tensor or a number'],
    ['null', () => z([2]).maximum(wrong(null)), ArgumentError, 'maximum: expected a Tensor or a number'],
    ['an array', () => z([2]).sub(wrong([1, 2])), ArgumentError, 'sub: expected a Tensor or a number'],
    ['an array, in place', () => z([2]).add_(wrong([1, 2])), ArgumentError, 'expected a Tensor or a number'],
    ['a truth value', () => z([2]).eq(wrong(true)), ArgumentError, 'eq: expected a Tensor or a number'],
    ['a number to multiply matrices', () => z([2, 2]).matmul(wrong(2)), ArgumentError, 'matmul: expected a Tensor'],
    ['a number as index', () => z([2]).gather(0, wrong(1)), ArgumentError, 'gather: expected a Tensor'],
    ['no list to join', () => cat(wrong(z([1]))), ArgumentError, 'cat: expected an array of Tensors'],
    ['an empty list to join', () => cat(wrong([])), ArgumentError, 'expected a non-empty list of Tensors'],
    ['an empty list to stack', () => stack(wrong([])), ArgumentError, 'expects a non-empty TensorList'],
    ['a condition that is a number', () => where(z([1]), 1, 2), DTypeError, 'condition to be a boolean tensor'],
    ['no tensor for an elementwise function', () => elementwise((x) => x.exp())(1), ArgumentError, 'must be a Tensor'],
  ],
  'shapes that do not fit': [
    [
      'sum of two',
      () => z([2, 3]).add(z([4])),
      ShapeError,
      'The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1',
    ],
    ['comparison', () => z([2]).lt(z([3])), ShapeError, 'must match the size of tensor b (3)'],
    ['choice', () => where(z([2], 'bool'), z([3]), 0), ShapeError, 'must match'],
    [
      'matrix product',
      () => z([2, 3]).matmul(z([2, 3])),
      ShapeError,
      'mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)',
    ],
    ['batched product', () => z([2, 2, 3]).matmul(z([3, 3, 2])), ShapeError, 'must match'],
    ['product of scalars', () => z([]).matmul(z([2])), ShapeError, 'both arguments to matmul need to be at least 1D'],
    ['inner product', () => z([2]).dot(z([3])), ShapeError, 'inconsistent tensor size'],
    ['inner product of matrices', () => z([2, 2]).dot(z([2, 2])), ShapeError, '1D tensors expected, but got 2D and 2D'],
    ['mm of vectors', () => z([2]).mm(z([2])), ShapeError, 'self must be a matrix'],
    ['mv of two matrices', () => z([2, 2]).mv(z([2, 2])), ShapeError, 'vector + matrix @ vector expected'],
    ['bmm of matrices', () => z([2, 2]).bmm(z([2, 2])), ShapeError, 'batch1 must be a 3D tensor'],
    [
      'bmm of lists',
      () => z([2, 2, 3]).bmm(z([3, 3, 2])),
      ShapeError,
      'Expected size for first two dimensions of batch2',
    ],
    ['reshape', () => z([2, 3]).reshape([4, 2]), ShapeError, "shape '[4, 2]' is invalid for input of size 6"],
    [
      'reshape with a remainder',
      () => z([6]).reshape([4, -1]),
      ShapeError,
      "shape '[4, -1]' is invalid for input of size 6",
    ],
    ['two sizes to infer', () => z([6]).reshape([-1, -1]), ShapeError, 'only one dimension can be inferred'],
    ['any size to infer', () => z([0]).reshape([0, -1]), ShapeError, 'can be any value and is ambiguous'],
    ['a negative size to reshape to', () => z([6]).reshape([-2, 3]), ShapeError, 'negative dimension'],
    ['view of a transposed', () => z([2, 3]).T.view([6]), ShapeError, 'Use .reshape(...) instead.'],
    [
      'expand of a real dimension',
      () => z([2]).expand([3]),
      ShapeError,
      'must match the existing size (2) at non-singleton dimension 0',
    ],
    [
      'expand to fewer',
      () => z([2, 3]).expand([3]),
      ShapeError,
      'must be greater or equal to the number of dimensions',
    ],
    ['expand a new dimension by -1', () => z([2]).expand([-1, 2]), ShapeError, 'leading, non-existing dimension 0'],
    ['t of a cube', () => z([2, 2, 2]).t(), ShapeError, 'expects a tensor with <= 2 dimensions, but self is 3D'],
    [
      'mT of a vector',
      () => z([2]).mT,
      ShapeError,
      'only supported on matrices or batches of matrices. Got 1-D tensor.',
    ],
    ['permute of too few', () => z([2, 3]).permute([0]), ShapeError, 'input.dim() = 2 is not equal to len(dims) = 1'],
    ['cat across', () => cat([z([2, 3]), z([2, 2])]), ShapeError, 'Sizes of tensors must match except in dimension 0'],
    [
      'cat of ranks',
      () => cat([z([2, 3]), z([2])]),
      ShapeError,
      'Tensors must have same number of dimensions: got 2 and 1',
    ],
    ['cat of scalars', () => cat([z([])]), ShapeError, 'zero-dimensional tensor cannot be concatenated'],
    ['stack', () => stack([z([2]), z([3])]), ShapeError, 'stack expects each tensor to be equal size'],
    [
      'gather',
      () => z([2, 2]).gather(0, tensor([[0, 0, 0]], { dtype: 'int32' })),
      ShapeError,
      'Size does not match at dimension 1',
    ],
    ['gather of ranks', () => z([2, 2]).gather(0, index(0)), ShapeError, 'must have the same number of dimensions'],
    [
      'indexSelect by a matrix',
      () => z([2]).indexSelect(0, z([1, 1], 'int32')),
      ShapeError,
      'Index is supposed to be a vector',
    ],
    ['item of many', () => z([2]).item(), ShapeError, 'a Tensor with 2 elements cannot be converted to Scalar'],
    ['a number from many', () => +z([2]), ShapeError, 'cannot be converted to Scalar'],
    ['item of none', () => z([0]).item(), ShapeError, 'a Tensor with 0 elements'],
    ['a checked shape', () => z([2, 3]).as([2, 2]), ShapeError, 'expected shape [2, 2], got [2, 3]'],
    [
      'in place',
      () => z([2]).add_(z([3, 2])),
      ShapeError,
      "output with shape [2] doesn't match the broadcast shape [3, 2]",
    ],
    [
      'targets',
      () => crossEntropy(z([2, 3]), index(0)),
      ShapeError,
      'Expected input batch_size (2) to match target batch_size (1)',
    ],
    [
      'class weights',
      () => nllLoss(z([1, 2]), index(0), { weight: z([3]) }),
      ShapeError,
      'for all 2 classes or no classes',
    ],
  ],
  'statistics of what does not fit': [
    ['both ways to say it', () => z([2]).var(0, { correction: 1, unbiased: true }), ArgumentError, 'not both'],
    ['a quantile above 1', () => z([2]).quantile(1.5), ArgumentError, 'q values must be in the range [0, 1]'],
    [
      'quantiles below 0',
      () => z([2]).quantile(tensor([0, -1])),
      ArgumentError,
      'q values must be in the range [0, 1]',
    ],
    ['text as a quantile', () => z([2]).quantile(wrong('0.5')), ArgumentError, 'quantile: expected a Tensor'],
    ['no quantile', () => z([2]).quantile(tensor([Number.NaN])), ArgumentError, 'q values must be in the range [0, 1]'],
    ['a matrix of quantiles', () => z([2]).quantile(z([1, 1])), ShapeError, 'q must be a scalar or 1D tensor'],
    ['a quantile of nothing', () => z([0]).quantile(0.5), ShapeError, 'input tensor must be non-empty'],
    [
      'between, somehow',
      () => z([2]).quantile(0.5, 0, wrong({ interpolation: 'cubic' })),
      ArgumentError,
      'interpolation must be one of linear',
    ],
    ['no bins', () => z([2]).histc({ bins: 0 }), ArgumentError, 'bins must be > 0'],
    ['bins backwards', () => z([2]).histc({ min: 2, max: 1 }), ArgumentError, 'max must be larger than min'],
    ['less than no length', () => index(1).bincount({ minlength: -1 }), ArgumentError, 'minlength should be >= 0'],
    ['weights for others', () => index(1).bincount({ weights: z([2]) }), ShapeError, 'have the same length as input'],
    ['covariance of a cube', () => z([2, 2, 2]).cov(), ShapeError, 'two or fewer dimensions'],
    ['weights for other observations', () => z([2]).cov({ aweights: z([3]) }), ShapeError, 'the same numel'],
    ['differences of a scalar', () => z([]).diff(), ShapeError, 'at least one-dimensional'],
    ['differences below 0', () => z([2]).diff(-1), ArgumentError, 'order must be non-negative'],
    [
      'differences after a vector',
      () => z([2, 2]).diff(1, 0, { prepend: z([2]) }),
      ShapeError,
      'same dimension as input',
    ],
    ['places for other samples', () => z([2, 3]).trapezoid(z([2])), ShapeError, 'one `x` value for each sample point'],
    ['boundaries in a matrix', () => z([2]).bucketize(z([2, 2])), ShapeError, 'must be 1 dimension'],
    ['rows for others', () => z([2, 2]).searchsorted(z([3, 2])), ShapeError, 'first N-1 dimensions'],
    [
      'both sides',
      () => z([2]).searchsorted(1, { side: 'left', right: true }),
      ArgumentError,
      "side and right can't be set to opposites",
    ],
    ['a vector scaled down', () => z([2]).renorm(2, 0, 1), ShapeError, 'needs at least 2 dimensions'],
    ['a norm below 0', () => z([2, 2]).renorm(2, 0, -1), ArgumentError, 'expected maxnorm to be >= 0'],
    ['distances of vectors', () => z([2]).cdist(z([2, 2])), ShapeError, 'at least 2D tensors'],
    ['distances of other sizes', () => z([2, 3]).cdist(z([2, 2])), ShapeError, 'the same number of columns'],
    ['distances below 0', () => z([2, 2]).cdist(z([2, 2]), -1), ArgumentError, 'non-negative p values'],
    ['a larger sum', () => z([2, 3]).sumToSize([3, 3]), ShapeError, 'is not expandable to size'],
  ],
  'dimensions out of range': [
    [
      'sum',
      () => z([2, 3]).sum(2),
      IndexError,
      'Dimension out of range (expected to be in range of [-2, 1], but got 2)',
    ],
    ['sum, negative', () => z([2, 3]).sum(-3), IndexError, 'but got -3'],
    ['sum of a scalar', () => z([]).sum(1), IndexError, 'expected to be in range of [-1, 0], but got 1'],
    ['twice the same', () => z([2, 3]).sum([0, -2]), IndexError, 'dim 0 appears multiple times in the list of dims'],
    ['a fraction', () => z([2]).sum(0.5), IndexError, 'but got 0.5'],
    ['softmax', () => z([2]).softmax(1), IndexError, 'Dimension out of range'],
    ['softmax without one', () => z([2]).softmax(wrong(undefined)), IndexError, 'but got undefined'],
    ['max', () => z([2]).max(1), IndexError, 'Dimension out of range'],
    ['transpose', () => z([2, 3]).transpose(0, 2), IndexError, 'Dimension out of range'],
    ['permute', () => z([2, 3]).permute([0, 0]), IndexError, 'appears multiple times'],
    ['squeeze', () => z([1]).squeeze(1), IndexError, 'Dimension out of range'],
    ['unsqueeze', () => z([2]).unsqueeze(2), IndexError, 'expected to be in range of [-2, 1], but got 2'],
    ['flatten', () => z([2, 3]).flatten(0, 2), IndexError, 'Dimension out of range'],
    ['size', () => z([2]).size(1), IndexError, 'Dimension out of range'],
    ['cat', () => cat([z([2])], 1), IndexError, 'Dimension out of range'],
    ['stack', () => stack([z([2])], 3), IndexError, 'Dimension out of range'],
    ['norm', () => z([2]).norm(2, 1), IndexError, 'Dimension out of range'],
    ['flatten the wrong way round', () => z([2, 3]).flatten(1, 0), ShapeError, 'start_dim cannot come after end_dim'],
  ],
  'indices out of range': [
    [
      'select',
      () => z([2, 3]).select(1, 3),
      IndexError,
      'index 3 out of range for tensor of size [2, 3] at dimension 1',
    ],
    ['select, negative', () => z([2]).select(0, -3), IndexError, 'index -3 out of range'],
    ['select by a fraction', () => z([2]).select(0, 0.5), IndexError, 'index 0.5 out of range'],
    ['select of a scalar', () => z([]).select(0, 0), IndexError, 'cannot be applied to a 0-dim tensor'],
    ['narrow', () => z([3]).narrow(0, 2, 2), IndexError, 'start (2) + length (2) exceeds dimension size (3)'],
    ['narrow by less than nothing', () => z([3]).narrow(0, 0, -1), IndexError, 'length must be non-negative'],
    ['narrow from beyond', () => z([3]).narrow(0, 4, 0), IndexError, 'start out of range'],
    ['narrow by a fraction', () => z([3]).narrow(0, 0.5, 1), IndexError, 'start'],
    ['slice by no step', () => z([3]).slice(0, 0, 3, 0), IndexError, 'slice step must be positive'],
    ['slice backwards', () => z([3]).slice(0, 0, 3, -1), IndexError, 'slice step must be positive'],
    ['slice from a fraction', () => z([3]).slice(0, 0.5), IndexError, 'integer'],
    ['slice of a scalar', () => z([]).slice(0), ShapeError, 'cannot be applied to a 0-dim tensor'],
    ['gather', () => z([2]).gather(0, index(2)), IndexError, 'index 2 is out of bounds for dimension 0 with size 2'],
    ['gather, negative', () => z([2]).gather(0, index(-1)), IndexError, 'index -1 is out of bounds'],
    [
      'indexSelect',
      () => z([2, 3]).indexSelect(1, index(0, 3)),
      IndexError,
      'out of bounds for dimension 1 with size 3',
    ],
    ['indexSelect of nothing', () => z([0]).indexSelect(0, index(0)), IndexError, 'out of bounds'],
    ['scatterAdd', () => z([2]).scatterAdd(0, index(5), z([1])), IndexError, 'index 5 is out of bounds'],
    ['indexAdd', () => z([2]).indexAdd(0, index(-3), z([1])), IndexError, 'index -3 is out of bounds'],
    ['a class there is not', () => nllLoss(z([1, 3]), index(3)), IndexError, 'out of bounds'],
    ['the largest of nothing', () => z([0]).max(), IndexError, 'Expected reduction dim to be specified'],
    ['the largest of empty rows', () => z([2, 0]).max(1), IndexError, 'Expected reduction dim 1 to have non-zero size'],
    ['the place of the smallest of nothing', () => z([0]).argmin(), IndexError, 'Expected reduction dim'],
    ['the least and largest of nothing', () => z([0]).aminmax(), IndexError, 'operation has no identity'],
    [
      'the median of empty rows',
      () => z([2, 0]).median(1),
      IndexError,
      'Expected reduction dim 1 to have non-zero size',
    ],
    ['more than there are', () => z([2]).topk(3), IndexError, 'selected index k out of range'],
    ['the third of two', () => z([2]).kthvalue(3), IndexError, 'selected number k out of range for dimension 0'],
    [
      'an order from elsewhere',
      () => z([2]).searchsorted(z([1]), { sorter: index(0, 2) }),
      IndexError,
      'sorter index out of range',
    ],
    ['the largest magnitude of nothing', () => z([0]).norm(Number.POSITIVE_INFINITY), IndexError, 'empty dimension'],
  ],
  'dtypes that do not fit': [
    [
      'mean of integers',
      () => z([2], 'int32').mean(),
      DTypeError,
      'Input dtype must be either a floating point or complex dtype. Got: int32',
    ],
    ['norm of integers', () => z([2], 'int32').norm(), DTypeError, 'Expected a floating point or complex tensor'],
    [
      'variance of integers',
      () => z([2], 'int32').var(),
      DTypeError,
      'std and var only support floating point and complex dtypes',
    ],
    ['mean of what integers are', () => z([2], 'int32').nanmean(), DTypeError, 'expected input to have floating point'],
    ['median of truths', () => z([2], 'bool').median(), DTypeError, "not implemented for 'Bool'"],
    ['quantile of integers', () => z([2], 'int32').quantile(0.5), DTypeError, 'must be either float or double dtype'],
    ['quantiles of another dtype', () => z([2]).quantile(z([1], 'float64')), DTypeError, 'q tensor must be same dtype'],
    ['counts of fractions', () => z([2]).bincount(), ArgumentError, '1-d non-negative integral inputs'],
    ['bins of integers', () => z([2], 'int32').histc(), DTypeError, 'histogram_cpu'],
    [
      'an order of floats',
      () => z([2]).searchsorted(z([1]), { sorter: z([2]) }),
      DTypeError,
      'sorter must be a tensor',
    ],
    ['covariance of truths', () => z([2], 'bool').cov(), DTypeError, 'bool dtype is not supported'],
    [
      'whole numbers of times',
      () => z([2]).cov({ fweights: z([2]) }),
      DTypeError,
      'expected fweights to have integral dtype',
    ],
    ['integrals of truths', () => z([2], 'bool').trapezoid(), DTypeError, 'bool is not supported'],
    ['distances of integers', () => z([2, 2], 'int32').cdist(z([2, 2])), DTypeError, 'only supports floating-point'],
    ['softmax of integers', () => z([2], 'int32').softmax(0), DTypeError, "not implemented for 'int32'"],
    ['negated truth', () => z([2], 'bool').neg(), DTypeError, 'on a bool tensor is not supported'],
    [
      'difference of truths',
      () => z([2], 'bool').sub(z([2], 'bool')),
      DTypeError,
      'with two bool tensors is not supported',
    ],
    ['relu of truth', () => z([2], 'bool').relu(), DTypeError, 'Boolean inputs not supported for relu'],
    [
      'product of dtypes',
      () => z([2, 2]).matmul(z([2, 2], 'float64')),
      DTypeError,
      'expected both matrices to have the same dtype, but got float32 and float64',
    ],
    ['inner product of dtypes', () => z([2]).dot(z([2], 'int32')), DTypeError, 'expected both'],
    [
      'product of truths',
      () => z([2, 2], 'bool').mm(z([2, 2], 'bool')),
      DTypeError,
      `"addmm_impl_cpu_" not implemented for 'Bool'`,
    ],
    [
      'a float as index',
      () => z([2]).gather(0, z([1])),
      DTypeError,
      'Expected dtype int32/int64 for index, got float32',
    ],
    ['a float as selection', () => z([2]).indexSelect(0, z([1])), DTypeError, 'Expected dtype int32/int64'],
    [
      'adding another dtype by index',
      () => z([2]).scatterAdd(0, index(0), z([1], 'float64')),
      DTypeError,
      'self.dtype to be equal to src.dtype',
    ],
    [
      'a fraction of integers',
      () => z([2], 'int32').add(index(1, 2), { alpha: 0.5 }),
      DTypeError,
      'argument alpha must not be a floating point number',
    ],
    ['float targets', () => nllLoss(z([1, 2]), z([1])), DTypeError, 'expected scalar type Int'],
    [
      'integer probabilities',
      () => crossEntropy(z([1, 2]), z([1, 2], 'int32')),
      DTypeError,
      'Expected floating point type for target with class probabilities',
    ],
    [
      'probabilities beside a class that is left out',
      () => crossEntropy(z([1, 2]), z([1, 2]), { ignoreIndex: 0 }),
      ArgumentError,
      'is not supported for floating point target',
    ],
    [
      'in place into integers',
      () => z([2], 'int32').mul_(0.5),
      DTypeError,
      "result type float32 can't be cast to the desired output type int32",
    ],
    ['random floats into integers', () => z([2], 'int32').uniform_(), DTypeError, 'needs a floating point tensor'],
    ['a new dtype there is not', () => z([2]).to(wrong('half')), ArgumentError, 'unknown dtype "half"'],
    [
      'a reduction into a dtype there is not',
      () => z([2]).sum(0, wrong({ dtype: 'half' })),
      ArgumentError,
      'unknown dtype',
    ],
    [
      'the place of the largest truth',
      () => z([2], 'bool').argmax(),
      ArgumentError,
      "argmax is not implemented for 'bool'",
    ],
  ],
  'misuse of autograd': [
    [
      'backward of a constant',
      () => z([]).backward(),
      AutogradError,
      'element 0 of tensors does not require grad and does not have a grad_fn',
    ],
    [
      'backward of a vector',
      () => z([2]).requiresGrad_().mul(2).backward(),
      AutogradError,
      'grad can be implicitly created only for scalar outputs',
    ],
    [
      'gradients of integers',
      () => z([2], 'int32').requiresGrad_(),
      DTypeError,
      'only Tensors of floating point dtype can require gradients',
    ],
    [
      'a leaf in place',
      () => z([2]).requiresGrad_().add_(1),
      AutogradError,
      'a leaf Variable that requires grad is being used in an in-place operation.',
    ],
    [
      'grad of nothing',
      () => autograd.grad(z([]).requiresGrad_().mul(2), []),
      ArgumentError,
      'grad requires non-empty inputs.',
    ],
    ['a promise in noGrad', () => noGrad(async () => 1), AutogradError, 'the callback returned a promise'],
    ['no function', () => noGrad(wrong(3)), ArgumentError, 'expected a function'],
    ['grad of no function', () => grad(wrong(z([]))), ArgumentError, 'expected a function'],
    ['vmap of no function', () => vmap(wrong(undefined)), ArgumentError, 'expected a function'],
    [
      'grad of a vector',
      () => grad((x: Tensor) => x)(z([2])),
      ShapeError,
      'Expected f(*args) to return a scalar tensor',
    ],
    [
      'a jacobian in a mode there is not',
      () => jacobian((x: Tensor) => x, wrong({ mode: 'both' })),
      ArgumentError,
      'mode is',
    ],
    ['vmap over a scalar', () => vmap((x: Tensor) => x)(z([])), IndexError, 'a Tensor of dimensionality 0'],
    [
      'item inside vmap',
      () => vmap((x: Tensor) => x.mul(x.item()))(z([2])),
      AutogradError,
      'calling .item() on a Tensor',
    ],
  ],
};

for (const [name, cases] of Object.entries(groups)) {
  describe(name, () => {
    for (const [what, call, type, message] of cases) it(what, () => expectError(call, type, message));
  });
}

describe('every error', () => {
  it('is a NablaError and an Error, and says its class', () => {
    const classes = [
      ShapeError,
      DTypeError,
      IndexError,
      ArgumentError,
      AutogradError,
      NotImplementedError,
      DeviceError,
    ];
    for (const C of classes) {
      const e = new C('what happened');
      expect(e).toBeInstanceOf(NablaError);
      expect(e).toBeInstanceOf(Error);
      expect(String(e)).toBe(`${C.name}: what happened`);
    }
  });

  it('names the operation first', () => {
    for (const [what, call] of groups['dimensions out of range']) {
      let message = '';
      try {
        call();
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message, what).toMatch(/^[a-zA-Z]+: /);
    }
  });

  it('leaves the operands as they were', () => {
    const x = tensor([1, 2]);
    expectError(() => x.add_(z([3])), ShapeError, 'broadcast');
    expect([x.version, x.toArray()]).toEqual([0, [1, 2]]);
  });
});

describe('names of options and dtypes', () => {
  it('are listed when one is misspelt', () => {
    expectError(() => zeros([1], wrong({ dtyp: 1 })), ArgumentError, 'known options are dtype, requiresGrad');
    expectError(() => z([1]).to(wrong('f32')), ArgumentError, 'dtypes are bool, uint8, int32, float32, float64');
  });
});

it('printing an empty, a scalar and a wrapped tensor is never an error', () => {
  for (const t of [z([0]), z([]), z([2, 0, 3])]) expect(String(t)).toContain('tensor(');
  grad((t: Tensor) => {
    expect(String(t)).toContain('GradTrackingTensor');
    return t.sum();
  })(z([2]));
});
