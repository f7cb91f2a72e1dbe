//! From text to postfix, by recursive descent of bounded depth:
//! sum = product {("+" | "-") product}, product = unary {("*" | "/") unary}, unary = "-" unary | value,
//! value = number | feature | function "(" sum {"," sum} ")" | "(" sum ")". Spaces mean nothing.

use super::{STEPS, Step};

/// Most characters of a text, as the CRD says.
const LENGTH: usize = 256;
/// Most parentheses, functions and minus signs within each other.
const DEPTH: usize = 32;

/// Name, number of values, step.
const FUNCTIONS: [(&str, usize, Step); 8] = [
    ("abs", 1, Step::Abs),
    ("min", 2, Step::Min),
    ("max", 2, Step::Max),
    ("log", 1, Step::Log),
    ("exp", 1, Step::Exp),
    ("sqrt", 1, Step::Sqrt),
    ("sign", 1, Step::Sign),
    ("clip", 3, Step::Clip),
];

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mistake {
    /// Character, from 1.
    pub position: usize,
    /// What is there and what was expected.
    pub message: String,
}

/// Reads the expression of the feature at `own` of all `names`; it may use those before.
///
/// # Errors
/// The first mistake.
pub(super) fn parse(text: &str, names: &[&str], own: usize) -> Result<Vec<Step>, Mistake> {
    let length = text.chars().count();
    if length > LENGTH {
        return Err(Mistake {
            position: LENGTH + 1,
            message: format!("it has {length} characters, expected at most {LENGTH}"),
        });
    }
    let mut parser = Parser {
        text,
        at: 0,
        names,
        own,
        depth: 0,
        steps: Vec::new(),
    };
    parser.sum()?;
    match parser.next() {
        None => Ok(parser.steps),
        Some(_) => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Byte that is read next: always the start of a character, or the end.
    at: usize,
    names: &'a [&'a str],
    own: usize,
    depth: usize,
    steps: Vec<Step>,
}

impl<'a> Parser<'a> {
    fn sum(&mut self) -> Result<(), Mistake> {
        self.product()?;
        loop {
            let step = match self.next() {
                Some('+') => Step::Add,
                Some('-') => Step::Subtract,
                _ => return Ok(()),
            };
            self.at += 1;
            self.product()?;
            self.emit(step)?;
        }
    }

    fn product(&mut self) -> Result<(), Mistake> {
        self.unary()?;
        loop {
            let step = match self.next() {
                Some('*') => Step::Multiply,
                Some('/') => Step::Divide,
                _ => return Ok(()),
            };
            self.at += 1;
            self.unary()?;
            self.emit(step)?;
        }
    }

    fn unary(&mut self) -> Result<(), Mistake> {
        if self.next() != Some('-') {
            return self.value();
        }
        self.deeper(|parser| {
            parser.at += 1;
            parser.unary()
        })?;
        self.emit(Step::Negate)
    }

    fn value(&mut self) -> Result<(), Mistake> {
        match self.next() {
            Some('(') => self.deeper(|parser| {
                parser.at += 1;
                parser.sum()?;
                parser.expect(')', "an operator or `)`")
            }),
            Some('0'..='9') => self.number(),
            Some(c) if is_letter(c) => self.word(),
            _ => Err(self.unexpected("a number, a feature, a function, `-` or `(`")),
        }
    }

    fn number(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        self.digits()?;
        if self.rest().starts_with('.') {
            self.at += 1;
            self.digits()?;
        }
        if self.rest().starts_with('e') {
            self.at += 1;
            if self.rest().starts_with(['+', '-']) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => self.emit(Step::Number(number)),
            _ => {
                let message = format!("found `{text}`, expected a number below 1.8e308");
                Err(self.mistake(start, message))
            }
        }
    }

    fn digits(&mut self) -> Result<(), Mistake> {
        let count = length(self.rest(), |c| c.is_ascii_digit());
        if count == 0 {
            return Err(self.unexpected("a digit"));
        }
        self.at += count;
        Ok(())
    }

    /// A function where a parenthesis follows, otherwise a feature: one may have the name of the other.
    fn word(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        let (word, _) = self.rest().split_at(length(self.rest(), is_part_of_word));
        self.at += word.len();
        let called = self.next() == Some('(');
        let function = FUNCTIONS.iter().find(|(name, ..)| *name == word);
        let place = self.names.iter().position(|name| *name == word);
        let message = match (called, function, place) {
            (true, Some(function), _) => return self.call(*function),
            (true, None, _) => {
                let names = FUNCTIONS.map(|(name, ..)| name).join(", ");
                format!("`{word}` is not a function, expected one of {names}")
            }
            (false, _, Some(place)) if place < self.own => return self.emit(Step::Feature(place)),
            (false, _, Some(place)) if place == self.own => {
                format!("`{word}` is this feature itself, expected one declared before it")
            }
            (false, _, Some(_)) => {
                format!("`{word}` is declared later, expected a feature declared before this one")
            }
            (false, Some(_), None) => {
                return Err(self.unexpected(&format!("`(` after the function `{word}`")));
            }
            (false, None, None) => {
                format!("`{word}` is not a feature, expected one declared before this one")
            }
        };
        Err(self.mistake(start, message))
    }

    fn call(&mut self, (name, count, step): (&str, usize, Step)) -> Result<(), Mistake> {
        self.deeper(|parser| {
            parser.at += 1;
            for left in (0..count).rev() {
                parser.sum()?;
                let close = if left == 0 { ')' } else { ',' };
                let plural = if count == 1 { "" } else { "s" };
                let expected =
                    format!("an operator or `{close}`: `{name}` takes {count} value{plural}");
                parser.expect(close, &expected)?;
            }
            Ok(())
        })?;
        self.emit(step)
    }

    fn expect(&mut self, symbol: char, expected: &str) -> Result<(), Mistake> {
        if self.next() != Some(symbol) {
            return Err(self.unexpected(expected));
        }
        self.at += symbol.len_utf8();
        Ok(())
    }

    /// The only way down: what calls itself passes here.
    fn deeper(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), Mistake>,
    ) -> Result<(), Mistake> {
        if self.depth >= DEPTH {
            let message = format!("it is too deep, expected at most {DEPTH} levels");
            return Err(self.mistake(self.at, message));
        }
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn emit(&mut self, step: Step) -> Result<(), Mistake> {
        if self.steps.len() >= STEPS {
            let message = format!(
                "it is too long, expected at most {STEPS} numbers, features and operations"
            );
            return Err(self.mistake(self.at, message));
        }
        self.steps.push(step);
        Ok(())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character that is no space.
    fn next(&mut self) -> Option<char> {
        self.at += length(self.rest(), |c| c.is_ascii_whitespace());
        self.rest().chars().next()
    }

    fn unexpected(&self, expected: &str) -> Mistake {
        let word = length(self.rest(), is_part_of_word);
        let found = match self.rest().chars().next() {
            None => "the end".to_owned(),
            Some(_) if word > 0 => format!("`{}`", self.rest().get(..word).unwrap_or_default()),
            Some(other) => format!("`{}`", other.escape_debug()),
        };
        self.mistake(self.at, format!("found {found}, expected {expected}"))
    }

    fn mistake(&self, at: usize, message: String) -> Mistake {
        let before = self.text.get(..at).unwrap_or_default();
        Mistake {
            position: before.chars().count() + 1,
            message,
        }
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_part_of_word(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

/// Bytes at the start of a text whose characters are all `wanted`.
fn length(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}
