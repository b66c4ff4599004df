"""Steps of LoRA, and of the late-layer mixture written plainly in PyTorch, timed: what bench/refine compares Fathom with.

usage:  python refine_step.py MODEL_DIR f32|bf16 lora|mod|mod-sample|mod-all THREADS OUT.json
needs:  pip install torch transformers peft

4 rows of 128 tokens, rank 8 on q k v up down, AdamW, gradients clipped at 1. The mixture is the definition word for word:
k tensors of logits over the whole vocabulary, their weighted sum, autograd.
"""
import json, resource, sys, time
import torch
from transformers import AutoModelForCausalLM
from peft import LoraConfig, get_peft_model

model_dir, dtype, what, threads, out = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
torch.set_num_threads(threads)
torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32 if dtype == 'f32' else torch.bfloat16)
model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0,
                                         target_modules=['q_proj', 'k_proj', 'v_proj', 'up_proj', 'down_proj']))
model.train()
inner, head = model.base_model.model.model, model.base_model.model.lm_head
vocabulary, d, k, weight = head.out_features, head.in_features, 3, {'mod': 0.0}.get(what, 1e-4)
ids = torch.tensor([[5 + (r * 7919 + t * 104729 + t * t * 31) % (vocabulary - 5) for t in range(128)] for r in range(4)])
learnt = [p for p in model.parameters() if p.requires_grad]
if what != 'lora':
    router = torch.nn.Parameter(0.02 * torch.randn(d, k))
    gains = [torch.nn.Parameter(inner.norm.weight.detach().float().clone()) for _ in range(k - 1)]
    learnt += [router, *gains]
optimizer = torch.optim.AdamW(learnt, lr=3e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)


def loss_of_mixture():
    states = model.base_model.model.model(ids, output_hidden_states=True, use_cache=False)
    rows = list(states.hidden_states[-k - 1:-1])  # the last of these is normed already
    late = rows[1:]
    gate = (rows[0].float() @ router).softmax(-1)
    eps = inner.norm.variance_epsilon
    normed = [(g * (h.float() * torch.rsqrt(h.float().pow(2).mean(-1, keepdim=True) + eps))).to(h.dtype)
              for g, h in zip(gains, late)] + [states.hidden_states[-1]]
    routes = [head(x).float() for x in normed]  # k tensors [rows, tokens, vocabulary]
    mixed = sum(gate[..., i:i + 1] * logits for i, logits in enumerate(routes))
    task = torch.nn.functional.cross_entropy(mixed[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    if weight == 0:
        return task
    at = torch.arange(0, 127 * 4) if what == 'mod-all' else torch.randperm(127 * 4)[:127 * 4 // 8]
    logs = [r[:, :-1].flatten(0, 1)[at].log_softmax(-1) for r in routes]
    last = logs[-1].detach()
    return task + weight * sum((p.exp() * (p - last)).sum(-1).mean() for p in logs[:-1])


seconds, losses = [], []
for step in range(7):
    began = time.perf_counter()
    optimizer.zero_grad()
    loss = model(ids, labels=ids).loss if what == 'lora' else loss_of_mixture()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learnt, 1.0)
    optimizer.step()
    seconds.append(time.perf_counter() - began)
    losses.append(loss.item())
found = {'seconds': min(seconds[2:]), 'peak_bytes': 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 'losses': losses}
json.dump(found, open(out, 'w'))
print(dtype, what, found)
