import { execFileSync } from 'node:child_process';
import { inspect } from 'node:util';
import { grad, jvp, ones, type Tensor, tensor, vmap, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';

/* How hosts show a tensor; the text itself is tested against PyTorch's in print.test.ts. */

const t = tensor([
  [1, 2.5],
  [-3, 4],
]);
const text = 'tensor([[ 1.0000,  2.5000],\n        [-3.0000,  4.0000]])';

function hook(x: Tensor, name: string): unknown {
  const method: unknown = Reflect.get(x, Symbol.for(name));
  return typeof method === 'function' ? method.call(x) : undefined;
}

describe('the text of a tensor', () => {
  it('is what strings and console.log show', () => {
    expect(String(t)).toBe(text);
    expect(`${t}`).toBe(text);
    expect(t.toString()).toBe(text);
    expect(inspect(t)).toBe(text);
    expect(inspect({ x: tensor(1) })).toBe('{ x: tensor(1.) }');
    expect(hook(t, 'nodejs.util.inspect.custom')).toBe(text);
    expect(hook(t, 'Deno.customInspect')).toBe(text);
  });

  it('says where gradients go', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    expect(String(x)).toBe('tensor([1., 2.], requires_grad=True)');
    expect(String(x.mul(2))).toBe('tensor([2., 4.], grad_fn=<MulBackward0>)');
    expect(String(x.dot(x).mul(2))).toBe('tensor(10., grad_fn=<MulBackward0>)');
    expect(String(x.detach())).toBe('tensor([1., 2.])');
  });

  it('is in console.log of a program', () => {
    const program = `import { tensor } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
      console.log(tensor([1, 2]), [tensor(3)]);`;
    const out = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      env: { ...process.env, NO_COLOR: '1' },
      encoding: 'utf8',
    });
    expect(out).toBe('tensor([1., 2.]) [ tensor(3.) ]\n');
  });
});

describe('in a notebook', () => {
  it('a tensor is text and a table', () => {
    const bundle = hook(t, 'Jupyter.display') as Record<string, string>;
    expect(Object.keys(bundle).sort()).toEqual(['text/html', 'text/plain']);
    expect(bundle['text/plain']).toBe(text);
    expect(bundle['text/html']).toContain('<table');
    expect(bundle['text/html'].match(/<tr/g)?.length).toBeGreaterThanOrEqual(2);
    for (const cell of ['1', '2.5', '-3', '4']) expect(bundle['text/html']).toContain(cell);
  });

  it('every rank and size has a display', () => {
    for (const x of [tensor(1), ones([3]), zeros([0]), ones([2, 2, 2]), ones([1000, 1000]), tensor([true])]) {
      const bundle = hook(x, 'Jupyter.display') as Record<string, string>;
      expect(bundle['text/plain']).toBe(String(x));
      expect(bundle['text/html'].length).toBeLessThan(100_000);
    }
  });
});

describe('inside a transform', () => {
  it('the text says what stands for what', () => {
    const shown: string[] = [];
    const look = (x: Tensor): Tensor => {
      shown.push(String(x), inspect(x));
      return x.sum();
    };
    const x = tensor([1, 2]);
    grad(look)(x);
    vmap(look)(x.unsqueeze(0));
    jvp(look, [x], [x]);
    expect(shown[0]).toBe('GradTrackingTensor(lvl=1, value=\n    tensor([1., 2.])\n)');
    expect(shown[2]).toContain('BatchedTensor(');
    expect(shown[4]).toContain('DualTensor(primal=\n    tensor([1., 2.])');
    expect(shown[4]).toContain('tangent=');
    expect([shown[1], shown[3], shown[5]]).toEqual([shown[0], shown[2], shown[4]]);
  });
});

it('Jest copies the fields of a tensor and asks no getter', () => {
  const x = tensor([1, 2]);
  const listed = Symbol.for('@jest/serializableProperties');
  expect((x as { [listed]?: unknown })[listed]).toEqual(Object.keys(x));
});
