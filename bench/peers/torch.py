"""The same cases in PyTorch: takes threads and milliseconds, then names of cases on standard input, and prints samples."""

import json
import os
import resource
import sys
import time

# As `python3 -` would put it: a directory with a torch.py on the path would hide the real one.
here = os.path.dirname(os.path.abspath(__file__))
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != here]
import torch
import torch.nn.functional as F

sys.path.append(here)
import torch_models as models

try:
    from torch.func import grad, vmap
except ImportError:
    try:
        from functorch import grad, vmap
    except ImportError:
        grad = vmap = None

SIZES = {"16k": 1 << 14, "1M": 1 << 20, "10M": 10_000_000}


def seed_example():
    x = torch.arange(4.0, requires_grad=True)

    def call():
        x.grad = None
        (2 * torch.dot(x, x)).backward()

    return call


def chain(length, other):
    def setup():
        x = torch.tensor(1.0, requires_grad=True)
        w = other()

        def call():
            x.grad = None
            y = x
            for _ in range(length):
                y = y * w
            y.backward()

        return call

    return setup


def in_place(name, n, operand=None):
    def setup():
        x = torch.randn(n) if operand is not None else torch.randn(n).abs()
        method = getattr(x, name)
        if operand is None:
            return method
        y = operand(x)
        return lambda: method(y)

    return setup


def exp_then_neg():
    x = torch.randn(SIZES["16k"])
    return lambda: x.exp_().neg_()


def matmul(n, dtype):
    def setup():
        a, b = torch.randn(n, n, dtype=dtype), torch.randn(n, n, dtype=dtype)
        return lambda: a @ b

    return setup


CASES = {
    "seed example, forward + backward": seed_example,
    "seed example inside a larger program": seed_example,
    "chain of 1,000 mul, per operation": chain(1000, lambda: 1.0001),
    "chain of 1,000 mul of two tensors, per operation": chain(1000, lambda: torch.tensor(1.0001, requires_grad=True)),
    "exp_ then neg_ 16k": exp_then_neg,
}
for size, n in SIZES.items():
    CASES[f"add_ {size}"] = in_place("add_", n, lambda x: torch.randn_like(x) * 1e-3)
    CASES[f"mul_ {size}"] = in_place("mul_", n, torch.sign)
for name in ["sin", "tanh", "sigmoid", "sqrt"]:
    CASES[f"{name}_ 16k"] = in_place(f"{name}_", SIZES["16k"])


# ─── new results by size ─────────────────────────────────────────────────────────────────────────


def binary(f):
    def make(n):
        a, b = torch.randn(n), torch.randn(n)
        return lambda: f(a, b)

    return make


def unary(f, positive=False):
    def make(n):
        x = torch.randn(n).abs() if positive else torch.randn(n)
        return lambda: f(x)

    return make


