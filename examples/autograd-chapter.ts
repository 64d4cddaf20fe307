/**
 * The automatic differentiation chapter of "Dive into Deep Learning", cell by cell, with Nabla.
 * Run it with `npm start`, or `npm start -- --lang zh` for the Chinese text.
 */
import * as Plot from '@observablehq/plot';
import {
  arange,
  autograd,
  eye,
  grad,
  hessian,
  jacobian,
  linspace,
  manualSeed,
  memoryStats,
  noGrad,
  ones,
  onesLike,
  rand,
  randn,
  type Tensor,
  tensor,
} from 'nabla';
import { countNodes, microseconds } from './lib/measure.ts';
import { notebook } from './lib/notebook.ts';
import { writePlot } from './lib/svg.ts';

const { md, show, fails, say } = notebook(import.meta.url);

md({
  en: `# Automatic differentiation

    Training a model means differentiating a function of many variables, again and again. Working the
    derivatives out by hand is tedious and goes wrong. Nabla does it for us: while we compute, it
    records which operation made which value (the computational graph), and then walks that record
    backwards, applying the chain rule at each step.

    ## A simple example

    We want to differentiate y = 2 x·x with respect to the column vector x. First we give x a value.`,
  zh: `# 自动微分

    训练模型，就是一遍又一遍地对多元函数求导。手工推导既繁琐又容易出错。Nabla 替我们完成这件事：
    计算时，它记录下每个值由哪个运算产生（即计算图）；然后沿着记录反向走一遍，在每一步应用链式法则。

    ## 一个简单的例子

    假设我们想对函数 y = 2 x·x 关于列向量 x 求导。首先，给变量 x 分配一个初始值。`,
});
const x = arange(4);
show(x);

md({
  en: `Before we compute the gradient of y by x, we need a place to keep it. The gradient of a scalar by a
    vector x is a vector of the same shape as x. We do not take new memory every time we differentiate by
    a parameter: that happens thousands of times. A tensor with requiresGrad is a leaf of the graph, and
    its gradient lives in x.grad. Before the first backward pass there is none.`,
  zh: `在计算 y 关于 x 的梯度之前，需要一个地方来存储梯度。一个标量函数关于向量 x 的梯度是向量，并且与 x 形状相同。
    我们不会在每次对一个参数求导时都分配新的内存，因为我们经常会成千上万次地更新相同的参数。
    设置了 requiresGrad 的张量是计算图的叶子，它的梯度保存在 x.grad 中；在第一次反向传播之前，它是空的。`,
});
x.requiresGrad_();
show(x);
show(x.grad);

md({
  en: `Only floating point numbers can vary continuously: a tensor of integers refuses.`,
  zh: `只有浮点数才能连续变化：整数张量会拒绝求导。`,
});
fails(() => arange(4, { dtype: 'int32' }).requiresGrad_());

md({
  en: `Now we compute y.`,
  zh: `现在计算 y。`,
});
const y = x.dot(x).mul(2);
show(y);

md({
  en: `The result remembers the operation that made it. Calling backward computes the gradient of y by every
    element of x; it appears in x.grad.`,
  zh: `结果记得产生它的运算。调用反向传播函数 backward，自动计算 y 关于 x 每个分量的梯度，并保存在 x.grad 中。`,
});
y.backward();
show(x.grad);

md({
  en: `The gradient of 2 x·x is 4x. Is that what we got?`,
  zh: `函数 y = 2 x·x 关于 x 的梯度应为 4x。让我们快速验证这个梯度是否计算正确。`,
});
show(x.grad?.eq(x.mul(4)));

md({
  en: `Gradients add up: another backward pass adds to what x.grad holds, so we clear it before we
    differentiate another function of x.`,
  zh: `梯度会累积：再做一次反向传播，结果会加到 x.grad 已有的值上。因此在计算 x 的另一个函数之前，需要清除之前的值。`,
});
x.grad?.zero_();
x.sum().backward();
show(x.grad);

md({
  en: `They add up in the same buffer. After 10,000 more passes x.grad is the same tensor in the same memory, and the
    linear memory has not grown by a byte.`,
  zh: `累积发生在同一块缓冲区里。再做 10,000 次反向传播之后，x.grad 仍是同一个张量、同一块内存，线性内存一个字节也没有增长。`,
});
const buffer = x.grad;
const storage = x.grad?.storage;
for (let i = 0; i < 100; i++) x.sum().backward();
const bytesBefore = memoryStats().linearMemoryBytes;
for (let i = 0; i < 9_900; i++) x.sum().backward();
show(x.grad);
show(x.grad === buffer, x.grad?.storage === storage, memoryStats().linearMemoryBytes - bytesBefore);

md({
  en: `## Backward for values that are not scalars

    When y is a vector, its derivative by a vector x is a matrix. backward starts from a scalar, and says so.`,
  zh: `## 非标量变量的反向传播

    当 y 不是标量时，向量 y 关于向量 x 的导数最自然的解释是一个矩阵。backward 需要从标量出发，否则会报错。`,
});
x.grad?.zero_();
const v: Tensor = x.mul(x);
show(v);
fails(() => v.backward());

