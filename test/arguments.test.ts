import * as nabla from 'nabla';
import {
  ArgumentError,
  arange,
  crossEntropy,
  eye,
  functional as F,
  isDeterministic,
  linalg,
  linspace,
  multinomial,
  NablaError,
  ones,
  onesLike,
  profile,
  randint,
  setCacheLimit,
  setDeterministic,
  setGradEnabled,
  setWarnAlways,
  setWarningHandler,
  softmax,
  type Tensor,
  tensor,
  tensordot,
  vmap,
  zeroGrad,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError } from './support/close.ts';

/* Arguments of another type than the compiler would let pass: never a result, nor an error of JavaScript's own. */

// biome-ignore lint/suspicious/noExplicitAny: what the compiler refuses is the subject
const wrong = (x: unknown): any => x;

type Options = Readonly<Record<string, unknown>>;

const x = ones([2, 3]);
const image = ones([1, 2, 4, 4]);
const classes = tensor([0, 1], { dtype: 'int32' });

/** Calls by name, with options that they take. */
const calls: readonly (readonly [name: string, call: (options: Options) => unknown, options: Options])[] = [
  ['tensor', (o) => tensor([1], o), { dtype: 'float32', requiresGrad: false }],
  ['onesLike', (o) => onesLike(x, o), { dtype: 'float32', requiresGrad: false }],
  ['sum', (o) => x.sum(1, o), { keepdim: true, dtype: 'float32' }],
  ['softmax', (o) => x.softmax(1, o), { dtype: 'float32' }],
  ['std', (o) => x.std(1, o), { correction: 1, keepdim: true }],
  ['var', (o) => x.var(1, o), { unbiased: true }],
  ['add', (o) => x.add(x, o), { alpha: 2 }],
  ['addcmul', (o) => x.addcmul(x, x, o), { value: 2 }],
  ['addmm', (o) => ones([2, 2]).addmm(x, ones([3, 2]), o), { beta: 1, alpha: 1 }],
  ['sort', (o) => x.sort(1, o), { descending: true, stable: true }],
  ['topk', (o) => x.topk(1, 1, o), { largest: true, sorted: true }],
  ['unique', (o) => x.unique(o), { sorted: true, returnInverse: true, returnCounts: false }],
  ['cov', (o) => x.cov(o), { correction: 1, fweights: tensor([1, 1, 1], { dtype: 'int32' }) }],
  ['diff', (o) => x.diff(1, 1, o), { prepend: x, append: x }],
  ['dropout', (o) => F.dropout(x, o), { p: 0.5, training: false }],
  ['layerNorm', (o) => F.layerNorm(x, [3], o), { eps: 1e-5, weight: ones([3]), bias: ones([3]) }],
  ['avgPool2d', (o) => F.avgPool2d(image, 2, o), { ceilMode: true, countIncludePad: true, divisorOverride: 2 }],
  ['elu', (o) => F.elu(x, o), { alpha: 1 }],
  ['hardtanh', (o) => F.hardtanh(x, o), { minVal: 0, maxVal: 1 }],
  ['normalize', (o) => F.normalize(x, o), { p: 2, eps: 1e-12 }],
  ['crossEntropy', (o) => crossEntropy(x, classes, o), { weight: ones([3]), ignoreIndex: 1, labelSmoothing: 0.1 }],
  ['cholesky', (o) => linalg.cholesky(eye(2), o), { upper: true }],
  ['svd', (o) => linalg.svd(x, o), { fullMatrices: false }],
  ['profile', (o) => profile(() => x.add(1), { print: false, ...o }), { print: false, maxEvents: 10 }],
  ['zeroGrad', (o) => zeroGrad([x], o), { setToNone: true }],
  ['backward', (o) => ones([], { requiresGrad: true }).mul(2).backward(o), { retainGraph: true, createGraph: false }],
];

describe('options', () => {
  for (const [name, call, options] of calls)
    it(`of ${name} are of their types, or not given`, () => {
      call(options);
      for (const [key, value] of Object.entries(options)) {
        for (const other of ['1', '', 1, true, [1], {}, 1n, () => 1, x]) {
          if (typeof other === typeof value && key !== 'dtype' && typeof other !== 'object') continue;
          if (other === x && key in { weight: 0, bias: 0, fweights: 0, prepend: 0, append: 0 }) continue;
          const words = key === 'dtype' ? 'unknown dtype' : `argument '${key}' must be `;
          expectError(() => call({ ...options, [key]: other }), ArgumentError, words);
        }
        call({ ...options, [key]: undefined });
      }
    });

  it('of operations of the user’s own are theirs', () => {
    const scale = nabla.defineOperation({
      name: 'scaleByName',
      inputs: ['x'],
      options: { p: 'two', keepdim: 3, dtype: 'any' },
      forward: ([t]: Tensor[], { p }: Options) => (t as Tensor).mul(p === 'three' ? 3 : 2),
      vjp: nabla.notDifferentiable,
      jvp: nabla.notDifferentiable,
      vmap: 'sequential',
    } as never) as unknown as (t: Tensor, o: Options) => Tensor;
    expect(scale(ones([1]), { p: 'three' }).item()).toBe(3);
  });
});

