"""The way of a new bar: from the answer that first holds it to the forecast that is made from it (see providers.py)."""

import datetime
import email.utils
import http.client
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

import market
import servers

# Floor and goal of the 99th percentile, seconds.
BOUNDS = (1.0, 0.25)
BARS, SYMBOLS = 200, 30
MINUTE = 60
# History that a first model needs, days, and where the predictor answers (crds/src/role.rs).
DAYS, HTTP = 5, 8080
LIMIT = 900


def run(options):
    # Threads of this program wait for each other less long than what is measured.
    sys.setswitchinterval(5e-4)
    names = [f"S{number:03}" for number in range(min(options.symbols, SYMBOLS))]
    start = market.today().date() - datetime.timedelta(days=DAYS)
    symbols = [{"symbol": name, "price": 100} for name in names]
    scenario = market.scenario(symbols, start, calendar="AlwaysOpen", timeZone="UTC")
    world = market.Market(options, "latency", "Yahoo", scenario)
    try:
        world.keep_a_lake()
        door = Door(world.asked)
        world.asked = door.host
        world.declare(spec(names, start))
        world.prepare()
        roles = {name: world.role(name, servers.free_port()) for name in ("ingest", "stream", "lake")}
        train(world, roles)
        roles["predict"] = world.role("predict", servers.free_port())
        roles["predict"].until("the first forecast", lambda: made_at(names[0]) is not None, 60)
        door.is_noting = True
        before = {process.name: process.cpu() for process in (world.kafka, world.simulator, *roles.values())}
        began = time.monotonic()
        waits = watch(door, roles)
        took = time.monotonic() - began
        cpu = {process.name: process.cpu() - before[process.name] for process in (world.kafka, world.simulator, *roles.values())}
        report(waits, names, took, (cpu, door.rows))
    finally:
        world.stop()


def spec(names, start):
    return {
        "instruments": [{"symbol": name} for name in names],
        "calendar": "AlwaysOpen",
        "source": {
            "interval": "1m",
            "provider": {"delay": "0s", "poll": "10s"},
            "backfill": {"from": str(start)},
        },
        "features": [{"name": "r", "function": "LogReturn"}, {"name": "rsi", "function": "Rsi", "window": 14}],
        "training": {"model": {"kind": "Linear"}, "horizon": 5},
        "drift": {"windowSessions": 1},
    }


def train(world, roles):
    """Makes the first version from what the lake holds, and has it served."""

    def is_stored():
        sent = world.status("ingest")
        stored = world.status("lake").get("rows")
        return sent.get("sourceComplete") and stored and stored >= sent["rowsSent"]

    roles["lake"].until("storing all history", is_stored, LIMIT)
    run = {
        "runId": "00000001",
        "trigger": "Initial",
        "deltaVersion": world.status("lake")["version"],
        "champion": None,
        "gateSessions": 0,
    }
    command = [world.programs / "foresail-trainer", "train", "--config", world.folder / "train.json", "--run", json.dumps(run)]
    world.run("train", command).ends(LIMIT)
    result = world.status("training")["result"]
    champion = {"version": 1, "manifestUri": result["manifestUri"], "manifestSha256": result["manifestSha256"]}
    world.serve({"champion": champion, "previous": None, "driftReference": None})


class Door:
    """Stands before the simulator, and knows when each bar was in an answer for the first time."""

    def __init__(self, simulator):
        self.simulator, self.is_noting = simulator, False
        self.lock, self.seen, self.waiting, self.rows = threading.Lock(), {}, {}, 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Passing)
        self.server.daemon_threads, self.server.door = True, self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_port}"

    def newest(self, path, headers, body):
        """The symbol of an answer and the end of its newest bar that has ended."""
        symbol = urllib.parse.urlsplit(path).path.rsplit("/", 1)[1]
        answered = email.utils.parsedate_to_datetime(headers["date"]).timestamp()
        stamps = json.loads(body)["chart"]["result"][0].get("timestamp", [])
        ended = [stamp + MINUTE for stamp in stamps if stamp + MINUTE <= answered]
        self.rows = len(stamps)
        return symbol, max(ended, default=0)

    def note(self, symbol, end):
        with self.lock:
            is_first = end > self.seen.get(symbol, 0)
            if is_first and self.is_noting and symbol in self.seen:
                self.waiting[symbol, end] = time.monotonic()
            self.seen[symbol] = max(end, self.seen.get(symbol, 0))


class Passing(servers.Quiet):
    def do_GET(self):
        door = self.server.door
        asked = http.client.HTTPConnection(door.simulator, timeout=60)
        asked.request("GET", self.path, headers={"accept": "*/*"})
        answer = asked.getresponse()
        body = answer.read()
        found = door.newest(self.path, answer.headers, body) if answer.status == 200 else None
        self.send_response_only(answer.status)
        for name in ("content-type", "date"):
            self.send_header(name, answer.headers[name])
        self.send_header("content-length", str(len(body)))
        if found:
            # Nothing of it is sent yet.
            door.note(*found)
        self.end_headers()
        self.wfile.write(body)
        asked.close()


CONNECTION = None


def made_at(symbol):
    """End of the bar that a forecast is made from, seconds; None while there is no forecast."""
    global CONNECTION
    try:
        CONNECTION = CONNECTION or http.client.HTTPConnection("127.0.0.1", HTTP, timeout=10)
        CONNECTION.request("GET", f"/v1/forecasts/{symbol}")
        answer = CONNECTION.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        CONNECTION = None
        return None
    if answer.status != 200:
        return None
    return datetime.datetime.fromisoformat(answer.headers["X-Foresail-As-Of"]).timestamp()


def watch(door, roles):
    """Seconds that each bar took, from its answer to the end of a request that has a forecast made from it."""
    waits, end = [], time.monotonic() + LIMIT
    while len(waits) < BARS:
        with door.lock:
            waiting = dict(door.waiting)
        for (symbol, bar), since in waiting.items():
            made = made_at(symbol)
            if made is not None and made >= bar:
                waits.append(time.monotonic() - since)
                with door.lock:
                    del door.waiting[symbol, bar]
        for role in roles.values():
            role.check()
        if time.monotonic() > end:
            raise SystemExit(f"{len(waits)} bars reached a forecast within {LIMIT} s, {len(waiting)} wait")
        time.sleep(0.002)
    return sorted(waits)


def report(waits, names, took, details):
    cpu, rows = details
    middle, high = (waits[min(len(waits) - 1, int(len(waits) * part))] for part in (0.5, 0.99))
    floor, goal = BOUNDS
    met = "goal met" if high <= goal else "floor met" if high <= floor else "ABOVE THE FLOOR"
    print(f"latency: {len(waits)} bars of {len(names)} symbols, one a minute each, in {took:.0f} s; {rows} rows in an answer")
    print(f"  from the answer to the forecast: p50 {middle * 1e3:.0f} ms, p99 {high * 1e3:.0f} ms, longest {waits[-1] * 1e3:.0f} ms")
    print(f"  p99 of {goal * 1e3:.0f} ms (floor {floor * 1e3:.0f} ms): {met}")
    shown = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in cpu.items())
    print(f"  processor time: {shown}; load average", *os.getloadavg(), flush=True)
