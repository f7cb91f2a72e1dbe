use super::*;

#[test]
fn a_body_is_known_by_its_beginning() {
    assert_eq!(open(b" \n{}\t"), Ok(Body::Json("{}")));
    assert_eq!(open("\u{feff}[]".as_bytes()), Ok(Body::Json("[]")));
    assert_eq!(open(b"\r\n <!DOCTYPE html>"), Ok(Body::Html));
    assert_eq!(open(b"Edge: no"), Ok(Body::Text("Edge: no")));
    assert_eq!(open(b"  \n"), Err(Fault::NoBody));
    assert_eq!(open(b"\x1f\x8b\x08\0"), Err(Fault::Packed));
    assert_eq!(open(b"\x28\xb5\x2f\xfd\0"), Err(Fault::Packed));
    assert_eq!(open(b"{\"a\":\"\xff\"}"), Err(Fault::NotText));
    assert_eq!(open(&vec![b' '; LARGEST_BODY + 1]), Err(Fault::TooLarge));
}

#[test]
fn words_that_are_no_json_are_null_outside_of_strings() {
    let read = |text| parse::<Capped<Cell>>(text).map(|cells| cells.0);
    let null = Cell::Null;
    assert_eq!(
        read("[NaN, -Infinity,Infinity,1]").unwrap(),
        [null, null, null, Cell::Number(1.0)]
    );
    assert_eq!(read(r#"["\"NaN", NaN]"#).unwrap(), [Cell::Text, null]);
    assert_eq!(read("[NaN").unwrap_err(), Fault::Truncated);
    assert_eq!(read("[nope]").unwrap_err(), Fault::NotJson);
    assert_eq!(read("[1] [2]").unwrap_err(), Fault::NotJson);
    assert_eq!(read("[1e999]").unwrap_err(), Fault::NotJson);
    assert_eq!(read("[[1]]").unwrap_err(), Fault::Shape);
}

#[test]
fn an_answer_has_so_many_rows_at_most() {
    let list = |rows: usize| format!("[{}1]", "1,".repeat(rows - 1));
    assert_eq!(
        parse::<Capped<Cell>>(&list(MOST_ROWS)).unwrap().0.len(),
        MOST_ROWS
    );
    assert_eq!(
        parse::<Capped<Cell>>(&list(MOST_ROWS + 1)).unwrap_err(),
        Fault::Shape
    );
    let deep = "[".repeat(1 << 20);
    assert!(parse::<Capped<Capped<IgnoredAny>>>(&deep).is_err());
}

#[test]
fn numbers_are_read_to_the_last_bit() {
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let (number, price) = (f64::from_bits(bits), (bits % 10_000_000) as f64 / 1e4);
        for value in [number, price, f64::from(price as f32)] {
            if value.is_finite() {
                let text = format!("[{value:?},\"{value:?}\"]");
                let read = parse::<Capped<Cell>>(&text).unwrap().0;
                assert_eq!(read, [Cell::Number(value), Cell::Number(value)], "{text}");
            }
        }
    }
    let printed = "[127.14250183105469,\"127.14250183105469\",0.1,\"0.1\"]";
    let read = parse::<Capped<Cell>>(printed).unwrap().0;
    let exact = [f64::from(127.1425_f32), 0.1].map(Cell::Number);
    assert_eq!(read, [exact[0], exact[0], exact[1], exact[1]]);
}

#[test]
fn a_long_sentence_is_cut_between_characters() {
    assert_eq!(folded("Per DAY"), "per day");
    assert_eq!(folded(&"ä".repeat(5000)).len(), LONGEST_SENTENCE);
    let odd = format!("a{}", "ä".repeat(5000));
    assert_eq!(folded(&odd).len(), LONGEST_SENTENCE - 1);
}
