"""The models of bench/models in PyTorch: the same functions over the same lists of parameters."""

import math

import torch
import torch.nn.functional as F


def weight(*shape, fan_in):
    bound = 1 / math.sqrt(fan_in)
    return torch.empty(*shape).uniform_(-bound, bound).requires_grad_()


def bias(n):
    return torch.zeros(n, requires_grad=True)


def scale(n):
    return torch.ones(n, requires_grad=True)


def training(optimiser, parameters, loss, **options):
    """The step of a training."""
    torch.manual_seed(0)
    optimiser = optimiser(parameters, **options)

    def step():
        loss(parameters).backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)

    return step


def mlp(parameters, x):
    w1, b1, w2, b2 = parameters
    return F.linear(F.linear(x, w1, b1).relu(), w2, b2)


def mlp_parameters(inputs, hidden, outputs):
    return [weight(hidden, inputs, fan_in=inputs), bias(hidden), weight(outputs, hidden, fan_in=hidden), bias(outputs)]


def mlp_training(batch, hidden):
    x, y = torch.randn(batch, 784), torch.randint(0, 10, (batch,))
    return mlp_parameters(784, hidden, 10), lambda p: F.cross_entropy(mlp(p, x), y)


def cnn_training(batch):
    x, y = torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))
    features = 32 * 7 * 7
    parameters = [
        weight(16, 1, 3, 3, fan_in=9),
        bias(16),
        weight(32, 16, 3, 3, fan_in=16 * 9),
        bias(32),
        weight(10, features, fan_in=features),
        bias(10),
    ]

    def loss(p):
        k1, b1, k2, b2, w, b = p
        h = F.max_pool2d(F.conv2d(x, k1, b1, padding=1).relu(), 2)
        h = F.max_pool2d(F.conv2d(h, k2, b2, padding=1).relu(), 2)
        return F.cross_entropy(F.linear(h.reshape(batch, -1), w, b), y)

    return parameters, loss


def attention_of(q, k, v):
    """Fused from PyTorch 2.0 on."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    length = q.shape[-2]
    hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-2, -1)) / math.sqrt(q.shape[-1])
    return scores.masked_fill(hidden, -math.inf).softmax(-1) @ v


def gpt_training(batch=16, length=64, width=128, layers=4, heads=4, vocabulary=65):
    tokens = torch.randint(0, vocabulary, (batch, length))
    following = torch.randint(0, vocabulary, (batch * length,))
    parameters = [weight(vocabulary, width, fan_in=width), weight(length, width, fan_in=width)]
    for _ in range(layers):
        parameters += [
            scale(width),
            bias(width),
            weight(3 * width, width, fan_in=width),
            bias(3 * width),
            weight(width, width, fan_in=width),
            bias(width),
            scale(width),
            bias(width),
            weight(4 * width, width, fan_in=width),
            bias(4 * width),
            weight(width, 4 * width, fan_in=4 * width),
            bias(width),
        ]
    parameters += [scale(width), bias(width), weight(vocabulary, width, fan_in=width)]

    def split(y):
        return y.view(batch, length, heads, width // heads).transpose(1, 2)

    def loss(p):
        x = F.embedding(tokens, p[0]) + p[1]
        for i in range(layers):
            g, b, w, c, w_out, c_out, g2, b2, w1, c1, w2, c2 = p[2 + 12 * i : 14 + 12 * i]
            q, k, v = F.linear(F.layer_norm(x, (width,), g, b), w, c).split(width, dim=2)
            y = attention_of(split(q), split(k), split(v))
            x = x + F.linear(y.transpose(1, 2).reshape(batch, length, width), w_out, c_out)
            x = x + F.linear(F.gelu(F.linear(F.layer_norm(x, (width,), g2, b2), w1, c1)), w2, c2)
        g, b, head = p[-3:]
        logits = F.linear(F.layer_norm(x, (width,), g, b), head)
        return F.cross_entropy(logits.view(batch * length, vocabulary), following)

    return parameters, loss


def lstm_training(layers=2, size=128, length=64, batch=32):
    """With PyTorch's own LSTM, as anybody would write it."""
    x = torch.randn(length, batch, size)
    lstm = torch.nn.LSTM(size, size, layers)
    return list(lstm.parameters()), lambda p: lstm(x)[0][-1].square().mean()


def rosenbrock(x):
    a, b = x[:-1], x[1:]
    return (100 * (b - a.square()).square() + (1 - a).square()).sum()
