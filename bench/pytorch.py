"""The same cases in PyTorch, on one thread: takes milliseconds and case names, prints samples in nanoseconds."""

import json
import sys
import time

import torch

torch.set_num_threads(1)
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


def unary(name, n):
    def setup():
        method = getattr(torch.randn(n).abs(), name)
        return lambda: method()

    return setup


def add(n):
    def setup():
        a, b = torch.randn(n), torch.randn(n)
        return lambda: a + b

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
    CASES[f"add {size}, new result"] = add(n)
    CASES[f"sum {size}"] = unary("sum", n)
for name in ["exp", "log", "sin", "tanh", "sigmoid", "sqrt"]:
    CASES[f"{name} 1M, new result"] = unary(name, SIZES["1M"])
    CASES[f"{name}_ 16k"] = in_place(f"{name}_", SIZES["16k"])
for n in [64, 128, 256, 512, 1024]:
    CASES[f"matmul {n} float32"] = matmul(n, torch.float32)
    CASES[f"matmul {n} float64"] = matmul(n, torch.float64)


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


milliseconds, *names = sys.argv[1:]
result = {name: samples(CASES[name](), int(milliseconds)) for name in names if name in CASES}
print(json.dumps({"version": torch.__version__, "samples": result}))