describe('arguments', () => {
  const refused: Readonly<Record<string, () => unknown>> = {
    linspace: () => linspace(wrong('0'), 1, 3),
    arange: () => arange(wrong(null), 3),
    eye: () => eye(2, wrong('3')),
    randint: () => randint(wrong('5'), [2]),
    multinomial: () => multinomial(x, wrong('1')),
    'multinomial by a truth value': () => multinomial(x, 1, wrong('no')),
    uniform_: () => zeros([2]).uniform_(wrong('0'), 1),
    normal_: () => zeros([2]).normal_(0, wrong('1')),
    exponential_: () => zeros([2]).exponential_(wrong('1')),
    bernoulli_: () => zeros([2]).bernoulli_(wrong('1')),
    rot90: () => x.rot90(wrong('1')),
    max: () => x.max(wrong('')),
    sum: () => x.sum(wrong(null)),
    'sum over a function': () => x.sum(wrong(() => 0)),
    trapezoid: () => x.trapezoid(wrong('1')),
    repeatInterleave: () => x.repeatInterleave(wrong('2')),
    tensordot: () => tensordot(x, x, wrong([null, [0]])),
    softmax: () => softmax(wrong(3), 0),
    bucketize: () => x.bucketize(wrong([1, 2])),
    zerosLike: () => nabla.zerosLike(wrong(undefined)),
    'zerosLike with no options': () => nabla.zerosLike(x, wrong(3)),
    dropout2d: () => F.dropout2d(wrong('1')),
    featureAlphaDropout: () => F.featureAlphaDropout(wrong(3)),
    threshold: () => F.threshold(wrong(3), 1, 1),
    'add of a multiple': () => x.add(wrong({}), { alpha: 2 }),
    pdist: () => F.pdist(x, wrong('1')),
    det: () => linalg.det(wrong(3)),
    solve: () => linalg.solve(eye(2), wrong([1, 2])),
    luSolve: () => linalg.luSolve(wrong(3), wrong(3), eye(2)),
    lstsq: () => linalg.lstsq(wrong(3), eye(2)),
    vectorNorm: () => linalg.vectorNorm(wrong([1, 2])),
    pinv: () => linalg.pinv(eye(2), { rtol: wrong('1') }),
    setCacheLimit: () => setCacheLimit(wrong('1')),
    setDeterministic: () => setDeterministic(wrong('yes')),
    setGradEnabled: () => setGradEnabled(wrong(0)),
    setWarnAlways: () => setWarnAlways(wrong('false')),
    setWarningHandler: () => setWarningHandler(wrong(3)),
    profile: () => profile(wrong(3)),
    vmap: () => vmap(wrong(3)),
    'uniform_ with a misspelt option': () => zeros([2]).uniform_(0, 1, wrong({ geneartor: 1 })),
    'uniform_ with no generator': () => zeros([2]).uniform_(0, 1, { generator: wrong({}) }),
    'randn with no generator': () => nabla.randn([2], { generator: wrong([1]) }),
    'dropout with no generator': () => F.dropout(x, { generator: wrong(3) }),
    'gumbelSoftmax with no generator': () => F.gumbelSoftmax(x, { generator: wrong([1]) }),
    'rmsNorm of nothing': () => F.rmsNorm(wrong(null), [3]),
    'dropout of nothing': () => F.dropout(wrong(null)),
    'median with a misspelt option': () => x.median(undefined, wrong({ keepDim: true })),
    'nanmedian with a misspelt option': () => x.nanmedian(undefined, wrong({ keepDim: true })),
    'a place that is undefined': () => x.at(wrong([0, undefined])),
    'a cut that is undefined': () => x.tensorSplit(wrong([undefined])),
    'permute by numbers': () => x.permute(wrong(1)),
    'permute by nothing': () => x.permute(wrong(undefined)),
    movedim: () => x.movedim(wrong('0'), 1),
    'a dtype that is undefined': () => x.to(wrong(undefined)),
    'as of no shape': () => x.as(wrong(3)),
    'size of no dimension': () => x.size(wrong(undefined)),
    fill_: () => zeros([2]).fill_(wrong(undefined)),
    expandAs: () => x.expandAs(wrong(undefined)),
    viewAs: () => x.viewAs(wrong([2, 3])),
    'scatter of nothing': () => x.scatter(0, x.int(), wrong(null)),
    'indexAdd of nothing': () => x.indexAdd(0, classes, wrong(null)),
    'indexFill with nothing': () => x.clone().indexFill_(0, classes, wrong(null)),
    'isin nothing': () => x.isin(wrong(null)),
    'rot90 by a fraction': () => x.rot90(1.5),
    'gradient at distances of nothing': () => x.gradient({ spacing: wrong([null, 1]) }),
    'threshold of whole numbers': () => F.threshold(classes, wrong('0'), 1),
    'linear with an empty bias': () => F.linear(x, x, wrong('')),
    'batchNorm without statistics': () => F.batchNorm(image, wrong(undefined), wrong(undefined)),
    'matmul of no tensor': () => linalg.matmul(wrong(3), x),
    'matrixNorm over no dimensions': () => linalg.matrixNorm(x, 'fro', wrong(1)),
    multiDot: () => linalg.multiDot(wrong(x)),
    svdvals: () => linalg.svdvals(wrong(null)),
    solveTriangular: () => linalg.solveTriangular(eye(2), eye(2), wrong(undefined)),
    'einsum with labels that are none': () => nabla.einsum(wrong(x), wrong(x)),
    'tensordot without dimensions': () => tensordot(x, x, wrong([])),
    'elementwise of no function': () => nabla.elementwise(wrong('x')),
    'a tensor by its class': () => new (wrong(nabla.Tensor))([1, 2]),
    incrementVersion: () => nabla.autograd.graph.incrementVersion(wrong(null)),
    'zeroGrad of nothing': () => zeroGrad(wrong(undefined)),
    'requiresGrad_ of a name': () => nabla.requiresGrad_(wrong('w')),
  };
  for (const [name, call] of Object.entries(refused))
    it(`of ${name}`, () => {
      expect(call).toThrow(NablaError);
      expect(isDeterministic()).toBe(false);
    });
});

