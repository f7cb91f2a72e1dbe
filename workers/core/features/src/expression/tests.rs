//! Values by hand and against a reference, every mistake with its place, and texts of any kind.

use super::parse::{Mistake, parse};
use super::{Program, STEPS};

const NAMES: [&str; 6] = ["a", "b", "log", "c_20d", "own", "later"];
/// Of the features before `own`.
const VALUES: [f64; 4] = [2.0, -3.0, 0.0, 0.5];

fn read(text: &str) -> Result<Program, Mistake> {
    parse(text, &NAMES, 4).map(|steps| Program { steps })
}

fn value(text: &str) -> f64 {
    read(text)
        .unwrap_or_else(|m| panic!("{text}: {m:?}"))
        .value(&VALUES)
}

#[test]
fn arithmetic_as_at_school() {
    let cases = [
        ("1", 1.0),
        (" 1.5e1 ", 15.0),
        ("2e-1", 0.2),
        ("2e+1", 20.0),
        ("a", 2.0),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("1 - 2 - 3", -4.0),
        ("8 / 2 / 2", 2.0),
        ("8 / (2 / 2)", 8.0),
        ("-a", -2.0),
        ("- - a", 2.0),
        ("a--b", -1.0),
        ("-a * -b", -6.0),
        ("a\n/\tc_20d - 1", 3.0),
        ("abs(b)", 3.0),
        ("min(a, b)", -3.0),
        ("max (a,b)", 2.0),
        ("log(exp(a))", 2.0),
        // A feature may have the name of a function.
        ("log + log(1)", 0.0),
        ("sqrt(a * 8)", 4.0),
        ("sign(b) + sign(0) + 10 * sign(a)", 9.0),
        ("clip(a, -1, 1)", 1.0),
        ("clip(b, -1, 1)", -1.0),
        ("clip(c_20d, -1, 1)", 0.5),
        ("clip(a, 5, 1)", 1.0),
        ("max(min(a, 1), clip(b, 0, abs(b)))", 1.0),
    ];
    for (text, expected) in cases {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_finite_is_zero_at_every_step() {
    for text in [
        "1 / 0",
        "-1 / 0",
        "0 / 0",
        "a / log",
        "log(0)",
        "log(-1)",
        "sqrt(-1)",
        "exp(1000)",
        "1e308 * 10",
        "1e308 + 1e308",
        "-1e308 - 1e308",
        "1 / 1e-320",
    ] {
        assert_eq!(value(text), 0.0, "{text}");
        assert_eq!(value(&format!("1 + ({text})")), 1.0, "{text}");
    }
    assert_eq!(value("exp(-1000)"), 0.0);
}

#[test]
fn mistakes_say_where_and_what_was_expected() {
    let value = "a number, a feature, a function, `-` or `(`";
    let cases = [
        ("", 1, format!("found the end, expected {value}")),
        ("  ", 3, format!("found the end, expected {value}")),
        ("a +", 4, format!("found the end, expected {value}")),
        ("a + * b", 5, format!("found `*`, expected {value}")),
        ("+a", 1, format!("found `+`, expected {value}")),
        (".5", 1, format!("found `.`, expected {value}")),
        ("()", 2, format!("found `)`, expected {value}")),
        ("é + a", 1, format!("found `é`, expected {value}")),
        (
            "a b",
            3,
            "found `b`, expected an operator or the end".into(),
        ),
        ("2a", 2, "found `a`, expected an operator or the end".into()),
        ("a)", 2, "found `)`, expected an operator or the end".into()),
        (
            "a ^ 2",
            3,
            "found `^`, expected an operator or the end".into(),
        ),
        (
            "a < b",
            3,
            "found `<`, expected an operator or the end".into(),
        ),
        (
            "1.2.3",
            4,
            "found `.`, expected an operator or the end".into(),
        ),
        ("(a", 3, "found the end, expected an operator or `)`".into()),
        ("(a, b)", 3, "found `,`, expected an operator or `)`".into()),
        ("1.", 3, "found the end, expected a digit".into()),
        ("1e", 3, "found the end, expected a digit".into()),
        ("1e+x", 4, "found `x`, expected a digit".into()),
        (
            "a + 1e999",
            5,
            "found `1e999`, expected a number below 1.8e308".into(),
        ),
        (
            "abs a",
            5,
            "found `a`, expected `(` after the function `abs`".into(),
        ),
        ("abs()", 5, format!("found `)`, expected {value}")),
        (
            "abs(a, b)",
            6,
            "found `,`, expected an operator or `)`: `abs` takes 1 value".into(),
        ),
        (
            "min(a)",
            6,
            "found `)`, expected an operator or `,`: `min` takes 2 values".into(),
        ),
        (
            "clip(a, 1)",
            10,
            "found `)`, expected an operator or `,`: `clip` takes 3 values".into(),
        ),
        (
            "pow(a, 2)",
            1,
            "`pow` is not a function, expected one of abs, min, max, log, exp, sqrt, sign, clip"
                .into(),
        ),
        (
            "1 + nobody",
            5,
            "`nobody` is not a feature, expected one declared before this one".into(),
        ),
        (
            "A",
            1,
            "`A` is not a feature, expected one declared before this one".into(),
        ),
        (
            "a - own",
            5,
            "`own` is this feature itself, expected one declared before it".into(),
        ),
        (
            "a - later",
            5,
            "`later` is declared later, expected a feature declared before this one".into(),
        ),
        (
            "a\u{1}",
            2,
            "found `\\u{1}`, expected an operator or the end".into(),
        ),
    ];
    for (text, position, message) in cases {
        assert_eq!(read(text), Err(Mistake { position, message }), "{text}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |open: &str, count: usize, close: &str| {
        format!("{}a{}", open.repeat(count), close.repeat(count))
    };
    for (open, close) in [("(", ")"), ("-", ""), ("abs(", ")")] {
        assert!(read(&nested(open, 32, close)).is_ok(), "{open}");
        let mistake = read(&nested(open, 33, close)).unwrap_err();
        assert_eq!(
            mistake.message,
            "it is too deep, expected at most 32 levels"
        );
        assert_eq!(mistake.position, 33 * open.len());
    }
    let sum = |count: usize| vec!["1"; count].join("+");
    assert_eq!(value(&sum(32)), 32.0);
    let mistake = read(&sum(33)).unwrap_err();
    assert_eq!(
        mistake.message,
        format!("it is too long, expected at most {STEPS} numbers, features and operations")
    );
    let spaces = |count: usize| format!("a{}", " ".repeat(count));
    assert!(read(&spaces(255)).is_ok());
    assert_eq!(
        read(&spaces(256)).unwrap_err().message,
        "it has 257 characters, expected at most 256"
    );
    // As many values at once as the steps allow: the deepest stack.
    let tall = format!("{}1{}", "1+(".repeat(31), ")".repeat(31));
    assert_eq!(value(&tall), 32.0);
}

struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// A random text and its value, computed while it is written and without the parser.
fn random(noise: &mut Noise, depth: usize) -> (String, f64) {
    if depth == 0 || noise.below(4) == 0 {
        let numbers = ["0", "1", "0.25", "3e2", "1e300"];
        let pick = noise.below(numbers.len() + VALUES.len());
        return match numbers.get(pick) {
            Some(text) => ((*text).to_owned(), text.parse().unwrap()),
            None => {
                let index = pick - numbers.len();
                (NAMES[index].to_owned(), VALUES[index])
            }
        };
    }
    let (a, x) = random(noise, depth - 1);
    let (b, y) = random(noise, depth - 1);
    let (text, value) = match noise.below(12) {
        0 => (format!("(({a})+({b}))"), x + y),
        1 => (format!("(({a}) - ({b}))"), x - y),
        2 => (format!("({a})*({b})"), x * y),
        3 => (format!("({a}) / ({b})"), x / y),
        4 => (format!("-({a})"), -x),
        5 => (format!("abs({a})"), x.abs()),
        6 => (format!("min({a}, {b})"), if y < x { y } else { x }),
        7 => (format!("max( {a} , {b} )"), if y > x { y } else { x }),
        8 => (format!("log({a})"), x.ln()),
        9 => (format!("exp({a})"), x.exp()),
        10 => (format!("sqrt({a})"), x.sqrt()),
        _ => {
            let low = if x < y { y } else { x };
            (
                format!("clip({a}, {b}, 1)"),
                if low > 1.0 { 1.0 } else { low },
            )
        }
    };
    (text, if value.is_finite() { value } else { 0.0 })
}

#[test]
fn evaluation_equals_a_reference_on_random_expressions() {
    let mut noise = Noise(1);
    let mut read_and_compared = 0;
    for _ in 0..20_000 {
        let (text, expected) = random(&mut noise, 4);
        match read(&text) {
            // 0 and -0 are equal: `min` may give either.
            Ok(program) => {
                assert_eq!(program.value(&VALUES), expected, "{text}");
                read_and_compared += 1;
            }
            Err(mistake) => assert!(mistake.message.starts_with("it "), "{text}: {mistake:?}"),
        }
    }
    assert!(read_and_compared > 10_000, "only {read_and_compared}");
}

#[test]
fn no_text_panics_and_what_is_read_is_finite() {
    let parts = [
        "a",
        "b",
        "later",
        "own",
        "nobody",
        "1",
        "0",
        "1e300",
        "1e",
        ".",
        "e",
        "(",
        ")",
        ",",
        "+",
        "-",
        "*",
        "/",
        "abs(",
        "min(",
        "clip(",
        "log",
        "sqrt(",
        "exp(",
        " ",
        "\n",
        "é",
        "\u{1F600}",
        "\0",
        "^",
    ];
    let mut noise = Noise(2);
    for _ in 0..50_000 {
        let length = noise.below(40);
        let bytes: Vec<u8> = (0..length).map(|_| noise.below(256) as u8).collect();
        let words: String = (0..length)
            .map(|_| parts[noise.below(parts.len())])
            .collect();
        for text in [String::from_utf8_lossy(&bytes).into_owned(), words] {
            match read(&text) {
                Ok(program) => assert!(program.value(&VALUES).is_finite(), "{text:?}"),
                Err(mistake) => {
                    assert!(mistake.position >= 1, "{text:?}");
                    assert!(mistake.position <= text.chars().count() + 1, "{text:?}");
                }
            }
        }
    }
}
