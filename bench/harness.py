"""What the benchmarks share: peers in a virtual environment of their own, runs, intervals, ratios."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("FORESAIL_CACHE", pathlib.Path.home() / ".cache/foresail"))


def install(venv, packages, check):
    """Goes on in the environment `venv`, made when `check` (a Python statement) fails there."""
    python = venv / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    if subprocess.run([python, "-c", check], capture_output=True).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", *packages], check=True)
    if pathlib.Path(sys.prefix).resolve() != venv.resolve():
        os.execv(python, [str(python), *sys.argv])


def build(*packages, examples=True):
    """Folder of the packages' examples, or of their programs, built with the `dist` profile."""
    command = ["cargo", "build", "--profile", "dist", *(word for package in packages for word in ("-p", package))]
    subprocess.run([*command, *(["--examples"] if examples else [])], cwd=ROOT, check=True)
    folder = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "dist"
    return folder / "examples" if examples else folder


@contextlib.contextmanager
def workspace(name, keep):
    """A folder of its own in the cache, removed at the end unless what lies in it is to be kept."""
    (CACHE / name).mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(dir=CACHE / name))
    try:
        yield folder
    finally:
        if keep:
            print("logs:", folder)
        else:
            shutil.rmtree(folder)


def run_parts(parts, functions, options):
    """Measures one part after the other, and says how busy the machine was."""
    for part in parts:
        print(f"load average before {part}:", *os.getloadavg(), flush=True)
        functions[part](options)
    print("load average after:", *os.getloadavg())


def result(command, **environment):
    """The JSON on the last line that `command` prints."""
    done = subprocess.run([str(c) for c in command], env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def interval(values, seed=1):
    """Median and bootstrap 95 % interval of it."""
    import numpy as np

    values = np.asarray(values)
    draws = np.random.default_rng(seed).choice(values, (2000, len(values)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return float(np.median(values)), float(low), float(high)
