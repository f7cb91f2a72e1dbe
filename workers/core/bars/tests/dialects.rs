//! The same bars, written as people write them in 2,000 ways, are the same bars when they are read.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Written, expected, found, market, read};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DIALECTS: u64 = 2_000;

#[test]
fn a_file_in_any_dialect_reads_back_equal() {
    for seed in 0..DIALECTS {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (rows, written) = (market(&mut random, 40), Written::new(&mut random));
        let file = written.file(&rows);
        let (bars, refused) = read(&file).unwrap_or_else(|e| panic!("{seed} {written:?}: {e:?}"));
        assert!(refused.is_empty(), "{seed} {written:?}: {refused:?}");
        assert_eq!(found(bars), expected(&rows), "{seed} {written:?}");
    }
}

/// Each result equals the undamaged rows', or is told.
#[test]
fn a_damaged_file_is_never_silently_another_one() {
    for seed in 0..500 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows = market(&mut random, 40);
        let mut written = Written::new(&mut random);
        // What is packed has a checksum of its own.
        written.packing = 0;
        let whole = written.file(&rows);
        let mut file = whole.clone();
        let what = random.random_range(0..4);
        match what {
            0 => file.truncate(random.random_range(0..file.len())),
            1 => {
                let at = random.random_range(0..file.len());
                file.splice(at..at, random.random_iter().take(40).collect::<Vec<u8>>());
            }
            2 => (0..5).for_each(|_| {
                let at = random.random_range(0..file.len());
                file[at] = random.random();
            }),
            _ => {
                let mut pieces: Vec<&[u8]> = whole.chunks(whole.len() / 5 + 1).collect();
                pieces.shuffle(&mut random);
                file = pieces.concat();
            }
        }
        // An error tells; a panic fails the test.
        let Ok((bars, _)) = read(&file) else { continue };
        if what == 0 {
            // Of a file that is cut off, every bar but the last row's is one that was written.
            let all = expected(&rows);
            let wrong = bars.iter().filter(|bar| {
                !all.iter().any(|row| {
                    row.0 == bar.symbol && row.1 == bar.event_time && row.2[3] == bar.close
                })
            });
            assert!(wrong.count() <= 1, "{seed} {written:?}");
        }
    }
}
