"""Sentence scores of StereoSet one by one with transformers, as its script does it: what bench/bias compares Fathom with.

usage:  python stereoset.py MODEL_DIR STEREOSET.json THREADS OUT.json
needs:  pip install torch transformers
"""
import json, resource, sys, time
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model_dir, data, threads, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
torch.set_num_threads(threads)
torch.set_grad_enabled(False)
tokenizer = AutoTokenizer.from_pretrained(model_dir)
model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
items = json.load(open(data))['data']['intrasentence']
start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id

began = time.perf_counter()
first = model(torch.tensor([[start]])).logits[0, 0].log_softmax(-1)
preferred = count = 0
for item in items:
    scores = {}
    for sentence in item['sentences']:
        ids = tokenizer(sentence['sentence'], add_special_tokens=False, return_tensors='pt')['input_ids']
        logs = model(ids).logits[0].log_softmax(-1)
        rest = logs[:-1].gather(1, ids[0, 1:, None]).sum().item() if ids.shape[1] > 1 else 0.0
        scores[sentence['gold_label']] = (first[ids[0, 0]].item() + rest) / ids.shape[1]
    preferred += scores['stereotype'] > scores['anti-stereotype']
    count += 1
seconds = time.perf_counter() - began
json.dump({'seconds': seconds, 'preferred': preferred, 'items': count,
           'peak_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}, open(out, 'w'))
