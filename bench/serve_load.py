"""Load on a server, and what it costs the server: wrk for the most it can do, oha for the time of answers at a given rate.

wrk asks again as soon as it has an answer (closed loop); its times of answers are never quoted. oha asks at a rate whether answers come
or not, and counts from when a request was due (`--latency-correction`).
"""

import json
import os
import pathlib
import shutil
import subprocess
import threading
import time
import urllib.request

from harness import CACHE

OHA = "1.16.0"


def wrk():
    """Version of wrk, which the distribution has."""
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing: install it (Debian: apt install wrk)")
    return subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout.splitlines()[0]


def oha():
    """oha from crates.io, built at the first run."""
    root = CACHE / f"tools/oha-{OHA}"
    if not (root / "bin/oha").exists():
        # With TLS, although nobody is asked with it here: without this feature 1.16.0 does not compile.
        command = ["cargo", "install", "oha", "--version", OHA, "--locked", "--root", root]
        subprocess.run(command, check=True)
    return root / "bin/oha"


class Requests:
    """The same windows as requests of one form. wrk asks them in turn, oha the first."""

    def __init__(self, folder, name, path, bodies, headers, method="POST"):
        self.name, self.path, self.bodies, self.headers, self.method = name, path, bodies, headers, method
        self.file, self.script = folder / f"{name}.body", folder / f"{name}.lua"
        self.file.write_bytes(bodies[0])
        self.script.write_text(self.lua(folder))

    def lua(self, folder):
        """Each request is the next of the windows."""
        names = []
        for index, body in enumerate(self.bodies):
            names.append(folder / f"{self.name}-{index}.body")
            names[-1].write_bytes(body)
        files = ", ".join(json.dumps(str(name)) for name in names)
        headers = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in self.headers.items())
        return f"""local files, all, at = {{{files}}}, {{}}, 0
function init(args)
  for i, name in ipairs(files) do
    local file = io.open(name, "rb")
    all[i] = wrk.format({json.dumps(self.method)}, {json.dumps(self.path)}, {{{headers}}}, file:read("*a"))
    file:close()
  end
end
function request()
  at = at % #all + 1
  return all[at]
end
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format('{{"requests": %d, "us": %d, "errors": %d}}', summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""

    def ask(self, port, index=0):
        """Answer to one window."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}{self.path}", self.bodies[index], self.headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read(), answer.headers


def pinned(cpus):
    return ["taskset", "-c", cpus] if cpus else []


def closed(server, requests, connections, seconds, cpus=None):
    """The most that comes with so many connections: requests per second, CPU seconds of the server per 1,000, refused."""
    url = f"http://127.0.0.1:{server.port}"
    command = [*pinned(cpus), "wrk", "-t", str(min(2, connections)), "-c", str(connections), "-d", f"{seconds}s", "-s", requests.script, url]
    steal, cpu = stolen(), server.cpu()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.strip().splitlines()[-1])
    asked = max(said["requests"], 1)
    return {
        "rate": said["requests"] * 1e6 / said["us"],
        "cpu_per_1000": (server.cpu() - cpu) * 1000 / asked,
        "errors": said["errors"],
        "steal": stolen() - steal,
    }


def open_loop(oha, server, requests, rate, seconds, connections=64, cpus=None):
    """Times of answers at a rate, milliseconds, by quantile."""
    command = [*pinned(cpus), oha, "--no-tui", "--output-format", "json", "-q", f"{rate:.1f}", "--latency-correction", "-z", f"{seconds}s"]
    command += ["-c", str(connections), "-m", "POST", "-D", requests.file]
    command += [word for name, value in requests.headers.items() for word in ("-H", f"{name}: {value}")]
    command.append(f"http://127.0.0.1:{server.port}{requests.path}")
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"oha failed:\n{done.stderr[-2000:]}")
    return read_oha(json.loads(done.stdout))


def read_oha(said):
    """`achieved` says whether the server kept up; requests that were under way at the end are no errors."""
    quantiles = said["latencyPercentiles"]
    codes = said["statusCodeDistribution"]
    cut = {name: count for name, count in said["errorDistribution"].items() if "deadline" not in name}
    return {
        "p50": (quantiles["p50"] or float("nan")) * 1000,
        "p99": (quantiles["p99"] or float("nan")) * 1000,
        "p99.9": (quantiles["p99.9"] or float("nan")) * 1000,
        "achieved": said["summary"]["requestsPerSec"],
        "answered": codes.get("200", 0),
        "refused": sum(count for code, count in codes.items() if code != "200"),
        "failed": sum(cut.values()),
    }


def stolen():
    """Time that the hypervisor took, seconds of all processors so far."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


class Checker(threading.Thread):
    """Asks for a known window ten times a second while others load the server, and compares."""

    def __init__(self, server, requests, wrong):
        super().__init__(daemon=True)
        self.server, self.requests, self.wrong = server, requests, wrong
        self.compared, self.faults, self.ending = 0, [], threading.Event()

    def run(self):
        index = 0
        while not self.ending.is_set():
            index = (index + 1) % len(self.requests.bodies)
            try:
                fault = self.wrong(self.requests, *self.requests.ask(self.server.port, index), index)
            except OSError as error:
                fault = str(error)
            self.compared += 1
            if fault:
                self.faults.append(fault)
            time.sleep(0.1)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()
