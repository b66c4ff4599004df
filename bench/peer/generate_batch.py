"""Answers the first items of a reasoning test with transformers' generate, greedily and in batches, and times it: the
peer of `fathom evaluate`. Prompts are those of the template clean; rows of a batch are padded on the left.

usage:  python generate_batch.py MODEL_DIR TEST.json ITEMS BATCH MAX_TOKENS DTYPE THREADS OUT.json [ORDER]

ORDER is file (the default: batches as the items come) or length (sorted by length first). OUT.json gets the seconds of
the faster of two runs without loading, tokens generated, and each response, cut before the next "### Response:".
"""
import json
import resource
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model_dir, test, items, batch, max_tokens, dtype, threads, out = sys.argv[1:9]
by_length = sys.argv[9:] == ["length"]
batch = int(batch)
torch.set_grad_enabled(False)
torch.set_num_threads(int(threads))
tokenizer = AutoTokenizer.from_pretrained(model_dir, padding_side="left")
tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=getattr(torch, dtype)).eval()

with open(test) as file:
    items = json.load(file)[: int(items)]
header = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
prompts = [f"{header}\n\n### Instruction:\n{item['instruction']}\n\n### Response:\n" for item in items]
order = list(range(len(prompts)))
if by_length:
    order.sort(key=lambda i: -len(tokenizer(prompts[i]).input_ids))


def run():
    responses, generated = [""] * len(prompts), 0
    began, used = time.perf_counter(), time.process_time()
    for at in range(0, len(order), batch):
        some = order[at : at + batch]
        inputs = tokenizer([prompts[i] for i in some], return_tensors="pt", padding=True)
        ids = model.generate(
            **inputs, do_sample=False, max_new_tokens=int(max_tokens), pad_token_id=tokenizer.pad_token_id
        )[:, inputs.input_ids.shape[1] :]
        generated += int((ids != tokenizer.pad_token_id).sum())
        for i, text in zip(some, tokenizer.batch_decode(ids, skip_special_tokens=True)):
            responses[i] = text.split("### Response:")[0].strip()
    return time.perf_counter() - began, time.process_time() - used, generated, responses


seconds, cpu, generated, responses = min((run() for _ in range(2)), key=lambda found: found[0])
with open(out, "w") as file:
    json.dump(
        {
            "items": len(items),
            "batch": batch,
            "dtype": dtype,
            "seconds": seconds,
            "cpu_seconds": cpu,
            "generated": generated,
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "responses": responses,
        },
        file,
        indent=1,
    )
print(f"{len(items)} items in {seconds:.2f} s ({cpu:.2f} s of processors), {generated} tokens")
