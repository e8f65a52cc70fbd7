"""Methods as their released code computes them, on BERT of transformers: for the golden files and comparisons only.

Every function that adds a method replaces modules of the model and returns the new parameters under Quintet's names,
which begin as those of transformers without `bert.`. Each docstring has its formula.
"""

import math

import torch
from torch import nn
from torch.nn import functional

# The names of Quintet's targets, and where these layers are in a block.
LAYERS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attentionOutput": "attention.output.dense",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
}
ACTIVATIONS = {
    "silu": functional.silu,
    "relu": functional.relu,
    "gelu": functional.gelu,
    "geluNew": lambda x: functional.gelu(x, approximate="tanh"),
}


def paths(model, targets):
    """The target layers' paths, block by block."""
    blocks = range(model.config.num_hidden_layers)
    return [f"encoder.layer.{block}.{LAYERS[target]}" for block in blocks for target in LAYERS if target in targets]


def new_parameter(like, *shape):
    return nn.Parameter(torch.zeros(shape, dtype=like.dtype))


# Low-rank updates


class LowRank(nn.Module):
    """y = x Wᵀ + b + s ((x Aᵀ) ⊙ g) Bᵀ with s = alpha / rank; SoRA's gates g are all 1 in LoRA."""

    def __init__(self, linear, rank, alpha, has_gate):
        super().__init__()
        self.linear = linear
        self.scale = alpha / rank
        self.a = new_parameter(linear.weight, rank, linear.in_features)
        self.b = new_parameter(linear.weight, linear.out_features, rank)
        self.gate = new_parameter(linear.weight, 1, rank) if has_gate else None

    def forward(self, x):
        inner = x @ self.a.T
        if self.gate is not None:
            inner = inner * self.gate
        return self.linear(x) + self.scale * (inner @ self.b.T)


def add_low_rank(model, settings, has_gate):
    parameters = {}
    for path in paths(model, settings["targets"]):
        module = LowRank(model.bert.get_submodule(path), settings["rank"], settings["alpha"], has_gate)
        model.bert.set_submodule(path, module)
        parameters |= {f"{path}.lora_A.weight": module.a, f"{path}.lora_B.weight": module.b}
        if has_gate:
            parameters[f"{path}.lora_gate"] = module.gate
    return parameters


def cosine_penalty(parameters):
    """The mean over all A (rows) and B (columns) of their vectors' mean absolute cosine with one another."""
    terms = []
    for name, value in parameters.items():
        if "lora_A" not in name and "lora_B" not in name:
            continue
        rows = value if "lora_A" in name else value.T
        norms = rows.norm(dim=1)
        cosines = (rows @ rows.T).abs() / (norms[:, None] * norms + 1e-30)
        terms.append((cosines.sum() - cosines.trace()) / (len(rows) ** 2 - len(rows)))
    return sum(terms) / len(terms)


def squared_orthogonality(parameters):
    """AdaLoRA's penalty as in the paper: Σ ‖A Aᵀ − I‖² + ‖Bᵀ B − I‖² over all layers."""
    result = 0
    for name, value in parameters.items():
        if "lora_A" in name or "lora_B" in name:
            product = value @ value.T if "lora_A" in name else value.T @ value
            result = result + (product - torch.eye(len(product), dtype=product.dtype)).square().sum()
    return result


def gate_penalty(parameters):
    """SoRA's: the mean of all gates' absolute values."""
    return torch.cat([value.abs().flatten() for name, value in parameters.items() if "lora_gate" in name]).mean()


@torch.no_grad()
def shrink(gate, rule, sparsity, rate):
    """SoRA's proximal step; `rate` is the gates' learning rate of the step just taken."""
    amount = sparsity if rule == "repo" else sparsity * rate
    if rule == "paper":
        gate.copy_(gate.sign() * (gate.abs() - amount).clamp(min=0))
    elif amount > 0:
        # One after the other, as released: the last line sees what the first two have left.
        gate[gate > amount] -= amount
        gate[gate < -amount] += amount
        gate[gate.abs() < amount] = 0


# Adapters with a bottleneck


