"""Ablation and patching maps as a loop of plain hooks on transformers, a forward pass a cell, timed.

usage:  python sweeps.py MODEL_DIR [--tasks ablation_hooks,heads,patch] [--dtype float32] [--threads N] [--json OUT]
needs:  pip install torch transformers; a LLaMA-like model in a Hugging Face directory

Every tenth layer is run and the time scaled, as the whole loop takes minutes. Prints one line a task; the last line is
one JSON object {task: {"seconds": ...}}.
"""
import argparse
import json
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("--tasks", default="ablation_hooks,heads,patch")
arguments.add_argument("--dtype", default="float32")
arguments.add_argument("--threads", type=int)
arguments.add_argument("--json")
a = arguments.parse_args()
if a.threads:
    torch.set_num_threads(a.threads)
torch.set_grad_enabled(False)
tokenizer = AutoTokenizer.from_pretrained(a.model)
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype)).eval()
ids = tokenizer("The Eiffel Tower is located in the city of", return_tensors="pt").input_ids
target = tokenizer(" Paris").input_ids[0]
layers = model.model.layers
length = ids.shape[1]
heads = model.config.num_attention_heads
width = model.config.hidden_size // heads
STEP = 10


def logit(ids=ids):
    return model(ids, use_cache=False, logits_to_keep=1).logits[0, -1, target].item()


def with_hook(module, hook, before=False):
    handle = module.register_forward_pre_hook(hook) if before else module.register_forward_hook(hook)
    try:
        return logit()
    finally:
        handle.remove()


def zero(position):
    def hook(module, inputs, output):
        x = (output[0] if isinstance(output, tuple) else output).clone()
        x[:, position] = 0
        return (x, *output[1:]) if isinstance(output, tuple) else x

    return hook


def zero_head(head):
    def hook(module, inputs):
        x = inputs[0].clone()
        x[..., head * width : (head + 1) * width] = 0
        return (x,)

    return hook


def replace(position, value):
    def hook(module, inputs, output):
        x = (output[0] if isinstance(output, tuple) else output).clone()
        x[:, position] = value
        return (x, *output[1:]) if isinstance(output, tuple) else x

    return hook


def timed(runs, scale):
    logit()
    began = time.perf_counter()
    for run in runs:
        run()
    return (time.perf_counter() - began) * scale


results = {}
chosen = range(0, len(layers), STEP)
scale = len(layers) / len(chosen)
value = torch.randn(model.config.hidden_size, dtype=getattr(torch, a.dtype))
work = {
    "ablation_hooks": (
        [
            lambda m=m, p=p: with_hook(m, zero(p))
            for l in chosen
            for m in (layers[l].self_attn, layers[l].mlp)
            for p in range(length)
        ],
        2 * scale,  # four kinds, of which two are run
    ),
    "heads": (
        [lambda l=l, h=h: with_hook(layers[l].self_attn.o_proj, zero_head(h), True) for l in chosen for h in range(heads)],
        scale,
    ),
    "patch": (
        [
            lambda m=m, p=p: with_hook(m, replace(p, value))
            for l in chosen
            for m in (layers[l], layers[l].self_attn, layers[l].mlp)
            for p in range(length)
        ],
        scale,
    ),
}
for task in a.tasks.split(","):
    seconds = timed(*work[task])
    results[task] = {"seconds": seconds, "dtype": a.dtype, "threads": torch.get_num_threads()}
    print(f"{task:12s} {seconds:9.2f} s", flush=True)
print(json.dumps(results))
if a.json:
    with open(a.json, "w") as out:
        json.dump(results, out)
