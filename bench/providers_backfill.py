"""History of many symbols from the simulator into Kafka: time and memory (see providers.py)."""

import time

import market

# Floor and goal: seconds for this many bars, and MiB.
SECONDS, MEMORY, BARS = (120, 40), (40, 25), 500 * 20 * 250
LIMIT = 900


def run(options):
    for provider in market.PROVIDERS:
        measured(options, provider)


def measured(options, provider):
    names = [f"S{number:03}" for number in range(options.symbols)]
    start = market.today().date().replace(day=1)
    start = start.replace(year=start.year - options.years)
    scenario = market.scenario([{"symbol": name, "price": 100} for name in names], start, calendar="XNYS")
    world = market.Market(options, f"backfill-{provider}", provider, scenario)
    try:
        world.declare({
            "instruments": [{"symbol": name} for name in names],
            "calendar": "XNYS",
            "source": {"provider": {}},
            "features": [{"name": "r", "function": "LogReturn"}],
            "training": {"model": {"kind": "Linear"}},
        })
        world.make_topics()
        before = {process.name: process.cpu() for process in (world.kafka, world.simulator)}
        ingest = world.role("ingest")
        took, sent = until_all_is_sent(world, ingest)
        # What follows it at once, such as looking for gaps, is part of its memory.
        time.sleep(5)
        ingest.check()
        report(world, ingest, provider, (took, sent), before)
    finally:
        world.stop()


def until_all_is_sent(world, ingest):
    """Seconds from the start of ingest to the commit of the last bar, and how many there are."""
    took, sent = 0.0, 0

    def is_complete():
        nonlocal took, sent
        now = counted()
        if now > sent:
            took, sent = time.monotonic() - ingest.began, now
        return world.status("ingest").get("sourceComplete") and now == world.status("ingest").get("rowsSent")

    ingest.until("reading all history", is_complete, LIMIT)
    return took, sent


def counted():
    """Bars that were sent so far."""
    try:
        text = market.got(f"http://127.0.0.1:{market.ADMIN}/metrics").decode()
    except OSError:
        return 0
    lines = [line for line in text.splitlines() if line.startswith("foresail_ingest_rows_total") and '"sent"' in line]
    return int(float(lines[0].split()[-1])) if lines else 0


def report(world, ingest, provider, counts, before):
    (took, sent), symbols = counts, len(world.api.objects.get("pipelines", market.PIPELINE)["spec"]["instruments"])
    status = world.status("ingest")
    refused = status.get("rowsQuarantined", 0)
    cpu = {process.name: process.cpu() - before.get(process.name, 0) for process in (world.kafka, world.simulator, ingest)}
    shown = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in cpu.items())
    print(f"backfill {provider}: {symbols} symbols, {sent} bars in {took:.1f} s, {sent / took:.0f} bars/s; {refused} refused")
    print(f"  processor time: {shown}; writes to the API: {world.api.writes}")
    if sent >= BARS:
        print(f"  backfill {provider}: {took:.0f} s of {verdict(took, SECONDS)}")
    memory = ingest.memory()
    now, own, program = (ingest.memory(what) for what in ("VmRSS", "RssAnon", "RssFile"))
    print(f"  memory of ingest: {memory:.0f} MiB of {verdict(memory, MEMORY)}")
    print(f"  now {now:.0f} MiB: {own:.0f} of its own, {program:.0f} of the program's file", flush=True)


def verdict(value, bounds):
    floor, goal = bounds
    met = "goal met" if value <= goal else "floor met" if value <= floor else "ABOVE THE FLOOR"
    return f"{goal} (floor {floor}): {met}"
