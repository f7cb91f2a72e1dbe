"""Parts of bench/serve.py that ask servers what they are made for: throughput, time of answers, memory, start."""

import statistics

import serve_contenders as contenders
import serve_load as load
from harness import interval
from serve_models import SIZES, Model

CONNECTIONS = (1, 8, 64, 256)
# Floors and goals of ours.
LATENCY, MEMORY, START = (2, 0.5), (40, 20), (300, 50)
# A leg that the hypervisor took more than this share of is measured again.
STEAL = 0.01


def verdict(value, floor, goal):
    """Where more is better."""
    return f"goal {goal} met" if value >= goal else f"floor {floor} met" if value >= floor else f"BELOW THE FLOOR of {floor}"


def bounded(value, floor, goal):
    """Where less is better."""
    return f"goal {goal} met" if value <= goal else f"floor {floor} met" if value <= floor else f"ABOVE THE FLOOR of {floor}"


def versions(options):
    """What runs, as the report has to say."""
    for name, packages in contenders.ENVIRONMENTS.items():
        print(f"{name}:", *packages)
    print("generators:", options.wrk, "" if options.oha is None else f"and oha {load.OHA}")


def ours(options, model=None):
    model = model or options.model
    return contenders.ours(options.programs / "foresail-worker", model.ours)


def peers(options, model=None):
    model = model or options.model
    return [peer for peer in contenders.peers(model.peers) if peer.name in options.peers]


def started(options, contender, model=None, cpus=None):
    """A server that gives the right answers in every form it knows."""
    model = model or options.model
    ready = model.forms[contender.forms[0]]
    try:
        server = contender.start(options.folder, ready, cpus)
    except contenders.NotStarted:
        # Once more: some have short timeouts of their own for the start of their parts.
        server = contender.start(options.folder, ready, cpus)
    for form in contender.forms:
        model.expected.check(server, model.forms[form])
    return server


def fastest(server, requests, cpus=None):
    """The number of connections with which most answers come and none is refused, after two seconds of warm-up."""
    load.closed(server, requests, 8, 2, cpus)
    found = []
    # Twice, in both orders, as a moment in which others have the machine would name the wrong one.
    for connections in (*CONNECTIONS, *reversed(CONNECTIONS)):
        tried = load.closed(server, requests, connections, 2, cpus)
        found.append((not tried["errors"], tried["rate"], connections))
    return max(found)[2]


def leg(server, requests, connections, seconds, expected):
    """One measurement, a second of warm-up before it; wrong answers end the benchmark."""
    load.closed(server, requests, connections, 1)
    for _ in range(3):
        with load.Checker(server, requests, expected.wrong) as checker:
            measured = load.closed(server, requests, connections, seconds)
        if checker.faults:
            raise SystemExit(f"{server.name}, {requests.name}, under load: {checker.faults[0]}")
        if measured["errors"] or not measured["rate"]:
            raise SystemExit(f"{server.name}, {requests.name}, {connections} connections, not all answered: {measured}")
        if measured["steal"] <= STEAL * seconds * 2:
            break
    return measured


def pairs(options, first, second, expected):
    """Legs of two (server, requests, connections), alternating: ABBA BAAB."""
    results = ([], [])
    for index in range(options.pairs):
        order = (0, 1) if index % 4 in (0, 3) else (1, 0)
        for which in order:
            results[which].append(leg(*(first, second)[which], options.seconds, expected))
    return results


def compare(options, label, first, second, model):
    """Measures two and prints what came out; ratios of the pairs."""
    a, b = pairs(options, first, second, model.expected)
    for (server, requests, connections), legs in ((first, a), (second, b)):
        rate, low, high = interval([leg["rate"] for leg in legs])
        cpu = interval([leg["cpu_per_1000"] for leg in legs])[0]
        print(
            f"{server.name} {requests.name} {model.size}: {rate:.0f} requests/s [{low:.0f}, {high:.0f}], "
            f"{cpu:.3f} CPU seconds per 1,000, {connections} connections"
        )
    ratios = [x["rate"] / y["rate"] for x, y in zip(a, b)]
    value, low, high = interval(ratios)
    cpu = interval([y["cpu_per_1000"] / x["cpu_per_1000"] for x, y in zip(a, b)])
    print(f"{label}: {value:.2f}x [{low:.2f}, {high:.2f}]", flush=True)
    print(f"  CPU seconds per request, the second to the first: {cpu[0]:.2f}x [{cpu[1]:.2f}, {cpu[2]:.2f}]; worst pair {min(ratios):.2f}x")
    return value


def against(options, server, peer, form, label, model=None):
    """One peer beside ours, which runs already, both at the connections that suit them."""
    model = model or options.model
    requests = model.forms[form]
    other = started(options, peer, model)
    try:
        mine = (server, requests, fastest(server, requests))
        theirs = (other, requests, fastest(other, requests))
        return compare(options, label, mine, theirs, model)
    finally:
        other.stop()


def each(servers, work):
    """Does the work for each; a peer that does not start is said and left out."""
    for contender in servers:
        try:
            work(contender)
        except contenders.NotStarted as error:
            if contender.name == "foresail":
                raise SystemExit(str(error)) from error
            print(f"{contender.name}: LEFT OUT, {error}", flush=True)


def throughput(options):
    """Windows as JSON, model S."""
    server = started(options, ours(options))

    def one(peer):
        floor, goal, form = contenders.RATIOS[peer.name.removesuffix("-default")]
        value = against(options, server, peer, form, f"ratio foresail vs {peer.name}")
        print(f"  {peer.name}: {verdict(value, floor, goal)} (goal {goal})")

    try:
        ceiling(options, server)
        each(peers(options), one)
    finally:
        server.stop()


