"""Times captum's integrated gradients on transformers, as a Python user would run them, for comparison with
`fathom attribute -m MODEL_DIR PROMPT --target TARGET --method ig --baseline eos --steps 64`.

usage:  python attribution.py MODEL_DIR [--steps 64] [--batch 64] [--repeat 2] [--threads N] [--json OUT]
needs:  pip install torch transformers captum
MODEL_DIR is a Hugging Face directory (config.json, *.safetensors, tokenizer.json) with an end token.

One prompt, the target's log probability after it, from the end token's embedding, midpoint rule. Each repeat prints its
seconds, the last line the scores, which must be those of the other program.
"""
import argparse
import json
import time

import torch
from captum.attr import LayerIntegratedGradients
from transformers import AutoModelForCausalLM, AutoTokenizer

arguments = argparse.ArgumentParser()
arguments.add_argument("model")
arguments.add_argument("--steps", type=int, default=64)
arguments.add_argument("--batch", type=int, default=64)
arguments.add_argument("--repeat", type=int, default=2)
arguments.add_argument("--threads", type=int)
arguments.add_argument("--json")
arguments.add_argument("--prompt", default="The Eiffel Tower is located in the city of")
arguments.add_argument("--target", default=" Paris")
a = arguments.parse_args()
if a.threads:
    torch.set_num_threads(a.threads)

tokenizer = AutoTokenizer.from_pretrained(a.model)
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32).eval()
ids = tokenizer(a.prompt, return_tensors="pt").input_ids
target = tokenizer(a.target).input_ids[0]


def log_probability(ids):
    return model(ids, use_cache=False).logits[:, -1].log_softmax(-1)[:, target]


method = LayerIntegratedGradients(log_probability, model.get_input_embeddings())
baseline = torch.full_like(ids, tokenizer.eos_token_id)
best = float("inf")
for _ in range(a.repeat):
    began = time.perf_counter()
    scores = method.attribute(
        ids, baselines=baseline, n_steps=a.steps, method="riemann_middle", internal_batch_size=a.batch
    ).sum(-1)[0]
    seconds = time.perf_counter() - began
    best = min(best, seconds)
    print(f"ig {seconds:9.3f} s", flush=True)
result = {
    "ig": {
        "seconds": best,
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "scores": [round(score, 4) for score in scores.tolist()],
    }
}
print(json.dumps(result))
if a.json:
    with open(a.json, "w") as out:
        json.dump(result, out)