def on_rows(f):
    def make(n):
        x = torch.randn(10, 100) if n == 1000 else torch.randn(n // 1000, 1000)
        return lambda: f(x)

    return make


def sized(make, n):
    return lambda: make(n)


OPERATIONS = {
    "add": binary(torch.add),
    "mul": binary(torch.mul),
    "sum": unary(torch.sum),
    "mean": unary(torch.mean),
    "max": unary(torch.max),
    "softmax": on_rows(lambda x: x.softmax(1)),
    "layer norm": on_rows(lambda x: F.layer_norm(x, x.shape[1:])),
    "cumsum": unary(lambda x: x.cumsum(0)),
    "tanh": unary(torch.tanh),
    "gelu": unary(F.gelu),
}
for name, make in OPERATIONS.items():
    for size, n in {"1k": 1000, "100k": 100_000, "1M": 1_000_000, "10M": 10_000_000}.items():
        CASES[f"{name} {size}"] = sized(make, n)
for name in ["exp", "log", "sin", "sigmoid"]:
    for size, n in {"100k": 100_000, "10M": 10_000_000}.items():
        CASES[f"{name} {size}"] = sized(unary(getattr(torch, name), positive=True), n)


# ─── chains ──────────────────────────────────────────────────────────────────────────────────────


def chain_of_6(backward):
    def setup():
        x, y = torch.randn(1_000_000, requires_grad=backward), torch.randn(1_000_000, requires_grad=backward)

        def call():
            z = (x.sigmoid() * x + y * 0.5).tanh() * y
            if backward:
                z.sum().backward()
                x.grad = y.grad = None

        return call

    return setup


for way in ["one by one", "fused"]:
    CASES[f"chain of 6, {way}, 1M"] = chain_of_6(False)
    CASES[f"chain of 6, {way}, forward + backward, 1M"] = chain_of_6(True)


# ─── products ────────────────────────────────────────────────────────────────────────────────────


def matmul(shape, dtype, f=torch.matmul):
    def setup():
        a, b = torch.randn(*shape, dtype=dtype), torch.randn(*shape, dtype=dtype)
        return lambda: f(a, b)

    return setup


for n in [64, 128, 256, 512, 1024, 2048]:
    for name, dtype in {"float32": torch.float32, "float64": torch.float64}.items():
        CASES[f"matmul {n} {name}"] = CASES[f"matmul {n} {name}, generated kernels"] = matmul((n, n), dtype)
for name, f in {
    "a bᵀ": lambda a, b: a @ b.t(),
    "aᵀ b": lambda a, b: a.t() @ b,
    "aᵀ bᵀ": lambda a, b: a.t() @ b.t(),
}.items():
    name = f"matmul 512 float32, {name}"
    CASES[name] = CASES[f"{name}, generated kernels"] = matmul((512, 512), torch.float32, f)
for batch, n in [(64, 64), (16, 128)]:
    name = f"matmul {batch}×{n} float32, batched"
    CASES[name] = CASES[f"{name}, generated kernels"] = matmul((batch, n, n), torch.float32)


# ─── images ──────────────────────────────────────────────────────────────────────────────────────


def convolution(inputs, outputs, side, kernel, stride=1, groups=1, first=False):
    def setup():
        x = torch.randn(8, inputs, side, side, requires_grad=not first)
        w = torch.randn(outputs, inputs // groups, kernel, kernel, requires_grad=True)
        g = torch.randn(8, outputs, side // stride, side // stride)

        def call():
            F.conv2d(x, w, padding=kernel // 2, stride=stride, groups=groups).backward(g)
            x.grad = w.grad = None

        return call

    return setup


def pooling(f, *options):
    def setup():
        x = torch.randn(8, 64, 56, 56, requires_grad=True)
        g = torch.randn(8, 64, 28, 28)

        def call():
            f(x, *options).backward(g)
            x.grad = None

        return call

    return setup


for name, layer in {
    **{f"3×3, {c} channels, {n}×{n}": convolution(c, c, n, 3) for c, n in [(64, 56), (128, 28), (256, 14)]},
    "7×7 stride 2, 3 to 64 channels, 224×224": convolution(3, 64, 224, 7, stride=2, first=True),
    "3×3 stride 2, 128 channels, 56×56": convolution(128, 128, 56, 3, stride=2),
    "1×1, 256 channels, 14×14": convolution(256, 256, 14, 1),
    "3×3 depthwise, 144 channels, 56×56": convolution(144, 144, 56, 3, groups=144),
}.items():
    CASES[f"conv2d {name}, forward + backward"] = layer
for name, f in {"maxPool2d": F.max_pool2d, "avgPool2d": F.avg_pool2d}.items():
    CASES[f"{name} 2×2, 64 channels, 56×56, forward + backward"] = pooling(f, 2)
    CASES[f"{name} 3×3 stride 2, 64 channels, 56×56, forward + backward"] = pooling(f, 3, 2, 1)


# ─── training and transforms ─────────────────────────────────────────────────────────────────────


def step(optimiser, make, **options):
    def setup():
        parameters, loss = make()
        return models.training(optimiser, parameters, loss, **options)

    return setup


SGD, ADAM, ADAMW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
for hidden, batch in [(128, 64), (512, 128)]:
    for name, optimiser, rate in [("SGD", SGD, 0.01), ("Adam", ADAM, 1e-3)]:
        CASES[f"MLP 784-{hidden}-10, batch {batch}, {name} step"] = step(
            optimiser, lambda batch=batch, hidden=hidden: models.mlp_training(batch, hidden), lr=rate
        )
CASES["CNN 1-16-32 on 28×28, batch 64, SGD step"] = step(SGD, lambda: models.cnn_training(64), lr=0.01)
gpt = step(ADAMW, models.gpt_training, lr=1e-3, weight_decay=0.01)
CASES["GPT 4 blocks of width 128, batch 16×64, AdamW step"] = gpt
for name in [name for name in CASES if name.endswith(" step")]:
    CASES[f"{name}, generated kernels"] = CASES[name]
CASES["LSTM 2×128, batch 32×64, SGD step"] = step(SGD, models.lstm_training, lr=0.01)


def per_example():
    parameters = [p.detach() for p in models.mlp_parameters(784, 128, 10)]
    x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))

    def loss(p, xi, yi):
        return F.cross_entropy(models.mlp(p, xi.unsqueeze(0)), yi.unsqueeze(0))

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
    return lambda: gradients(parameters, x, y)


def hessian():
    x = torch.randn(100)
    return lambda: torch.autograd.functional.hessian(models.rosenbrock, x, vectorize=True)


if vmap is not None:
    CASES["gradients of each of 64 examples, MLP 784-128-10"] = per_example
CASES["Hessian of a function of 100 parameters"] = hessian

STEPS_OF_MEMORY = 20


def peak():
    """Bytes that the process has held at most. Linux counts what started it in ru_maxrss, but not here."""
    try:
        with open("/proc/self/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory(above):
    def measure():
        before = peak() if above else 0
        call = gpt()
        for _ in range(STEPS_OF_MEMORY):
            call()
        return [peak() - before]

    return measure


MEMORY = {
    "peak memory of the GPT steps, process": memory(False),
    "peak memory of the GPT steps, above import": memory(True),
}


def samples(call, milliseconds):
    """Batches of about a millisecond for as long as asked, and at least three."""
    start = time.perf_counter_ns()
    calls = 0
    while time.perf_counter_ns() - start < milliseconds * 3e5 or calls == 0:
        call()
        calls += 1
    batch = max(1, int(1e6 * calls / (time.perf_counter_ns() - start)))
    found = []
    end = time.perf_counter_ns() + milliseconds * 1e6
    while time.perf_counter_ns() < end or len(found) < 3:
        start = time.perf_counter_ns()
        for _ in range(batch):
            call()
        found.append((time.perf_counter_ns() - start) / batch)
    return found


def measured(name, milliseconds):
    if name in MEMORY:
        return MEMORY[name]()
    return samples(CASES[name](), milliseconds)


def answer(value):
    print("answer: " + json.dumps(value), flush=True)


threads, milliseconds = map(int, sys.argv[1:])
torch.set_num_threads(threads)
suffix = f", {threads} threads"
answer(torch.__version__)
for line in sys.stdin:
    name = line.rstrip("\n")
    known = name[: -len(suffix)] if name.endswith(suffix) else name
    answer(measured(known, milliseconds) if known in CASES or known in MEMORY else None)
