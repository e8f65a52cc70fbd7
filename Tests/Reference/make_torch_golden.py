"""Writes the golden archives of the PyTorch reader's tests with torch itself.

    python Tests/Reference/make_torch_golden.py

needs: torch, safetensors. The version of torch stands in the archives' `.data/` and in the metadata of the values.

    Tests/EncodersTests/Golden/torch-half.bin      a state dict with module versions, halves, brain floats, doubles, whole
                                                   numbers, a tied tensor, a transposed one, a slice, a scalar, none at all
    Tests/EncodersTests/Golden/torch-half.safetensors    the same values, fractions as 32-bit floats
    Tests/EncodersTests/Golden/torch-system.bin    an archive whose pickle calls os.system
    Tests/EncodersTests/Golden/torch-nested.bin    tensors under "model", beside a number
    Tests/EncodersTests/Golden/torch-parameter.bin a whole parameter, which is another class than a tensor
    Tests/EncodersTests/Golden/torch-legacy.bin    the form before PyTorch 1.6, which is no archive
"""

import os
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

GOLDEN = Path(__file__).resolve().parent.parent / "EncodersTests" / "Golden"


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


def main():
    generator = torch.Generator().manual_seed(5)
    linear = torch.randn(3, 4, generator=generator)
    state = OrderedDict()
    state["deberta.embeddings.word_embeddings.weight"] = torch.randn(7, 4, generator=generator).half()
    state["deberta.encoder.layer.0.output.LayerNorm.gamma"] = torch.tensor([1.0, -0.0, 65504.0, 6e-8]).half()
    state["brain"] = torch.randn(2, 3, generator=generator).bfloat16()
    state["double"] = torch.randn(2, generator=generator, dtype=torch.float64)
    state["linear"] = linear
    state["tied"] = linear
    state["transposed"] = linear.t()
    state["slice"] = linear[1:, 1:3]
    state["ids"] = torch.arange(-2, 4)
    state["scalar"] = torch.tensor(2.5)
    state["none"] = torch.zeros(0, 4)
    state._metadata = OrderedDict([("", {"version": 1}), ("deberta", {"version": 2})])
    torch.save(state, GOLDEN / "torch-half.bin")
    values = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous().clone()
        for name, tensor in state.items()
    }
    save_file(values, GOLDEN / "torch-half.safetensors", metadata={"torch": torch.__version__})
    torch.save({"weight": Attack()}, GOLDEN / "torch-system.bin")
    torch.save({"model": {"weight": linear}, "step": 3}, GOLDEN / "torch-nested.bin")
    torch.save({"weight": torch.nn.Parameter(linear)}, GOLDEN / "torch-parameter.bin")
    torch.save(state, GOLDEN / "torch-legacy.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
