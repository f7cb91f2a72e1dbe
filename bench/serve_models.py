"""The models that bench/serve.py measures with: one set of weights in everybody's form, and the windows that all are asked."""

import json
import pathlib
import shutil
import subprocess
import sys

import serve_contenders as contenders
from harness import CACHE

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
STEPS, OUTPUTS, WINDOWS = 60, 5, 16
# Features, hidden, layers.
SIZES = {"S": (16, 64, 1), "M": (32, 128, 2), "L": (32, 512, 2)}


class Model:
    """One size: `peers` is the folder that they load, `ours` what foresail-worker serves, `forms` the windows as requests."""

    def __init__(self, options, size):
        import numpy as np

        features, hidden, layers = SIZES[size]
        self.size, self.peers = size, CACHE / f"bench-serve/{size}"
        if not (self.peers / "windows.npz").exists():
            command = [sys.executable, PEERS / "serve_models.py", self.peers, features, hidden, layers, STEPS, OUTPUTS, WINDOWS]
            subprocess.run([str(word) for word in command], check=True)
        windows = np.load(self.peers / "windows.npz")
        self.folder = options.folder / size
        self.folder.mkdir()
        self.forms = contenders.forms(self.folder, windows["x"])
        self.expected = contenders.Expected(windows["y"])
        self.ours = self.folder / "model"
        artifact(options.programs / "foresail-trainer", self)

    def version(self, number):
        """The same weights as another version, complete at once, as a new version has to come."""
        made = self.folder / str(number)
        shutil.copytree(self.ours / "1", made)
        manifest = json.loads((made / "manifest.json").read_text())
        (made / "manifest.json").write_text(json.dumps({**manifest, "runId": f"copy-{number}"}))
        made.rename(self.ours / str(number))


def artifact(trainer, model):
    """Version 1 of ours, made as users make it from weights of their own."""
    spec = model.folder / "pipeline.json"
    spec.write_text(json.dumps(pipeline(*SIZES[model.size])))
    command = [trainer, "artifact", "--pipeline", spec, "--weights", model.peers / "weights.safetensors", "--out", model.ours]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"foresail-trainer artifact failed:\n{done.stderr[-2000:]}")


def pipeline(features, hidden, layers):
    """A Pipeline (JSON is YAML) with so many features; which ones does not count, as windows come in requests."""
    store = {"uri": "s3://none/lake", "endpoint": "http://none.example.com:9000", "secretName": "none"}
    return {
        "apiVersion": "foresail.dev/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": "foresail"},
        "spec": {
            "instruments": [{"symbol": "AAPL"}],
            "source": {"simulator": {"seed": 1, "start": "2010-01-04", "sessions": 2000}},
            "kafka": {"bootstrapServers": "none.example.com:9092"},
            "lake": store,
            "features": [{"name": f"change_{n}", "function": "RateOfChange", "window": n + 1} for n in range(1, features + 1)],
            "training": {
                "model": {"kind": "Lstm", "hidden": hidden, "layers": layers},
                "target": "LogReturn",
                "horizon": OUTPUTS,
                "lookback": STEPS,
            },
        },
    }
