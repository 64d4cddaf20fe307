import { expect, it } from 'vitest';
import { check } from './compiler.ts';

const imports = "import { cat, ones, Tensor, tensor, zeros } from 'nabla';";

/** An attention block and a loss, 23 operations on shapes that occur in no other block. */
const block = (i: number): string => {
  const [batch, steps, heads, size] = [i + 2, 2 * i + 5, 8, 3 * i + 16];
  const width = heads * size;
  return `{
    const x = zeros([${batch}, ${steps}, ${width}]);
    const heads = (w: Tensor<[${width}, ${width}]>) =>
      x.matmul(w).reshape([${batch}, ${steps}, ${heads}, ${size}]).transpose(1, 2);
    const q = heads(ones([${width}, ${width}])), k = heads(ones([${width}, ${width}])), v = heads(ones([${width}, ${width}]));
    const scores = q.matmul(k.mT).mul(0.1).add(zeros([${steps}, ${steps}])).softmax(-1);
    const y: Tensor<[${batch}, ${steps}, ${width}]> = scores.matmul(v).transpose(1, 2).flatten(2);
    const z = cat([x, y], -1).sub(y.mean(-1, { keepdim: true })).relu();
    z.permute([2, 0, 1]).unsqueeze(0).squeeze(0).sum([0, 1]).pow(2).mean().backward();
  }`;
};

it('what an operation costs the compiler', () => {
  const blocks = Array.from({ length: 20 }, (_, i) => block(i));
  // The first block pays for the class besides, which is more the more methods it has.
  const first = check([`${imports} export { cat, ones, Tensor, tensor, zeros };\n${blocks[0]}`]);
  const full = check([`${imports} export { cat, ones, Tensor, tensor, zeros };\n${blocks.join('\n')}`]);
  expect(full.messages).toEqual([[]]);
  // 227 when the first block was set aside, 14,173 for that. The counts are the same on every machine, so a type that
  // begins to do its work twice shows at once.
  const perOperation = (full.instantiations - first.instantiations) / (19 * 23);
  expect(perOperation).toBeLessThan(235);
  expect(first.instantiations).toBeLessThan(15_000);
});
