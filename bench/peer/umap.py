"""A map of rows of a model's embedding by umap-learn, timed: what bench/map compares Fathom with.

usage:  python umap.py MODEL.safetensors TENSOR ROWS THREADS MAP.f64 OUT.json
needs:  pip install umap-learn safetensors; weights in F32

15 neighbours by cosine, least distance 0.1, 500 epochs, seed 42. With a seed umap-learn settles points on one thread; so
does Fathom. The first map is not timed, for numba compiles during it.
"""
import json, os, resource, sys, time, warnings
sys.path = [p for p in sys.path if os.path.abspath(p or '.') != os.path.dirname(os.path.abspath(__file__))]  # not this file
weights, name, count, threads, places, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5], sys.argv[6]
for variable in ('NUMBA_NUM_THREADS', 'OMP_NUM_THREADS'):
    os.environ[variable] = threads
warnings.filterwarnings('ignore')
import numpy as np
import umap
from safetensors import safe_open
from sklearn.manifold import trustworthiness

with safe_open(weights, 'np') as file:
    table = file.get_tensor(name)
rows = table[[i * (len(table) // count) for i in range(count)]]
settings = dict(n_neighbors=15, min_dist=0.1, metric='cosine', n_epochs=500, random_state=42)
umap.UMAP(**settings).fit_transform(rows)
began, worked = time.perf_counter(), time.process_time()
found = umap.UMAP(**settings).fit_transform(rows)
seconds, worked = time.perf_counter() - began, time.process_time() - worked
np.asarray(found, dtype='<f8').tofile(places)
told = {'seconds': seconds, 'cpu_seconds': worked, 'peak_bytes': 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        'version': umap.__version__, 'trust': float(trustworthiness(rows, found, n_neighbors=15, metric='cosine'))}
json.dump(told, open(out, 'w'))
print(told)