/** A model as one writes it in PyTorch. */
class Layer {
  readonly w = ones([2], { requiresGrad: true });
}

it('instances of classes are no models: their tensors would be passed over', () => {
  const layer = wrong(new Layer());
  for (const model of [layer, [layer], { layer, b: ones([]) }]) {
    expectError(() => zeroGrad(model), ArgumentError, 'array or plain object of tensors, got object');
    expectError(() => nabla.requiresGrad_(model, false), ArgumentError, 'requiresGrad_: expected an array');
    expectError(() => nabla.grad((_: Tensor) => layer.w.sum())(model), ArgumentError, 'transform API must be Tensor');
    expectError(() => nabla.vjp((_: Tensor) => layer.w.sum(), model), ArgumentError, 'transform API must be Tensor');
  }
  expectError(() => nabla.grad((t: Tensor) => t)(wrong(3)), ArgumentError, 'must be Tensor, or an array');
  zeroGrad(wrong({ w: layer.w, lr: 0.1, name: 'layer', f: () => 0 }));
});

it('a dtype that is null is none', () => {
  expect(x.sum(1, { dtype: wrong(null) }).dtype).toBe('float32');
  expect(x.softmax(1, { dtype: wrong(null) }).dtype).toBe('float32');
});

it('losses of shapes that differ are warned of', () => {
  const warnings: string[] = [];
  const previous = setWarningHandler((message) => warnings.push(message));
  try {
    for (const loss of ['mseLoss', 'l1Loss', 'smoothL1Loss', 'huberLoss'] as const) {
      setWarningHandler((message) => warnings.push(message));
      const column: Tensor = ones([3, 1]);
      F[loss](column, ones([3, 1]));
      expect(warnings.splice(0)).toEqual([]);
      F[loss](column, ones([3]));
      expect(warnings.splice(0)).toEqual([
        `${loss}: Using a target size ([3]) that is different to the input size ([3, 1]). This will likely lead to incorrect results due to broadcasting. Please ensure they have the same size.`,
      ]);
      expectError(() => F[loss](x, wrong(x.reshape([3, 2]))), nabla.ShapeError, `${loss}: shapes [2, 3] and [3, 2]`);
    }
  } finally {
    setWarningHandler(previous);
  }
});

it('JSON has the nested arrays of a tensor', () => {
  const y = tensor(
    [
      [1, 2.5],
      [Number.NaN, -1],
    ],
    { requiresGrad: true },
  );
  expect(JSON.stringify({ y: y.mul(2), b: tensor(true), n: tensor(3) })).toBe('{"y":[[2,5],[null,-2]],"b":true,"n":3}');
});
