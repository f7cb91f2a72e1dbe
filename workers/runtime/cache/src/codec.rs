//! How entries look in Redis: every value carries a checksum and every row its event time, so
//! that foreign, torn or outdated data is recognised instead of served.

use foresail_crds::names::hash8;
use foresail_crds::records::FeatureRecord;

const SUM: usize = 8;

/// `<hash8><bytes>`.
pub(crate) fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(SUM + bytes.len());
    sealed.extend_from_slice(hash8(bytes).as_bytes());
    sealed.extend_from_slice(bytes);
    sealed
}

/// The bytes inside [`seal`], or `None` when they are not what was sealed.
pub(crate) fn unseal(sealed: &[u8]) -> Option<&[u8]> {
    let (sum, bytes) = sealed.split_at_checked(SUM)?;
    (sum == hash8(bytes).as_bytes()).then_some(bytes)
}

/// `<event time> <hash8><json>`; the push script reads the event time.
pub(crate) fn encode_row(row: &FeatureRecord) -> Vec<u8> {
    let json = serde_json::to_vec(row).expect("plain data always serialises");
    let mut text = format!("{} ", row.event_time).into_bytes();
    text.extend_from_slice(&seal(&json));
    text
}

/// The row inside [`encode_row`].
pub(crate) fn decode_row(text: &[u8]) -> Option<FeatureRecord> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let event_time: i64 = std::str::from_utf8(&text[..space]).ok()?.parse().ok()?;
    let row: FeatureRecord = serde_json::from_slice(unseal(&text[space + 1..])?).ok()?;
    (row.event_time == event_time).then_some(row)
}

/// All rows of one list, or `None` when one of them is damaged, of another symbol, or out of order.
pub(crate) fn decode_rows(symbol: &str, texts: &[Vec<u8>]) -> Option<Vec<FeatureRecord>> {
    let rows: Vec<_> = texts
        .iter()
        .map(|text| decode_row(text))
        .collect::<Option<_>>()?;
    let ordered = rows.windows(2).all(|w| w[0].event_time < w[1].event_time);
    (ordered && rows.iter().all(|row| row.symbol == symbol)).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(event_time: i64) -> FeatureRecord {
        FeatureRecord {
            symbol: "AAPL".into(),
            event_time,
            close: 0.1 + 0.2,
            adjustment_factor: 1.0 / 3.0,
            values: vec![f64::MIN_POSITIVE, -1.0e-300, 0.1],
        }
    }

    #[test]
    fn rows_come_back_bit_for_bit() {
        let back = decode_row(&encode_row(&row(-5))).unwrap();
        assert_eq!(back, row(-5));
        assert_eq!(back.close.to_bits(), (0.1_f64 + 0.2).to_bits());
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let good = encode_row(&row(1_000));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode_row(&bad), None, "byte {at}");
            assert_eq!(decode_row(&good[..at]), None, "cut at {at}");
        }
        assert_eq!(unseal(b"short"), None);
        assert_eq!(unseal(&seal(b"")), Some(&b""[..]));
    }

    #[test]
    fn lists_must_be_ordered_and_of_one_symbol() {
        let list = |times: &[i64]| {
            times
                .iter()
                .map(|t| encode_row(&row(*t)))
                .collect::<Vec<_>>()
        };
        assert_eq!(decode_rows("AAPL", &list(&[1, 2])).unwrap().len(), 2);
        assert_eq!(decode_rows("AAPL", &list(&[2, 2])), None);
        assert_eq!(decode_rows("IBM", &list(&[1, 2])), None);
    }
}