md({
  en: `Usually we do not want the matrix but the sum of the derivatives of all elements: we pass the vector of weights
    (here ones) as the gradient, or sum first. Both give the same.`,
  zh: `通常我们想要的不是这个矩阵，而是各分量导数之和：可以传入权重向量（这里全为 1）作为 gradient，也可以先求和。两者等价。`,
});
v.backward({ gradient: ones([4]) });
show(x.grad);
x.grad?.zero_();
x.mul(x).sum().backward();
show(x.grad);

md({
  en: `The whole matrix is there too, when we ask for it: the Jacobian, row i holding the derivatives of element i.`,
  zh: `如果需要，也可以得到整个矩阵，即雅可比矩阵：第 i 行是第 i 个分量的导数。`,
});
show(jacobian((t: Tensor) => t.mul(t))(arange(4)));

md({
  en: `And the derivative of a matrix by a vector is a tensor of higher order: here the outer product of x with itself,
    entry [i, j, k] being the derivative of xᵢ xⱼ by xₖ.`,
  zh: `矩阵关于向量的导数则是一个更高阶的张量：这里是 x 与自身的外积，元素 [i, j, k] 是 xᵢ xⱼ 对 xₖ 的导数。`,
});
const outer = jacobian((t: Tensor) => t.unsqueeze(1).mul(t.unsqueeze(0)))(tensor([1, 2, 3]));
show(outer.shape);
show(outer);

md({
  en: `## Detaching

    Sometimes part of a computation should stay outside the graph. Let y be computed from x, and z from y and x, and
    say we want the gradient of z by x as if y were a constant. u = y.detach() has the values of y, and no history.`,
  zh: `## 分离计算

    有时，我们希望将某些计算移动到记录的计算图之外。假设 y 是 x 的函数，而 z 则是 y 和 x 的函数。
    我们想计算 z 关于 x 的梯度，但希望将 y 视为一个常数。u = y.detach() 与 y 的值相同，但没有历史。`,
});
x.grad?.zero_();
const w = x.mul(x);
const u = w.detach();
const z = u.mul(x);
z.sum().backward();
show(x.grad?.eq(u));

md({
  en: `The record of y itself is still there: through the other branch we get 2x.`,
  zh: `由于 y 本身的计算记录仍在，我们可以从另一条分支得到 y = x·x 关于 x 的导数，即 2x。`,
});
x.grad?.zero_();
w.sum().backward();
show(x.grad?.eq(x.mul(2)));

md({
  en: `## Gradients through control flow

    The graph is recorded while the program runs, so it follows whatever the program does: loops and branches that
    depend on values are plain TypeScript.`,
  zh: `## 控制流的梯度计算

    计算图是在程序运行时记录的，所以无论程序怎么走，它都跟得上：依赖于值的循环与分支就是普通的 TypeScript。`,
});
function f(a: Tensor): Tensor {
  let b: Tensor = a.mul(2);
  while (+b.norm() < 1000) b = b.mul(2);
  return +b.sum() > 0 ? b : b.mul(100);
}

md({
  en: `Let us compute its gradient at a random number.`,
  zh: `让我们在一个随机数处计算梯度。`,
});
manualSeed(0);
const a = randn([], { requiresGrad: true });
const d = f(a);
d.backward();
show(a, d);

md({
  en: `f is linear in a piece by piece: f(a) = k a with some k that depends on a. So the gradient is d/a.`,
  zh: `f 在输入 a 中是分段线性的：对于任何 a，存在某个常量标量 k，使得 f(a) = k a，其中 k 的值取决于输入 a。因此梯度应为 d/a。`,
});
show(a.grad?.eq(d.div(a)));

md({
  en: `## Second derivatives

    With createGraph the backward pass is recorded as well, so its result can be differentiated again. The second
    derivative of x³ is 6x.`,
  zh: `## 二阶导数

    使用 createGraph 时，反向传播本身也会被记录，因此它的结果可以再次求导。x³ 的二阶导数是 6x。`,
});
const c = tensor([1, 2, 3], { requiresGrad: true });
const [first] = autograd.grad(c.pow(3).sum(), c, { createGraph: true });
const [second] = autograd.grad(first.sum(), c);
show(first);
show(second);

