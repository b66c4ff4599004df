"""Checks the scores that dev.fathom.bench.Compare wrote with --scores: the probability that transformers gives each
token of each sentence, one sentence at a time, as StereoSet's official script computes it.

usage:  python same_scores.py MODEL_DIR SCORES.json STEREOSET.json DTYPE OUT.json

Writes the largest difference of a probability and of a sentence's mean log-probability. Exits with 1 when the tokens
differ, or in float32 a probability by more than 1e-4.
"""
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model_dir, scores, stereoset, dtype, out = sys.argv[1:]
torch.set_grad_enabled(False)
tokenizer = AutoTokenizer.from_pretrained(model_dir)
model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=getattr(torch, dtype)).eval()

with open(stereoset) as file:
    items = json.load(file)["data"]["intrasentence"]
items = [item for item in items if item["bias_type"] == "gender"][:60]
sentences = [sentence["sentence"] for item in items for sentence in item["sentences"]]
with open(scores) as file:
    ours = json.load(file)

ok = len(ours) == len(sentences)
largest = largest_mean = 0.0
for sentence, our in zip(sentences, ours):
    ids = tokenizer(sentence, return_tensors="pt").input_ids
    if ids[0].tolist() != our["ids"]:
        ok = False
        print(f"other tokens: {sentence}", file=sys.stderr)
        continue
    p = model(ids).logits.float().softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
    log_p = torch.tensor(our["log_probabilities"])
    largest = max(largest, (log_p.exp() - p).abs().max().item())
    largest_mean = max(largest_mean, (log_p.mean() - p.log().mean()).abs().item())
if dtype == "float32" and largest > 1e-4:
    ok = False
says = (
    f"{dtype}: {len(ours)} sentences, {'the same tokens' if ok else 'NOT the same'}; largest difference of a "
    f"probability {largest:.1e}, of a sentence's mean log-probability {largest_mean:.1e}"
)
with open(out, "w") as file:
    json.dump(
        {
            "says": says,
            "dtype": dtype,
            "sentences": len(ours),
            "same": ok,
            "largest_probability_difference": largest,
            "largest_mean_difference": largest_mean,
        },
        file,
    )
print(says)
sys.exit(not ok)
