import { describe, expect, it } from 'vitest';
import { check } from './compiler.ts';

const names = [
  'arange cat crossEntropy einsum full nllLoss ones randn stack tensor Tensor where zeros',
  'dim Linear',
].map((list) => list.split(' ').join(', '));
const preamble = `
  import { ${names[0]} } from 'nabla';
  import { ${names[1]} } from './ahead.ts';
  export const used = [${names.join(', ')}];
  const n = 4 as number;
  const a = tensor([[1, 2, 3], [4, 5, 6]]);
  const b = zeros([4, 3]);
  const v = zeros([3]);
  const x = randn([n, 784]);
  const fc = new Linear(784, 128);
  export const given = [a, b, v, x, fc];
`;

const refused = (argument: string, message: string): string =>
  `Argument of type '${argument}' is not assignable to parameter of type '"${message}"'.`;

/** A snippet with one mistake, and the one message it must give. */
const cases: readonly (readonly [snippet: string, message: string])[] = [
  ['a.add(b)', refused('Tensor<[4, 3]>', 'shapes [2, 3] and [4, 3] cannot be broadcast: dim 0 is 2 vs 4')],
  ['v.add(zeros([2, 4]))', refused('Tensor<[2, 4]>', 'shapes [3] and [2, 4] cannot be broadcast: dim 1 is 3 vs 4')],
  ['where(a.gt(0), b, 0)', refused('Tensor<[4, 3]>', 'shapes [2, 3] and [4, 3] cannot be broadcast: dim 0 is 2 vs 4')],
  ['v.add_(a)', refused('Tensor<[2, 3]>', 'in place: shape [3] cannot take the broadcast shape [2, 3]')],
  [
    'x.matmul(zeros([128, 10]))',
    refused('Tensor<[128, 10]>', 'matmul: [number, 784] @ [128, 10]: inner sizes 784 and 128 differ'),
  ],
  ['v.dot(zeros([4]))', refused('Tensor<[4]>', 'dot: sizes 3 and 4 differ')],
  ['a.mm(v)', refused('Tensor<[3]>', 'mm needs two matrices, got shapes [2, 3] and [3]')],
  ['a.mv(zeros([2]))', refused('Tensor<[2]>', 'mv: [2, 3] @ [2]: inner sizes 3 and 2 differ')],
  [
    'zeros([2, 3, 4]).bmm(zeros([5, 4, 6]))',
    refused('Tensor<[5, 4, 6]>', 'bmm: [2, 3, 4] @ [5, 4, 6]: batch sizes 2 and 5 differ'),
  ],
  [
    'zeros([2, 3, 4]).matmul(zeros([5, 4, 6]))',
    refused('Tensor<[5, 4, 6]>', 'matmul, batch dims: shapes [2] and [5] cannot be broadcast: dim 0 is 2 vs 5'),
  ],
  ['a.sum(2)', refused('2', 'dim 2 is out of range for shape [2, 3]')],
  ['a.sum([0, -2])', refused('number[]', 'dim -2 appears multiple times in [0, -2]')],
  ['a.softmax(-3)', refused('-3', 'dim -3 is out of range for shape [2, 3]')],
  [
    'zeros([32, 784]).reshape([32, 28, 29])',
    refused('number[]', 'reshape: [32, 784] has 25088 elements, [32, 28, 29] has 25984'),
  ],
  ['a.view([4])', refused('number[]', 'view: [2, 3] has 6 elements, [4] has 4')],
  ['a.reshape([4, -1])', refused('number[]', 'reshape: the 6 elements of [2, 3] do not divide into [4, -1]')],
  ['a.reshape([-1, -1])', refused('number[]', 'reshape: only one dimension can be inferred, got [-1, -1]')],
  ['a.expand([2, 4])', refused('number[]', 'expand: [2, 3] cannot become [2, 4]: dim 1 is 3 vs 4')],
  ['a.flatten(1, 0)', refused('0', 'flatten: dim 1 comes after dim 0 in [2, 3]')],
  ['a.permute([0, 0])', refused('number[]', 'permute: [0, 0] is not an order of the dims of [2, 3]')],
  ['a.permute([0])', refused('number[]', 'permute: 1 dims given for shape [2, 3]')],
  ['a.select(0, 2)', refused('2', 'index 2 is out of bounds for dim 0 with size 2')],
  ['a.narrow(1, 1, 3)', refused('3', 'narrow: 3 from 1 on exceeds dim 1 of [2, 3]')],
  ['a.as([3, 2])', refused('number[]', 'as: the tensor has shape [2, 3], not [3, 2]')],
  [
    'fc.forward(zeros([32, 100]))',
    refused('Tensor<[32, 100]>', 'Linear(784, 128) needs a last dim of 784, got [32, 100]'),
  ],
  ["einsum('ij,jk->ik', a, b)", refused('"ij,jk->ik"', 'einsum: index j is 3 and 4')],
  [
    'cat([a, zeros([2, 4])])',
    refused('(Tensor<[2, 3]> | Tensor<[2, 4]>)[]', 'cat along dim 0: shapes [2, 3] and [2, 4] differ elsewhere'),
  ],
  ['stack([a, b])', refused('(Tensor<[2, 3]> | Tensor<[4, 3]>)[]', 'stack: shapes [2, 3] and [4, 3] differ')],
  [
    'crossEntropy(a, zeros([3]))',
    refused('Tensor<[3]>', 'crossEntropy: logits [2, 3] go with class indices [2] or probabilities [2, 3], got [3]'),
  ],
  ['tensor([[1, 2], [3]])', refused('number[][]', 'tensor: rows have different lengths')],
  [
    "const batch = dim('batch', 8), seq = dim('seq', 8); zeros([batch, 3]).add(zeros([seq, 3]))",
    refused(`Tensor<[Dim<"seq">, 3]>`, 'shapes [batch, 3] and [seq, 3] cannot be broadcast: dim 0 is batch vs seq'),
  ],
  [
    'a.sum(0).backward()',
    `The 'this' context of type 'Tensor<[3]>' is not assignable to method's 'this' of type '"backward() needs a gradient argument for a tensor of shape [3]"'.`,
  ],
  [
    'a.item()',
    `The 'this' context of type 'Tensor<[2, 3]>' is not assignable to method's 'this' of type '"item() needs one element, not a tensor of shape [2, 3]"'.`,
  ],
  [
    'a.backward({ gradient: v })',
    `Type 'Tensor<[3]>' is not assignable to type '"backward: the gradient has shape [3], the tensor [2, 3]"'.`,
  ],
];