class Bottleneck(nn.Module):
    """a(x) = act(x Dᵀ + d) Uᵀ + u"""

    def __init__(self, like, width, size, activation):
        super().__init__()
        self.down = new_parameter(like, size, width)
        self.down_bias = new_parameter(like, size)
        self.up = new_parameter(like, width, size)
        self.up_bias = new_parameter(like, width)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x):
        inner = self.activation(functional.linear(x, self.down, self.down_bias))
        return functional.linear(inner, self.up, self.up_bias)


class AfterLinear(nn.Module):
    """y + a(y) of a linear layer's output y."""

    def __init__(self, linear, adapter):
        super().__init__()
        self.linear = linear
        self.adapter = adapter

    def forward(self, x):
        y = self.linear(x)
        return y + self.adapter(y)


class AfterSublayer(nn.Module):
    """The end of a sublayer (dense, dropout, residual sum with x, layer norm), with the adapter before the sum.

    sublayer: LN(h + a(h) + x)        normed: LN(h + a(LN(h + x)) + x)        h = dropout(dense(inner))
    """

    def __init__(self, end, adapter, placement):
        super().__init__()
        self.end = end
        self.adapter = adapter
        self.placement = placement

    def forward(self, inner, x):
        h = self.end.dropout(self.end.dense(inner))
        seen = self.end.LayerNorm(h + x) if self.placement == "normed" else h
        return self.end.LayerNorm(self.adapter(seen) + h + x)


def add_adapters(model, settings):
    parameters = {}
    for path in paths(model, settings["targets"]):
        linear = model.bert.get_submodule(path)
        adapter = Bottleneck(linear.weight, linear.out_features, settings["bottleneck"], settings["activation"])
        if settings["placement"] == "linear":
            model.bert.set_submodule(path, AfterLinear(linear, adapter))
        else:
            end = path.removesuffix(".dense")
            module = AfterSublayer(model.bert.get_submodule(end), adapter, settings["placement"])
            model.bert.set_submodule(end, module)
        parameters |= {
            f"{path}.adapter.down.weight": adapter.down,
            f"{path}.adapter.down.bias": adapter.down_bias,
            f"{path}.adapter.up.weight": adapter.up,
            f"{path}.adapter.up.bias": adapter.up_bias,
        }
    return parameters


# Optimisers


class TransformersAdamW(torch.optim.Optimizer):
    """AdamW of transformers up to 4.x.

    p -= lr sqrt(1 - β2ᵗ) / (1 - β1ᵗ) m / (sqrt(v) + ε), and then p -= lr wd p.
    """

    def __init__(self, groups, **defaults):
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), rate = group["betas"], group["lr"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state |= {"t": 0, "m": torch.zeros_like(p), "v": torch.zeros_like(p)}
                state["t"] += 1
                state["m"].mul_(beta1).add_((1 - beta1) * p.grad)
                state["v"].mul_(beta2).add_((1 - beta2) * p.grad.square())
                size = rate * math.sqrt(1 - beta2 ** state["t"]) / (1 - beta1 ** state["t"])
                p -= size * state["m"] / (state["v"].sqrt() + group["eps"])
                p -= rate * group["weight_decay"] * p


OPTIMIZERS = {"adamW": torch.optim.AdamW, "adamWTransformers": TransformersAdamW}


def optimizer(settings, parameters):
    """Over all but gates; weights decay, biases and layer norms do not."""
    some = {name: value for name, value in parameters.items() if "lora_gate" not in name}
    plain = [value for name, value in some.items() if "bias" in name or "LayerNorm" in name]
    decaying = [value for name, value in some.items() if "bias" not in name and "LayerNorm" not in name]
    return OPTIMIZERS[settings["optimizer"]](
        [{"params": decaying, "weight_decay": settings["weightDecay"]}, {"params": plain, "weight_decay": 0.0}],
        lr=0.0,
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["adamEpsilon"],
    )


def gate_optimizer(settings, parameters):
    gates = [value for name, value in parameters.items() if "lora_gate" in name]
    betas = (settings["beta1"], settings["beta2"])
    return OPTIMIZERS[settings["optimizer"]](
        [{"params": gates}], lr=0.0, betas=betas, eps=settings["gateEpsilon"], weight_decay=0.0
    )


def schedule(step, steps, warmup):
    """The share of the peak after so many steps: a linear rise, then a linear fall to 0."""
    if step < warmup:
        return step / max(1, warmup)
    return max(0.0, (steps - step) / max(1, steps - warmup))


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate
