"""Programs that a benchmark runs as processes of this machine, without a cluster: Kafka as `cargo xtask setup` brings it, on a port
of its own and with nothing kept, and ours.
"""

import http.server
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from harness import CACHE, ROOT

BUCKET = "bench"
# No secret: the server is reachable from this machine alone.
S3_KEYS = {"accessKeyId": "foresail", "secretAccessKey": "foresail-secret-key"}


class Quiet(http.server.BaseHTTPRequestHandler):
    """Answers small requests at once, and says nothing of them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def version(name):
    """A version as tests/node/src/versions.rs pins it."""
    text = (ROOT / "tests/node/src/versions.rs").read_text()
    return re.search(rf'pub const {name}: &str =\s*"([^"]+)"', text).group(1)


def tool(name, pinned):
    folder = CACHE / "tools" / f"{name}-{version(pinned)}"
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: `cargo xtask setup` brings it")
    return folder


class Process:
    """A program that runs until the benchmark ends; what it says is in a file."""

    def __init__(self, folder, name, command, environment=None):
        self.name, self.log = name, folder / f"{name}.log"
        self.began = time.monotonic()
        with open(self.log, "wb") as log:
            command = [str(word) for word in command]
            environment = {**os.environ, **(environment or {})}
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def check(self):
        if self.child.poll() is not None:
            raise SystemExit(f"{self.name} ended with {self.child.returncode}:\n{self.said()}")

    def said(self):
        return self.log.read_text(errors="replace")[-3000:]

    def until(self, what, done, limit=60):
        """Waits until `done` says something true."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            self.check()
            found = done()
            if found:
                return found
            time.sleep(0.02)
        raise SystemExit(f"{self.name}: {what} took longer than {limit} s:\n{self.said()}")

    def listens(self, port, limit=60):
        self.until(f"listening on {port}", lambda: answers(port), limit)

    def ends(self, limit=120):
        """Waits until it has ended well."""
        try:
            code = self.child.wait(limit)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{self.name} did not end within {limit} s:\n{self.said()}") from None
        if code:
            raise SystemExit(f"{self.name} ended with {code}:\n{self.said()}")

    def cpu(self):
        """Processor time so far, seconds."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, what="VmHWM"):
        """Largest resident memory so far, MiB."""
        text = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+) kB", text).group(1)) / 1024

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def answers(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def kafka(folder):
    """One broker, as the node of the tests has it (tests/node/configs/kafka.properties)."""
    jars = f"{tool('kafka', 'KAFKA')}/*"
    port, controller = free_port(), free_port()
    text = (ROOT / "tests/node/configs/kafka.properties").read_text()
    text = text.replace("__NODE_IP__:9092", f"127.0.0.1:{port}").replace(":9093", f":{controller}")
    config = folder / "kafka.properties"
    config.write_text(text.replace("__STATE__", str(folder)))
    identity = ["--cluster-id", "Zm9yZXNhaWwtbm9kZS0wMQ", "--config", config]
    format_ = ["java", "-cp", jars, "kafka.tools.StorageTool", "format", *identity]
    subprocess.run(format_, check=True, capture_output=True)
    java = ["java", "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-cp", jars, "kafka.Kafka", config]
    server = Process(folder, "kafka", java)
    server.listens(port)
    server.address, server.jars = f"127.0.0.1:{port}", jars
    return server


def s3(folder):
    """An S3 server with one empty bucket."""
    port, data = free_port(), folder / "s3"
    for part in (f"data/{BUCKET}", "sidecar"):
        (data / part).mkdir(parents=True)
    command = [tool("versitygw", "VERSITYGW") / "versitygw", "--port", f"127.0.0.1:{port}", "--quiet"]
    keys = {"ROOT_ACCESS_KEY": S3_KEYS["accessKeyId"], "ROOT_SECRET_KEY": S3_KEYS["secretAccessKey"]}
    server = Process(folder, "s3", [*command, "posix", "--sidecar", data / "sidecar", data / "data"], keys)
    server.listens(port)
    server.endpoint = f"http://127.0.0.1:{port}"
    return server


def topic(kafka, name):
    """Makes a topic of one partition."""
    words = ["--bootstrap-server", kafka.address, "--create", "--topic", name, "--partitions", "1"]
    java = ["java", "-XX:TieredStopAtLevel=1", "-cp", kafka.jars, "org.apache.kafka.tools.TopicCommand", *words]
    subprocess.run(java, check=True, capture_output=True)
