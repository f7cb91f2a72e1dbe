"""The calendars of exchanges, from the Python package `exchange_calendars`, and what they are tested with.

    python3 make.py CALENDARS GOLDEN

Writes one file per exchange into the folder CALENDARS, and into the file GOLDEN, for every exchange and year, the number
of sessions and a checksum over their stamps. The checksums are taken from the package's own schedule and not from what
is written here, so that they tell when the files, or the program that reads them, say something else. `cargo xtask
generate` installs the package and runs this.
"""

import pathlib
import sys
from importlib.metadata import version

import exchange_calendars
import pandas as pd
from pandas.tseries.holiday import AbstractHolidayCalendar

EXCHANGES = {
    "XNYS": "New York Stock Exchange",
    "XNAS": "Nasdaq, which the source takes for the same as XNYS",
    "XLON": "London Stock Exchange",
    "XETR": "Xetra, Frankfurt",
    "XTKS": "Tokyo Stock Exchange",
    "XHKG": "Hong Kong Stock Exchange",
}
FIRST = pd.Timestamp("1960-01-01")
# The source goes on by its rules to any year. Exchanges announce their holidays a year or two ahead: this is the last year
# that can be checked against an announcement, and files with a later end would pass off guesses as facts.
THROUGH = pd.Timestamp("2027-12-31")
# pandas looks for holidays no earlier than this when it isn't told from when on, and the source doesn't tell it: all
# regular holidays of the years before would be sessions.
PANDAS_FIRST = AbstractHolidayCalendar.start_date
# What is known to be wrong, and stays: the files are compared with the source (docs/adr/0025).
KNOWN = {
    "XHKG": "# The source lacks the closures of 2023-09-01 and 2023-09-08, and the late opens of 2020-08-19 and 2021-06-28.\n",
}
WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
HEADER = """\
# {mic}: {name}. Made by `cargo xtask generate`, not by hand.
# Facts from exchange_calendars {version} (https://pypi.org/project/exchange_calendars, Apache-2.0).
#
# through: exchanges announce their holidays a year or two ahead; what the source has for later years is a guess
# hours: from that date on, on those weekdays, on the clock of the zone; two spans have a break between them
# closed: no session, although the weekday has one
# day: other hours than those of the weekday, or a session where the weekday has none
"""


def calendar(mic):
    """Its calendar over the range of its file."""
    kind = type(exchange_calendars.get_calendar(mic))
    first = max(FIRST, kind.bound_min() or FIRST)
    through = min(THROUGH, kind.bound_max() or THROUGH)
    AbstractHolidayCalendar.start_date = PANDAS_FIRST
    as_it_is = kind(start=max(first, PANDAS_FIRST), end=through)
    AbstractHolidayCalendar.start_date = pd.Timestamp("1900-01-01")
    found = kind(start=first, end=through)
    if not found.schedule[max(first, PANDAS_FIRST) :].equals(as_it_is.schedule):
        sys.exit(f"{mic}: asking for holidays before 1970 changes the years after it")
    return found, first, through


def at(times, date):
    """The one of `times` in force on `date`."""
    found = None
    for start, time in times or ():
        if start is None or start <= date:
            found = time
    return found


def spans(times):
    """Open, start and end of the break, close, as they stand in a file."""
    start, pause, resumed, end = (None if pd.isna(t) else t.strftime("%H:%M") for t in times)
    return f"{start}-{end}" if pause is None else f"{start}-{pause} {resumed}-{end}"


def regular(found, date):
    """Its regular hours on `date`."""
    every = (found.open_times, found.break_start_times, found.break_end_times, found.close_times)
    return spans([at(times, date) for times in every])


def weekday_range(sessions):
    """Weekdays that have a session more often than not: `Mon-Fri`."""
    every = pd.date_range(sessions[0], sessions[-1])
    usual = [d for d in range(7) if 2 * (sessions.day_of_week == d).sum() > (every.day_of_week == d).sum()]
    if usual != list(range(usual[0], usual[-1] + 1)):
        sys.exit(f"weekdays {usual} are no range")
    return usual, f"{WEEKDAYS[usual[0]]}-{WEEKDAYS[usual[-1]]}"


def eras(found, first, through):
    """From when on which weekdays have which hours."""
    starts = {first}
    for times in (found.open_times, found.break_start_times, found.break_end_times, found.close_times):
        starts |= {start for start, _ in times or () if start is not None and first < start <= through}
    starts = sorted(starts)
    for start, end in zip(starts, [*(s - pd.Timedelta(days=1) for s in starts[1:]), through]):
        usual, text = weekday_range(found.sessions[(found.sessions >= start) & (found.sessions <= end)])
        yield start, end, usual, text, regular(found, start)


def exceptions(found, first, through):
    """Lines of the file: per year its closures, then its days of other hours."""
    hours = {d: spans([t if pd.isna(t) else t.tz_convert(found.tz) for t in times]) for d, *times in rows(found)}
    years = {}
    for start, end, usual, _, normal in eras(found, first, through):
        for date in pd.date_range(start, end):
            expected = normal if date.day_of_week in usual else None
            if hours.get(date) != expected:
                years.setdefault((date.year, hours.get(date) or ""), []).append(date.strftime("%m-%d"))
    for (year, other), dates in sorted(years.items()):
        yield f"{f'day {year} {other}' if other else f'closed {year}'} {' '.join(dates)}"


def rows(found):
    """Date, open, start and end of the break, close of every session."""
    return found.schedule[["open", "break_start", "break_end", "close"]].itertuples(name=None)


def fnv(text):
    """FNV-1a, 64 bits."""
    hash = 0xCBF29CE484222325
    for byte in text.encode():
        hash = (hash ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return hash


def golden(mic, found):
    """Lines of GOLDEN: `XNYS 1960 252 checksum`, over `date open break-start break-end close`, seconds since 1970 or `-`."""
    years = {}
    for date, *times in rows(found):
        stamps = " ".join("-" if pd.isna(t) else str(int(t.timestamp())) for t in times)
        years.setdefault(date.year, []).append(f"{date.date()} {stamps}\n")
    for year, lines in years.items():
        yield f"{mic} {year} {len(lines)} {fnv(''.join(lines)):016x}"


def main():
    folder, golden_file = map(pathlib.Path, sys.argv[1:])
    checked = [f"# exchange_calendars {version('exchange_calendars')}: exchange, year, sessions, checksum (see calendars/make.py)"]
    for mic, name in EXCHANGES.items():
        found, first, through = calendar(mic)
        lines = [
            HEADER.format(mic=mic, name=name, version=version("exchange_calendars")) + KNOWN.get(mic, ""),
            f"zone {found.tz.key}",
            f"from {first.date()}",
            f"through {through.date()}",
            *(f"hours {start.date()} {days} {normal}" for start, _, _, days, normal in eras(found, first, through)),
            *exceptions(found, first, through),
        ]
        (folder / f"{mic}.txt").write_text("\n".join(lines) + "\n")
        checked += golden(mic, found)
    golden_file.write_text("\n".join(checked) + "\n")


if __name__ == "__main__":
    main()
