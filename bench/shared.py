"""What the benchmarks share: their virtual environments, our programs, and medians with an interval."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("FORESAIL_CACHE", pathlib.Path.home() / ".cache/foresail"))


def install(venv, packages):
    """Goes on in a virtual environment of its own that has the packages (`name` or `name==version`)."""
    python = venv / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    split = [package.partition("==")[::2] for package in packages]
    check = "from importlib.metadata import version\n"
    check += f"assert all(version(name) == wanted or not wanted for name, wanted in {split})"
    if subprocess.run([python, "-c", check], capture_output=True).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", *packages], check=True)
    if pathlib.Path(sys.prefix).resolve() != venv.resolve():
        os.execv(python, [str(python), *sys.argv])


def build(package):
    """The folder with the package's examples, built as they are released."""
    command = ["cargo", "build", "--profile", "dist", "-p", package, "--examples"]
    subprocess.run(command, cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "dist/examples"


def pinned(command, threads):
    """The command on the first `threads` CPUs."""
    return ["taskset", "-c", ",".join(str(cpu) for cpu in range(threads)), *map(str, command)]


def interval(values, seed=1):
    """Median and bootstrap 95 % interval of the median."""
    import numpy as np

    values = np.asarray(values)
    draws = np.random.default_rng(seed).choice(values, (2000, len(values)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return float(np.median(values)), float(low), float(high)
