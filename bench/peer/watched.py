"""Runs a script of peers and adds to the JSON that it writes what it does not tell: beside each task the most
physical memory the process held meanwhile, and the versions of the libraries.

usage:  python watched.py OUT.json PEERS.py ARGUMENTS...

The script must take --json FILE and print one line a task when it is done: its name, then its seconds and an s.
"""
import importlib.metadata
import json
import platform
import re
import resource
import runpy
import sys

out, script, *arguments = sys.argv[1:]
TASK = re.compile(r"(\w+) +[0-9.]+ s\b")
peaks = {}


def peak():
    """Bytes at most since the last call, or since the start where the system cannot begin anew."""
    try:
        with open("/proc/self/status") as status:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
        with open("/proc/self/clear_refs", "w") as clear:
            clear.write("5")  # the peak and nothing else, says proc(5)
        if found:
            return int(found[1]) * 1024
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


class Watched:
    """Standard output that looks at the memory whenever a task says that it is done."""

    def __init__(self, to):
        self._to = to

    def write(self, text):
        done = TASK.match(text)
        if done:
            peaks[done[1]] = peak()
        return self._to.write(text)

    def __getattr__(self, name):
        return getattr(self._to, name)


sys.argv = [script, *arguments, "--json", out]
sys.stdout = Watched(sys.stdout)
runpy.run_path(script, run_name="__main__")

with open(out) as file:
    results = json.load(file)
for task, bytes_ in peaks.items():
    if task in results:
        results[task]["peak_bytes"] = bytes_
results["versions"] = {"python": platform.python_version()}
for library in ("torch", "transformers", "transformer_lens"):
    try:
        results["versions"][library] = importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        pass
with open(out, "w") as file:
    json.dump(results, file)
