//! Files that are damaged in every way: none makes the reader panic, a message stays one that can be shown, and where
//! whole lines are lost, moved or added, every bar is one that was written. `FORESAIL_SOAK=1` takes 500 times as many.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Row, SYMBOLS, Written, config, expected, found, market, read_as, spec};
use foresail_bars::Described;
use foresail_crds::pipeline::spec::{CsvDialect, CsvLayout, DateOrder, Delimiter};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Longest message, in characters.
const LONGEST: usize = 1_000;

fn runs() -> u64 {
    if std::env::var("FORESAIL_SOAK").is_ok() {
        1_000_000
    } else {
        2_000
    }
}

/// Pieces that mean something to a reader.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\"\"",
    b",",
    b";",
    b"\t",
    b"|",
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"Date",
    b"Close",
    b"Ticker",
    b"Price,Close,Close\nTicker,A,B\n",
    b"-1",
    b"1e999",
    b"9223372036854775808",
    b"99999999-99-99",
    b"2020-01-02T99:99:99+99:99",
    b"\xe2\x80\xaf",
];

fn noise(length: usize, random: &mut ChaCha8Rng) -> Vec<u8> {
    (0..length).map(|_| random.random()).collect()
}

/// Changes bytes anywhere.
fn scramble(file: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..8) {
        let at = random.random_range(0..=file.len());
        let end = (at + random.random_range(0..40)).min(file.len());
        match random.random_range(0..6) {
            0 => file.truncate(at),
            1 => drop(file.drain(at..end)),
            2 => drop(file.splice(at..at, PIECES.choose(random).unwrap().to_vec())),
            3 => drop(file.splice(at..end, noise(20, random))),
            4 => {
                let piece = file[at..end].to_vec();
                let to = random.random_range(0..=file.len());
                drop(file.splice(to..to, piece));
            }
            _ => {
                if let Some(byte) = file.get_mut(at) {
                    *byte ^= 1 << random.random_range(0..8);
                }
            }
        }
    }
}

/// What may be said of a file, whether it is so or not.
fn said(random: &mut ChaCha8Rng) -> Described {
    let mut csv = spec();
    if random.random_ratio(1, 4) {
        csv.symbol = Some(SYMBOLS.choose(random).unwrap().to_string());
    }
    if random.random_ratio(1, 2) {
        let maybe = |random: &mut ChaCha8Rng| random.random_ratio(1, 3);
        csv.dialect = Some(CsvDialect {
            layout: maybe(random).then(|| {
                *[
                    CsvLayout::RowPerBar,
                    CsvLayout::StackedHeader,
                    CsvLayout::ColumnPerSymbol,
                ]
                .choose(random)
                .unwrap()
            }),
            date_order: maybe(random).then_some(DateOrder::YearMonthDay),
            delimiter: maybe(random).then_some(Delimiter::Semicolon),
            skip_lines: maybe(random).then(|| random.random_range(0..4)),
            ..CsvDialect::default()
        });
    }
    let mut described = Described::new(&config(), csv);
    if random.random_ratio(1, 3) {
        described.interval = foresail_domain::Interval::FiveMinutes;
    }
    described
}

#[test]
fn no_bytes_make_the_reader_panic_and_every_message_can_be_shown() {
    for seed in 0..runs() {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows = market(&mut random, 6);
        let mut file = Written::new(&mut random).file(&rows);
        scramble(&mut file, &mut random);
        let described = said(&mut random);
        let messages = match read_as(&file, &described) {
            Ok((_, refused)) => refused,
            Err(error) => vec![error.message],
        };
        for message in messages {
            let fits = message.chars().count() <= LONGEST && !message.contains(char::is_control);
            assert!(fits, "{seed}: {message:?}");
        }
    }
}

/// Lines of a file that is read as it stands, and how many of them are no rows.
fn lines(rows: &[Row], random: &mut ChaCha8Rng) -> (Vec<Vec<u8>>, usize) {
    let written = Written::lines_of_bytes(random);
    let file = written.file(rows);
    let lines: Vec<Vec<u8>> = file
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let header = lines.len() - written.line_count(rows);
    (lines, header)
}

#[test]
fn lines_that_are_lost_moved_or_added_change_no_bar() {
    for seed in 0..runs() / 4 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows = market(&mut random, 20);
        let (mut lines, header) = lines(&rows, &mut random);
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(header..lines.len());
            match random.random_range(0..4) {
                0 => drop(lines.remove(at)),
                1 => {
                    let to = random.random_range(header..lines.len());
                    lines.swap(at, to);
                }
                2 => lines.insert(at, lines[at].clone()),
                _ => {
                    let noise = noise(30, &mut random);
                    let noise = noise.into_iter().filter(|b| !b"\n\r,;\t|\0".contains(b));
                    lines.insert(at, noise.chain([b'\n']).collect());
                }
            }
            if lines.len() <= header {
                break;
            }
        }
        let Ok((bars, _)) = read_as(&lines.concat(), &Described::new(&config(), spec())) else {
            continue;
        };
        let all = expected(&rows);
        for bar in found(bars) {
            assert!(all.contains(&bar), "{seed}: {bar:?}");
        }
    }
}