def ceiling(options, server):
    """The most of this server without a model, and of a window: how much HTTP and JSON take."""
    empty = load.Requests(options.folder, "empty", "/v2/health/live", [b""], {}, "GET")
    for connections in (8, 64):
        rate = load.closed(server, empty, connections, options.seconds)["rate"]
        window = load.closed(server, options.model.forms["v1"], connections, options.seconds)["rate"]
        print(f"empty handler (GET /v2/health/live), {connections} connections: {rate:.0f} requests/s; windows as JSON {100 * window / rate:.0f} % of it")


def formats(options):
    """Our own forms beside each other, and raw numbers beside PyTriton."""
    server = started(options, ours(options))
    forms = options.model.forms
    try:
        best = {form: fastest(server, forms[form]) for form in ("v1", "v2", "binary")}
        for form in ("v1", "v2"):
            mine, other = ((server, forms[name], best[name]) for name in ("binary", form))
            compare(options, f"foresail binary vs foresail {form}", mine, other, options.model)
        binary = [peer for peer in peers(options) if "binary" in peer.forms]
        each(binary, lambda peer: against(options, server, peer, "binary", f"foresail binary vs {peer.name} binary"))
    finally:
        server.stop()


def models(options):
    """Larger models, where less of the time is the wrapper's."""
    for size in SIZES:
        model = options.model if size == options.model.size else Model(options, size)
        server = started(options, ours(options, model), model)
        tuned = [peer for peer in peers(options, model) if peer.name in ("fastapi-onnx", "fastapi-keras")]
        try:
            each(tuned, lambda peer: against(options, server, peer, "v1", f"model {size}, foresail vs {peer.name}", model))
        finally:
            server.stop()


def latency(options):
    """Open loop at shares of each one's own most, and ours at the rates of the peers; server on one processor, generator on the other."""
    at_half, rates = {}, {}

    def one(contender):
        server = started(options, contender, cpus="0")
        try:
            requests = options.model.forms[contender.forms[0]]
            connections = fastest(server, requests, "1")
            most = load.closed(server, requests, connections, options.seconds, "1")["rate"]
            print(f"{contender.name}: at most {most:.0f} requests/s on one processor, {connections} connections")
            for share in (0.3, 0.5, 0.7):
                found = load.open_loop(options.oha, server, requests, most * share, 2 * options.seconds, cpus="1")
                print(f"  {100 * share:.0f} %, {times(found)}", flush=True)
                if share == 0.5:
                    at_half[contender.name], rates[contender.name] = found, most * share
        finally:
            server.stop()

    each([ours(options), *peers(options)], one)
    print(f"p99 at half of own maximum: {at_half['foresail']['p99']:.2f} ms, {bounded(at_half['foresail']['p99'], *LATENCY)}")
    equal_rates(options, at_half, rates)


def equal_rates(options, at_half, rates):
    server = started(options, ours(options), cpus="0")
    try:
        for name, rate in rates.items():
            if name != "foresail":
                requests = options.model.forms[contenders.RATIOS[name.removesuffix("-default")][2]]
                found = load.open_loop(options.oha, server, requests, rate, 2 * options.seconds, cpus="1")
                print(f"at {rate:.0f} requests/s: foresail {times(found)}\n  {name} {times(at_half[name])}", flush=True)
    finally:
        server.stop()


def times(found):
    quantiles = ", ".join(f"{name} {found[name]:.2f} ms" for name in ("p50", "p99", "p99.9"))
    refused = f", {found['refused']} refused, {found['failed']} failed" if found["refused"] or found["failed"] else ""
    return f"{quantiles} ({found['achieved']:.0f} answers/s{refused})"


def memory(options):
    """Resident after load, all processes of a server together."""
    used = {}

    def one(contender):
        server = started(options, contender)
        try:
            fresh = server.memory()
            load.closed(server, options.model.forms[contender.forms[0]], 64, 2 * options.seconds)
            used[contender.name], counted = server.memory(), server.memory("Rss")
        finally:
            server.stop()
        times_ours = used[contender.name] / used["foresail"]
        print(
            f"{contender.name}: {used[contender.name]:.0f} MiB after load, {fresh:.0f} MiB before it, {times_ours:.1f} times ours "
            f"({counted:.0f} MiB where shared pages count in each process)",
            flush=True,
        )

    each([ours(options), *peers(options)], one)
    own = used["foresail"]
    print(f"resident: {own:.0f} MiB, {bounded(own, *MEMORY)}; the bound is for 50 symbols, whose rows `serve` does not hold")


def start(options):
    """From the start of the process to the first forecast, files in the page cache; the median of several starts."""
    middle = {}

    def one(contender):
        seconds = []
        for _ in range(options.pairs if contender.name == "foresail" else min(options.pairs, 3)):
            server = contender.start(options.folder, options.model.forms[contender.forms[0]])
            seconds.append(server.first)
            server.stop()
        middle[contender.name] = statistics.median(seconds) * 1000
        times_ours = middle[contender.name] / middle["foresail"]
        print(
            f"{contender.name}: first answer after {middle[contender.name]:.0f} ms, at most {max(seconds) * 1000:.0f} ms "
            f"({len(seconds)} starts), {times_ours:.1f} times ours",
            flush=True,
        )

    each([ours(options), *peers(options)], one)
    print(f"start to first answer: {middle['foresail']:.0f} ms, {bounded(middle['foresail'], *START)}")


def symbol(_options):
    """Needs a table, which needs Kafka."""
    print("symbol: left out. Forecasts by symbol come from rows of Kafka, which `foresail-worker serve` alone does not read.")