/** A variable that changes its shape, the one mistake of those who ignore types. */
const assigned = 'let h = randn([32, 784]); h = fc.forward(h);';
/** One mistake early in a chain. */
const chain = 'a.add(b).matmul(zeros([7, 7])).sum(9).add(v).item();';
/** Mistakes of every kind. */
const many = `
  a.add(b); a.matmul(b).item(); a.sum(7); tensor([[1, 2], [3]]); cat([a, b], 1); arange(4).reshape([7]);
  let h = zeros([2, 3]); h = h.matmul(zeros([3, 4])); ones([3]).backward();
`;

describe('what the editor says', () => {
  const snippets = [...cases.map(([snippet]) => snippet), assigned, chain, many];
  const { messages } = check(snippets.map((snippet) => `${preamble}\n${snippet};`));

  it.each(cases.map(([snippet, message], i) => ({ snippet, message, said: messages[i] })))(
    '$snippet',
    ({ message, said }) => {
      expect(said).toEqual([message]);
    },
  );

  it('is where two shapes differ, of a tensor assigned to another', () => {
    const lines =
      messages
        .at(-3)?.[0]
        .split('\n')
        .map((line) => line.trim()) ?? [];
    expect(lines[0]).toBe("Type 'Tensor<[32, 128]>' is not assignable to type 'Tensor<[32, 784]>'.");
    expect(lines.at(-1)).toBe("Type '128' is not assignable to type '784'.");
    expect(lines.join()).toContain("shape' are incompatible");
  });

  it('is one thing about one mistake', () => {
    expect(messages.at(-2)).toHaveLength(1);
  });

  it('is something about each', () => {
    expect(messages.at(-1)).toHaveLength(8);
  });
});

describe('shapes: false', () => {
  it('lets everything pass', () => {
    const off = "declare module 'nabla' { interface Config { shapes: false } }";
    const { messages } = check([`${off}\n${preamble}\n${many}`, `${preamble}\nexport const shape: string = a.shape;`]);
    expect(messages[0]).toEqual([]);
    // Switched off for the whole program: every tensor is a plain one.
    expect(messages[1]).toEqual(["Type 'readonly number[]' is not assignable to type 'string'."]);
  });
});

// There null is of every type, and what the shapes of a strict program say holds no longer.
describe('strictNullChecks: false', () => {
  it('lets everything pass', () => {
    const made = 'export const made: string = zeros([2, 3]).reshape([6]).matmul(tensor([1, 2])).shape;';
    const { messages } = check([`${preamble}\n${many}`, `${preamble}\n${made}`], { strictNullChecks: false });
    expect(messages[0]).toEqual([]);
    expect(messages[1]).toEqual(["Type 'readonly number[]' is not assignable to type 'string'."]);
  });
});
