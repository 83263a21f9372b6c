#!/usr/bin/env python3
"""Times PyTorch's scaled_dot_product_attention on request, for `sigattn-gen bench --baseline`.

One JSON object per line on stdin:
    {"backend": "flash"|"cudnn", "pass": "fwd"|"bwd"|"step", "dtype": "bf16"|"fp16", "batch": B, "heads": Hq, "heads_kv": Hkv,
     "seq_len": T, "queries": Tq, "head_dim": d, "scale": s, "causal": true|false, "iters": n}
and one per line back: {"ms": [t1, ..., tn]}, the time of each run in milliseconds, or {"error": "why not"}.
Ends with its input. Anything that libraries print goes to stderr.

Tensors are stored [batch, sequence, head, head dim] and viewed as [batch, head, sequence, head dim]; values are N(0,1).
A backward is timed alone, on the graph of a forward made before; a step is a forward and its backward.
"""

import json
import os
import sys

REPLIES = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # a library that prints must not break the protocol

import torch  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

BACKENDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
PASSES = {"fwd": "forward", "bwd": "backward", "step": "step"}  # and the methods of Problem that make their runs
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
WARM_UPS_FIRST, WARM_UPS = 4, 2  # on first sight of a shape and backend (plans are built then); on each later turn


def tensor(shape, dtype):
    """A [B, H, T, d] view of [B, T, H, d] storage holding N(0,1)."""
    b, h, t, d = shape
    return torch.randn(b, t, h, d, device="cuda", dtype=dtype).transpose(1, 2)


class Problem:
    """The tensors of one shape and, for each backend seen, what a backward needs of its forward."""

    def __init__(self, dtype, batch, heads, heads_kv, seq_len, queries, head_dim, scale, causal):
        if causal and queries != seq_len:
            raise ValueError("PyTorch aligns the causal mask of unequal lengths at its upper left corner")
        torch.manual_seed(1)
        query, key = (batch, heads, queries, head_dim), (batch, heads_kv, seq_len, head_dim)
        self.q, self.k, self.v = tensor(query, dtype), tensor(key, dtype), tensor(key, dtype)
        self.grad = tensor(query, dtype)
        self.options = {"is_causal": causal, "scale": scale}
        if heads != heads_kv:
            self.options["enable_gqa"] = True
        self.runs = {}  # (backend, pass) -> a function that launches one run

    def attention(self, backend):
        with sdpa_kernel(BACKENDS[backend]):
            return scaled_dot_product_attention(self.q, self.k, self.v, **self.options)

    def forward(self, backend):
        def run():
            with torch.no_grad():
                return self.attention(backend)

        return run

    def differentiated(self):
        """Q, K and V, whose gradients are asked for from now on."""
        return [x.requires_grad_(True) for x in (self.q, self.k, self.v)]

    def backward(self, backend):
        inputs = self.differentiated()
        out = self.attention(backend)
        return lambda: torch.autograd.grad(out, inputs, self.grad, retain_graph=True)

    def step(self, backend):
        """A forward that saves what its backward needs, and that backward."""
        inputs = self.differentiated()
        return lambda: torch.autograd.grad(self.attention(backend), inputs, self.grad)

    def run(self, backend, name):
        """The run, and how many warm-ups it needs now."""
        if (backend, name) in self.runs:
            return self.runs[backend, name], WARM_UPS
        made = getattr(self, PASSES[name])(backend)
        self.runs[backend, name] = made
        return made, WARM_UPS_FIRST


def times(run, warm_ups, iters):
    """Milliseconds of each of iters runs launched back to back."""
    for _ in range(warm_ups):
        run()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(iters + 1)]
    torch.cuda.synchronize()
    run()  # the first run after an idle wait is not timed, and hides the launches that follow it
    events[0].record()
    for event in events[1:]:
        run()
        event.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(events, events[1:])]


def main():
    shape, problem = None, None
    for line in sys.stdin:
        try:
            ask = json.loads(line)
            if ask["backend"] not in BACKENDS:
                raise ValueError(f"backend {ask['backend']!r} is none of {', '.join(BACKENDS)}")
            if ask["pass"] not in PASSES:
                raise ValueError(f"pass {ask['pass']!r} is none of {', '.join(PASSES)}")
            names = ("batch", "heads", "heads_kv", "seq_len", "queries", "head_dim", "scale", "causal")
            now = (DTYPES[ask["dtype"]], *(ask[name] for name in names))
            if now != shape:
                shape, problem = None, None  # frees the old tensors before the new ones are made
                problem = Problem(*now)
                shape = now
            run, warm_ups = problem.run(ask["backend"], ask["pass"])
            answer = {"ms": times(run, warm_ups, ask["iters"])}
        except Exception as err:  # a backend refuses a shape by many kinds of error; the bench goes on without it
            problem, shape = None, None
            answer = {"error": f"{type(err).__name__}: {err}".splitlines()[0][:500]}
        REPLIES.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
