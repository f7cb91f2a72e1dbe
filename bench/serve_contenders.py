"""Who is measured by bench/serve.py: ours and its peers, each as people run it (default) and as well as we could make it run (tuned).
All have the same weights and are asked the same windows.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
from http.client import HTTPException

from harness import CACHE
from serve_load import Requests, pinned
from servers import Process, free_port

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
PATHS = {"v1": "/v1/models/foresail:predict", "v2": "/v2/models/foresail/infer"}
# Each with its own environment: their packages want different versions of the same ones.
ENVIRONMENTS = {
    "serve": [
        "tensorflow-cpu==2.21.0",
        "keras==3.15.1",
        "onnx==1.23.2",
        "onnxruntime==1.32.0",
        "fastapi==0.165.0",
        "uvicorn[standard]==0.54.0",
        "orjson==3.13.0",
        "safetensors==0.8.0",
        "numpy==2.4.6",
    ],
    "kserve": ["kserve==0.21.0", "onnxruntime==1.32.0"],
    "pytriton": ["nvidia-pytriton==0.7.0", "onnxruntime==1.32.0"],
}
# Floor and goal of the ratio of throughputs, and the form of its requests.
RATIOS = {
    "fastapi-keras": (10, 30, "v1"),
    "fastapi-onnx": (4, 8, "v1"),
    "kserve": (10, 30, "v1"),
    "pytriton": (2, 5, "v2"),
}


# PyTriton carries an interpreter of its own, which reads the library of this one: not all 3.11 fit.
PYTHONS = {"pytriton": "/usr/bin/python3"}


def check(name):
    """A statement that fails where another version is installed. Importing them takes many seconds."""
    wanted = [package.replace("[standard]", "").split("==") for package in ENVIRONMENTS[name]]
    return f"from importlib.metadata import version\nassert all(version(name) == at for name, at in {wanted})"


def environment(name):
    return CACHE / f"bench-serve-{name}"


class Server(Process):
    """A process with its children, which answers on a port."""

    def __init__(self, folder, name, command, variables, cpus=None):
        super().__init__(folder, name, [*pinned(cpus), *command], variables)
        self.spent = {}

    def tree(self):
        """The process and all that came from it."""
        found, left = [], [self.child.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    left += map(int, task.read_text().split())
                except OSError:
                    continue
        return found

    def cpu(self):
        """Processor time of all so far, seconds, those that have ended included."""
        for pid in self.tree():
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            self.spent[pid] = int(fields[11]) + int(fields[12])
        return sum(self.spent.values()) / os.sysconf("SC_CLK_TCK")

    def memory(self, what="Pss"):
        """Memory of all now, MiB; what they share counts once (Pss). `Rss` counts it in each."""
        total = 0
        for pid in self.tree():
            try:
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))
        return total / 1024

    def stop(self):
        """Some leave children behind when they are told to end."""
        pids = self.tree() if self.child.poll() is None else [self.child.pid]
        super().stop()
        for pid in pids[1:]:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue


class NotStarted(Exception):
    """A server that does not come up, with what it said last."""


class Contender:
    """One server that can be started: `make` gives its command for a port, in `variables` stands its model."""

    def __init__(self, name, make, variables=None, forms=("v1",)):
        self.name, self.make, self.variables, self.forms = name, make, variables or {}, forms

    def start(self, folder, ready, cpus=None, limit=180):
        """Started, and answering the window of `ready`; `first` is how long that took, seconds."""
        port = free_port()
        server = Server(folder, self.name, self.make(port), self.variables, cpus)
        server.port = port
        while not answered(ready, port):
            passed = time.monotonic() - server.began
            if server.child.poll() is not None or passed > limit:
                server.stop()
                raise NotStarted(f"{self.name} gave no answer in {passed:.0f} s: {server.said().strip()[-300:]}")
            time.sleep(0.002)
        server.first = time.monotonic() - server.began
        return server


def answered(requests, port):
    try:
        return requests.ask(port)[0]
    except (OSError, HTTPException):
        return None


def ours(program, models):
    def make(port):
        return [program, "serve", "--model", f"foresail={models}", "--http", f"127.0.0.1:{port}", "--anonymous"]

    return Contender("foresail", make, {"RUST_LOG": "warn"}, ("v1", "v2", "binary"))


def peers(model):
    """All that are installed; how they are started when tuned."""
    uvicorn = [environment("serve") / "bin/python", "-m", "uvicorn", "--app-dir", PEERS, "serve_fastapi:app"]
    quick = ["--workers", "2", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    all_ = []
    for tuned in (True, False):
        end, base = "" if tuned else "-default", {"MODEL": str(model), "TUNED": str(int(tuned)), "CUDA_VISIBLE_DEVICES": ""}
        for runtime in ("keras", "onnx"):
            words = [*uvicorn, *(quick if tuned else [])]
            make = lambda port, words=words: [*words, "--port", port]
            all_.append(Contender(f"fastapi-{runtime}{end}", make, {**base, "RUNTIME": runtime}))
        words = [environment("kserve") / "bin/python", PEERS / "serve_kserve.py"]
        more = ["--workers", "2", "--enable_grpc", "false", "--enable_latency_logging", "false"] if tuned else []
        make = lambda port, words=words, more=more: [*words, "--http_port", port, "--grpc_port", free_port(), *more]
        all_.append(Contender(f"kserve{end}", make, base, ("v1", "v2")))
        words = [environment("pytriton") / "bin/python", PEERS / "serve_pytriton.py"]
        make = lambda port, words=words: [*words, port]
        all_.append(Contender(f"pytriton{end}", make, base, ("v2", "binary")))
    return all_


def installed(wanted):
    """The environments of the peers; one that cannot be made is said and left out."""
    there = {"serve"}
    for name in {environment_of(peer) for peer in wanted} - there:
        python = environment(name) / "bin/python"
        if not python.exists():
            subprocess.run([PYTHONS.get(name, sys.executable), "-m", "venv", environment(name)], check=True)
        if subprocess.run([python, "-c", check(name)], capture_output=True).returncode:
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", *ENVIRONMENTS[name]])
        done = subprocess.run([python, "-c", check(name)], capture_output=True, text=True)
        if done.returncode:
            print(f"{name} cannot be installed here, left out: {done.stderr.strip().splitlines()[-1]}")
        else:
            there.add(name)
    return there


def environment_of(peer):
    return "serve" if peer.startswith("fastapi") else peer.removesuffix("-default")


def forms(folder, windows):
    """The windows as requests: v1 is `instances`, v2 is Open Inference as JSON, binary the same with raw numbers behind it."""
    json_ = {"Content-Type": "application/json"}
    # Each number as short as it can be and still the same f32.
    lists = [[[[float(str(v)) for v in row] for row in window]] for window in windows]
    v1 = [json.dumps({"instances": window}).encode() for window in lists]
    shape = [1, *windows.shape[1:]]
    tensor = {"name": "x", "shape": shape, "datatype": "FP32"}
    flat = [[v for row in window[0] for v in row] for window in lists]
    v2 = [json.dumps({"inputs": [{**tensor, "data": data}]}).encode() for data in flat]
    count = int(windows[0].nbytes)
    head = {"inputs": [{**tensor, "parameters": {"binary_data_size": count}}], "parameters": {"binary_data_output": True}}
    head = json.dumps(head).encode()
    binary = [head + window.tobytes() for window in windows]
    binary_headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return {
        "v1": Requests(folder, "v1", PATHS["v1"], v1, json_),
        "v2": Requests(folder, "v2", PATHS["v2"], v2, json_),
        "binary": Requests(folder, "binary", PATHS["v2"], binary, binary_headers),
    }


class Expected:
    """What the windows should give, within 1e-5."""

    def __init__(self, outputs):
        self.outputs = outputs

    def wrong(self, requests, body, headers, index):
        """What is wrong with an answer; None when nothing is."""
        import numpy as np

        if requests.name == "v1":
            found = json.loads(body)["predictions"][0]
        elif requests.name == "v2" or "Inference-Header-Content-Length" not in headers:
            found = np.ravel(json.loads(body)["outputs"][0]["data"])
        else:
            found = np.frombuffer(body[int(headers["Inference-Header-Content-Length"]) :], "<f4")
        worst = float(np.max(np.abs(np.asarray(found) - self.outputs[index])))
        return None if worst <= 1e-5 else f"window {index} differs by {worst:.1e}"

    def check(self, server, requests):
        """All windows, before anything is measured."""
        for index in range(len(requests.bodies)):
            fault = self.wrong(requests, *requests.ask(server.port, index), index)
            if fault:
                raise SystemExit(f"{server.name}, {requests.name}: {fault}")
