/** A small GPT (Radford et al. 2019): blocks of causal attention and a feed-forward layer, each behind a layer norm. */
import { crossEntropy, functional as F, ones, randint, type Tensor } from 'nabla';
import { bias, seeded, type Training, weight } from './layers.ts';

export interface GptSizes {
  readonly batch: number;
  readonly length: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabulary: number;
}

/** How many parameters a block has; before the blocks stand two embeddings, behind them a norm and the head. */
const PER_BLOCK = 12;

function blockParameters(width: number): Tensor[] {
  const scale = (): Tensor => ones([width], { requiresGrad: true });
  return [
    scale(),
    bias(width),
    weight([3 * width, width], width),
    bias(3 * width),
    weight([width, width], width),
    bias(width),
    scale(),
    bias(width),
    weight([4 * width, width], width),
    bias(4 * width),
    weight([width, 4 * width], 4 * width),
    bias(width),
  ];
}

type Six = [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];

function attention(parameters: readonly Tensor[], x: Tensor, { batch, length, width, heads }: GptSizes): Tensor {
  const [g, b, w, c, wOut, cOut] = parameters as Six;
  const all = F.linear(F.layerNorm(x, [width], { weight: g, bias: b }), w, c);
  const [q, k, v] = all
    .split(width, 2)
    .map((part: Tensor) => part.reshape([batch, length, heads, width / heads]).transpose(1, 2)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const y = F.scaledDotProductAttention(q, k, v, { isCausal: true });
  return F.linear(y.transpose(1, 2).reshape([batch, length, width]), wOut, cOut);
}

function feedForward(parameters: readonly Tensor[], x: Tensor, { width }: GptSizes): Tensor {
  const [g, b, w, c, wOut, cOut] = parameters as Six;
  const h = F.linear(F.layerNorm(x, [width], { weight: g, bias: b }), w, c);
  return F.linear(F.gelu(h), wOut, cOut);
}

function gpt(parameters: readonly Tensor[], tokens: Tensor, sizes: GptSizes): Tensor {
  const [wte, wpe] = parameters as [Tensor, Tensor];
  let x: Tensor = (F.embedding(tokens, wte) as Tensor).add(wpe);
  for (let i = 0; i < sizes.layers; i++) {
    const own = parameters.slice(2 + i * PER_BLOCK, 2 + (i + 1) * PER_BLOCK);
    x = x.add(attention(own.slice(0, 6), x, sizes));
    x = x.add(feedForward(own.slice(6), x, sizes));
  }
  const [g, b, head] = parameters.slice(-3) as [Tensor, Tensor, Tensor];
  return F.linear(F.layerNorm(x, [sizes.width], { weight: g, bias: b }), head);
}

export function gptTraining(sizes: GptSizes): Training {
  const { batch, length, width, layers, vocabulary } = sizes;
  return seeded(() => {
    const tokens: Tensor = randint(0, vocabulary, [batch, length]);
    const next: Tensor = randint(0, vocabulary, [batch * length]);
    return {
      parameters: [
        weight([vocabulary, width], width),
        weight([length, width], width),
        ...Array.from({ length: layers }, () => blockParameters(width)).flat(),
        ones([width], { requiresGrad: true }),
        bias(width),
        weight([vocabulary, width], width),
      ],
      loss: (parameters) => crossEntropy(gpt(parameters, tokens, sizes).reshape([batch * length, vocabulary]), next),
    };
  });
}
