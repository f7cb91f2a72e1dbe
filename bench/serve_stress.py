"""Parts of bench/serve.py in which something happens to our server: versions change, others ask for more than it can do."""

import socket
import subprocess
import threading
import time

import serve_load as load
from harness import interval
from serve_parts import bounded, fastest, ours, started, times

SWAP, OVERLOAD = (2, 1.2), (1.5, 1.2)
# The good client of `overload`: requests per second.
GOOD = 50
SLOW_HEADS, OVERSIZE = 200, 64 << 20


def ratio(label, name, calm, busy, bounds):
    """p99 of one leg to that of the other, pair by pair."""
    value, low, high = interval([b["p99"] / a["p99"] for a, b in zip(calm, busy)])
    before, after = (interval([leg["p99"] for leg in legs])[0] for legs in (calm, busy))
    print(f"{label}: p99 {before:.2f} ms, {name} {after:.2f} ms: {value:.2f}x [{low:.2f}, {high:.2f}], {bounded(value, *bounds)}")


def own_maximum(options, server, requests):
    """Requests per second on one processor."""
    connections = fastest(server, requests, "1")
    return load.closed(server, requests, connections, options.seconds, "1")["rate"]


class Versions(threading.Thread):
    """Puts a new version there every other second, as the folder is looked at every second: the same weights, so that answers can be compared."""

    def __init__(self, model, first):
        super().__init__(daemon=True)
        self.model, self.next, self.ending = model, first, threading.Event()

    def run(self):
        while not self.ending.wait(2):
            self.model.version(self.next)
            self.next += 1

    def stop(self):
        self.ending.set()
        self.join()


def swap(options):
    """p99 at half of own maximum while a new version takes over every two seconds, to that without; peers have to be started again for one."""
    server = started(options, ours(options), cpus="0")
    requests, calm, busy, version = options.model.forms["v1"], [], [], 2
    try:
        rate = own_maximum(options, server, requests) / 2
        first = answering(server, requests)
        for index in range(options.pairs):
            for swapping in (index % 2 == 1, index % 2 == 0):
                versions = Versions(options.model, version)
                if swapping:
                    versions.start()
                with load.Checker(server, requests, options.model.expected.wrong) as checker:
                    leg = load.open_loop(options.oha, server, requests, rate, 2 * options.seconds, cpus="1")
                if swapping:
                    versions.stop()
                version = versions.next
                bad = leg["refused"] + leg["failed"] + len(checker.faults)
                if bad:
                    print(f"swap: {bad} of {leg['answered']} requests got no right answer: {leg} {checker.faults[:1]}")
                (busy if swapping else calm).append(leg)
        last = answering(server, requests)
        print(f"swap: {version - 2} versions put there, v{first} answered at first and v{last} at last; {rate:.0f} requests/s")
        ratio("p99 during a swap", "with swaps", calm, busy, SWAP)
    finally:
        server.stop()


def answering(server, requests):
    """The version that answers now."""
    return int(requests.ask(server.port)[1]["X-Foresail-Model-Version"])


class Flood:
    """More than a server can do: as many requests as come on 256 connections, heads that never end, bodies that are too large.

    All of it yields the processor to the good client, who would otherwise measure the flood's wait for it, not the server's.
    """

    def __init__(self, server, requests, seconds):
        self.port, self.path, self.ending = server.port, requests.path, threading.Event()
        url = f"http://127.0.0.1:{server.port}"
        command = ["nice", "-n", "19", "taskset", "-c", "1", "wrk", "-t", "2", "-c", "256", "-d", f"{seconds}s", "-s", requests.script, url]
        words = [str(word) for word in command]
        self.wrk = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.threads = [threading.Thread(target=part, daemon=True) for part in (self.slow, self.oversize)]
        for thread in self.threads:
            thread.start()

    def slow(self):
        """Heads of which a line comes every half second."""
        open_ = []
        while not self.ending.wait(0.5):
            kept = []
            for connection in open_:
                try:
                    connection.sendall(b"X-Slow: 1\r\n")
                    kept.append(connection)
                except OSError:
                    connection.close()
            open_ = kept
            for _ in range(SLOW_HEADS - len(open_)):
                try:
                    connection = socket.create_connection(("127.0.0.1", self.port), 1)
                    connection.sendall(f"POST {self.path} HTTP/1.1\r\n".encode())
                    open_.append(connection)
                except OSError:
                    break
        for connection in open_:
            connection.close()

    def oversize(self):
        """Ten bodies a second of which the head says that they are too large."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {OVERSIZE}\r\n\r\n"
        while not self.ending.wait(0.1):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    connection.sendall(head.encode() + b"[" * 65_536)
                    connection.settimeout(1)
                    connection.recv(4096)
            except OSError:
                continue

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        return self.wrk.communicate()[0].strip().splitlines()[-1]


def overload(options):
    """Time of answers of a client that asks little, while the server is at half of its maximum, and while it is flooded."""
    server = started(options, ours(options), cpus="0")
    requests, calm, busy = options.model.forms["v1"], [], []
    try:
        before, rate = server.memory(), own_maximum(options, server, requests) / 2
        seconds = 2 * options.seconds
        for _ in range(options.pairs):
            beside = threading.Thread(target=load.open_loop, args=(options.oha, server, requests, rate, seconds + 2, 64, "1"))
            beside.start()
            calm.append(good(options, server, requests, seconds))
            beside.join()
            flood = Flood(server, requests, seconds + 2)
            busy.append(good(options, server, requests, seconds))
            said = flood.stop()
            print(f"  calm {times(calm[-1])}; flooded {times(busy[-1])}; the flood: {said}", flush=True)
        growth = server.memory() - before
        refused = sum(leg["refused"] + leg["failed"] for leg in busy)
        print(f"overload: {refused} of the good client's requests were not answered with 200; memory grew by {growth:.0f} MiB")
        ratio("p99 of a good client", "under overload", calm, busy, OVERLOAD)
    finally:
        server.stop()


def good(options, server, requests, seconds):
    """Measured once the others are there."""
    time.sleep(1)
    return load.open_loop(options.oha, server, requests, GOOD, seconds, 4, "1")
