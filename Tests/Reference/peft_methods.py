"""LoRA and AdaLoRA of PEFT with Quintet's settings and names, for the golden files and comparisons only."""

import re

import peft
import torch
from released_methods import LAYERS


def own_name(name):
    """Quintet's name of a parameter of a PeftModel."""
    name = name.removeprefix("base_model.model.").replace("modules_to_save.default.", "").replace(".default", "")
    return re.sub(r"^(bert|roberta|deberta)\.", "", name)


def peft_config(method, settings, steps):
    # Without the path, `output.dense` would be the attention's too, and `dense` the pooler's.
    layers = "|".join(re.escape(LAYERS[target]) for target in settings["targets"])
    shared = {
        "task_type": "SEQ_CLS",
        "target_modules": rf".*\.encoder\.layer\.\d+\.({layers})",
        "modules_to_save": ["pooler", "classifier"],
        "lora_alpha": settings["alpha"],
        "lora_dropout": 0.0,
    }
    if method == "lora":
        return peft.LoraConfig(r=settings["rank"], **shared)
    return peft.AdaLoraConfig(
        init_r=settings["initialRank"],
        target_r=settings["targetRank"],
        tinit=settings["initialSteps"],
        tfinal=settings["finalSteps"],
        deltaT=settings["interval"],
        total_step=steps,
        beta1=settings["beta1Importance"],
        beta2=settings["beta2Importance"],
        # The paper's form is added by whoever asks for it.
        orth_reg_weight=settings["orthogonalWeight"] if settings["orthogonalForm"] == "normMean" else 0.0,
        **shared,
    )


def add_peft(model, method, settings, steps):
    """The PeftModel, and its trainable parameters under Quintet's names.

    The model is float32, to be widened afterwards: beside layers of another type PEFT leaves AdaLoRA's `ranknum`
    trainable, and the scale with it.
    """
    assert model.dtype == torch.float32, model.dtype
    model = peft.get_peft_model(model, peft_config(method, settings, steps))
    return model, {own_name(name): value for name, value in model.named_parameters() if value.requires_grad}


def kept(parameters):
    """Of each layer with AdaLoRA's E or SoRA's gates, a flag for each that is not 0."""
    ends = [".lora_E", ".lora_gate"]
    return {
        name.removesuffix(end): (value.detach().flatten() != 0)
        for name, value in parameters.items()
        for end in ends
        if name.endswith(end)
    }
