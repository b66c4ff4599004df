"""Times captum's integrated gradients, as a Python user would run them on transformers, for comparison with
`fathom attribute --method ig`.

usage:  python attribution.py MODEL_DIR [--gguf FILE.gguf] [--steps 64] [--batch 64] [--repeat 2]
needs:  pip install torch transformers captum (gguf for --gguf)

One prompt, the target's log probability after it, zero baseline, midpoint rule (`riemann_middle`). Prints the seconds of
each repeat, wall and processor, and the attributions, so that another program can check that it does the same work.
"""
import argparse
import json
import time

import torch
from captum.attr import LayerIntegratedGradients
from transformers import AutoModelForCausalLM, AutoTokenizer

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("--gguf")
arguments.add_argument("--steps", type=int, default=64)
arguments.add_argument("--batch", type=int, default=64)
arguments.add_argument("--repeat", type=int, default=2)
arguments.add_argument("--prompt", default="The Eiffel Tower is located in the city of")
arguments.add_argument("--target", default=" Paris")
a = arguments.parse_args()

where = {"gguf_file": a.gguf} if a.gguf else {}
tokenizer = AutoTokenizer.from_pretrained(a.model, **where)
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32, **where).eval()
ids = tokenizer(a.prompt, return_tensors="pt").input_ids
target = tokenizer(a.target).input_ids[0]


def log_probability(ids, *_):
    return model(ids, use_cache=False).logits[:, -1].log_softmax(-1)[:, target]


table = model.get_input_embeddings()
ig = LayerIntegratedGradients(log_probability, table)
for _ in range(a.repeat):
    wall, processor = time.perf_counter(), time.process_time()
    # captum interpolates the layer's output between that of the ids and that of the baseline: a hook makes the latter 0
    zero = table.register_forward_hook(lambda _, inputs, out: torch.where((inputs[0] < 0)[..., None], 0.0, out))
    guard = table.register_forward_pre_hook(lambda _, inputs: (inputs[0],))
    baseline = torch.full_like(ids, table.num_embeddings - 1)
    scores = ig.attribute(
        ids, baselines=baseline, n_steps=a.steps, method="riemann_middle", internal_batch_size=a.batch
    ).sum(-1)[0]
    zero.remove()
    guard.remove()
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - wall,
                "processor_seconds": time.process_time() - processor,
                "steps": a.steps,
                "scores": [round(s, 4) for s in scores.tolist()],
            }
        ),
        flush=True,
    )