md({
  en: `## Exercises

    **1. Why is the second derivative so much more expensive than the first?** Because it differentiates a longer
    program: the forward pass and the backward pass together. We count the nodes each differentiation walks, and take
    the time, for the same function: a chain of 100 multiplications and sines.`,
  zh: `## 练习

    **1. 为什么计算二阶导数比一阶导数的开销要更大？** 因为被求导的程序更长：前向传播加上反向传播。
    我们对同一个函数（100 次乘法与正弦组成的链）数一数每次求导经过的节点，并测量时间。`,
});
const chain = (t: Tensor): Tensor => {
  let b = t;
  for (let i = 0; i < 50; i++) b = b.mul(t).sin();
  return b.sum();
};
const at = linspace(0.5, 1.5, 4, { dtype: 'float64', requiresGrad: true });
const value = chain(at);
const [slope] = autograd.grad(value, at, { createGraph: true });
const forwardNodes = countNodes(value);
const bothNodes = countNodes(slope.sum());
show(say({ en: 'nodes of the function:', zh: '函数的节点数：' }), forwardNodes);
show(say({ en: 'nodes of the function and its gradient:', zh: '函数及其梯度的节点数：' }), bothNodes);
const forwardTime = microseconds(() => chain(at));
const firstTime = microseconds(() => autograd.grad(chain(at), at));
const secondTime = microseconds(() => {
  const [s] = autograd.grad(chain(at), at, { createGraph: true });
  autograd.grad(s.sum(), at);
});
show(say({ en: 'forward:', zh: '前向：' }), `${forwardTime} µs`);
show(say({ en: 'forward + first derivative:', zh: '前向 + 一阶导数：' }), `${firstTime} µs`);
show(say({ en: 'forward + first + second derivative:', zh: '前向 + 一阶 + 二阶导数：' }), `${secondTime} µs`);

md({
  en: `The numbers add up: the first derivative walks the nodes of the function once. The second walks the nodes of the
    function and of its gradient, several times as many, and each node's rule is itself made of operations.`,
  zh: `数字是对得上的：一阶导数把函数的节点走一遍；二阶导数则要走函数及其梯度的全部节点，数量是前者的数倍，
    而每个节点的求导规则本身又由若干运算组成。`,
});

md({
  en: `**2. Run backward twice.** The graph was freed by the first pass, and the message says what to do.`,
  zh: `**2. 在运行反向传播函数之后，立即再次运行它，看看会发生什么。** 第一次反向传播已释放了计算图，错误信息会说明该怎么做。`,
});
const twice = x.mul(x).sum();
twice.backward();
fails(() => twice.backward());

md({
  en: `With retainGraph it works, and the gradients add up.`,
  zh: `使用 retainGraph 就可以再次运行，梯度会累积。`,
});
x.grad?.zero_();
const kept = x.mul(x).sum();
kept.backward({ retainGraph: true });
kept.backward();
show(x.grad);

md({
  en: `**3. What if a is a vector or a matrix in f(a)?** The result is no scalar any more, so backward needs a gradient;
    f is linear in a still, and the gradient is d/a as before.`,
  zh: `**3. 在控制流的例子中，如果将变量 a 更改为随机向量或矩阵，会发生什么？** 结果不再是标量，backward 需要传入 gradient；
    f 仍然对 a 线性，梯度同样是 d/a。`,
});
for (const shape of [[3], [2, 3]]) {
  const many = rand(shape, { requiresGrad: true });
  const result = f(many);
  fails(() => result.backward());
  result.backward({ gradient: onesLike(result) });
  show(many.grad);
  show(many.grad?.sub(result.div(many)).abs().lt(1e-3));
}

md({
  en: `**4. Draw sin x and its derivative without ever writing cos.** The derivative is what backward computes.`,
  zh: `**4. 使 f(x) = sin(x)，绘制 f(x) 和 df(x)/dx 的图像，其中后者不使用 f'(x) = cos(x)。** 导数由 backward 计算。`,
});
const t = linspace(-2 * Math.PI, 2 * Math.PI, 201, { requiresGrad: true });
const sine = t.sin();
sine.sum().backward();
const points = [...t.toTypedArray()].map((px, i) => ({
  x: px,
  y: sine.toTypedArray()[i],
  slope: t.grad?.toTypedArray()[i],
}));
const file = writePlot('sin', {
  grid: true,
  x: { label: 'x' },
  y: { label: 'f(x), df/dx' },
  marks: [
    Plot.ruleY([0]),
    Plot.lineY(points, { x: 'x', y: 'y', stroke: 'steelblue' }),
    Plot.lineY(points, { x: 'x', y: 'slope', stroke: 'darkorange', strokeDasharray: '6 4' }),
  ],
});
show(say({ en: 'drawn:', zh: '已绘制：' }), file);

md({
  en: `The same as functions: grad gives the derivative of a function as a function, and the two nest. Here is the second
    derivative of sin at 0, π/2 and π, and a whole Hessian.`,
  zh: `换成函数的写法：grad 把一个函数的导数作为函数返回，并且可以嵌套。这里是 sin 在 0、π/2、π 处的二阶导数，以及一个完整的黑塞矩阵。`,
});
const sin = (s: Tensor): Tensor => s.sin().sum();
show(grad((s: Tensor) => grad(sin)(s).sum())(tensor([0, Math.PI / 2, Math.PI])));
show(hessian((s: Tensor) => s.prod())(tensor([1, 2, 3])));
show(
  noGrad(() => x.mul(2)),
  eye(2).requiresGrad,
);
