"""Takes the steps that dev.fathom.bench.TrainingSpeed prepared with transformers and torch's AdamW, and times them.

usage:  python train.py DIR f32|bf16 THREADS OUT.json

Rows are sorted by length and go in two padded pieces whose gradients add up; bf16 is torch.autocast over F32 weights.
"""
import json
import resource
import sys
import time

import torch
from transformers import LlamaForCausalLM

directory, dtype, threads, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(threads)
model = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32).train()
with open(f"{directory}/batches.json") as file:
    batches = json.load(file)
matrices = [p for p in model.parameters() if p.dim() > 1]
vectors = [p for p in model.parameters() if p.dim() <= 1]
groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), eps=1e-8)

losses, speeds = [], []
for batch in batches:
    began = time.perf_counter()
    batch = sorted(batch, key=len)
    tokens = sum(map(len, batch))
    targets = tokens - len(batch)
    optimizer.zero_grad()
    total, cut, seen = 0.0, 0, 0
    while seen * 2 < tokens:
        seen += len(batch[cut])
        cut += 1
    for piece in (batch[:cut], batch[cut:]):
        width = max(map(len, piece))
        ids = torch.zeros(len(piece), width, dtype=torch.long)
        mask = torch.zeros(len(piece), width, dtype=torch.long)
        labels = torch.full((len(piece), width), -100)
        for r, row in enumerate(piece):
            ids[r, : len(row)] = labels[r, : len(row)] = torch.tensor(row)
            mask[r, : len(row)] = 1
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), reduction="sum"
        )
        (loss / targets).backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(total / targets)
    speeds.append(tokens / (time.perf_counter() - began))

speeds = sorted(speeds[3:])
with open(out, "w") as file:
    json.dump(
        {
            "losses": losses,
            "tokens_per_second": speeds[len(speeds) // 2],
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        },
        file,
    )
