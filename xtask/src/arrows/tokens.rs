//! Rust source as words: no comments, no attributes, nothing that only tests see. Called by `modules`, which
//! needs the names a file writes and nothing of its grammar.

/// A piece of source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name or keyword.
    Word(String),
    /// The value of `#[path = "..."]`.
    Path(String),
    /// `::`.
    Separator,
    /// Any other sign.
    Sign(char),
    /// A number, a text or a character.
    Literal(String),
}

impl Token {
    /// Its text, where it is a name.
    pub fn word(&self) -> Option<&str> {
        match self {
            Token::Word(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is this sign.
    pub fn is(&self, sign: char) -> bool {
        *self == Token::Sign(sign)
    }
}

/// The tokens of a file, without what `#[cfg(test)]` marks.
pub fn read(text: &str) -> Vec<Token> {
    without_tests(&split(text))
}

fn split(text: &str) -> Vec<Token> {
    let mut scanner = Scanner {
        text: text.as_bytes(),
        at: 0,
    };
    let mut tokens = Vec::new();
    while let Some(token) = scanner.next() {
        tokens.push(token);
    }
    tokens
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts_with(&self, prefix: &str) -> bool {
        self.text[self.at..].starts_with(prefix.as_bytes())
    }

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        if self.at >= self.text.len() {
            return None;
        }
        if let Some(hashes) = self.raw_text() {
            return Some(self.raw(hashes));
        }
        let first = self.peek(0);
        let prefixed = matches!(first, b'b' | b'c') && matches!(self.peek(1), b'"' | b'\'');
        if prefixed {
            self.at += 1;
        }
        Some(match self.peek(0) {
            b'"' => self.quoted(b'"'),
            b'\'' if self.is_character() => self.quoted(b'\''),
            byte if is_word(byte) => self.word(),
            b':' if self.peek(1) == b':' => {
                self.at += 2;
                Token::Separator
            }
            byte => {
                self.at += 1;
                Token::Sign(char::from(byte))
            }
        })
    }

    fn skip_blank(&mut self) {
        loop {
            if self.peek(0).is_ascii_whitespace() {
                self.at += 1;
            } else if self.starts_with("//") {
                while self.at < self.text.len() && self.peek(0) != b'\n' {
                    self.at += 1;
                }
            } else if self.starts_with("/*") {
                self.skip_block();
            } else {
                return;
            }
        }
    }

    /// Block comments nest.
    fn skip_block(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            if self.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += 1;
            }
        }
    }

    /// The number of `#` of a raw text that starts here.
    fn raw_text(&self) -> Option<usize> {
        let prefix = usize::from(matches!(self.peek(0), b'b' | b'c'));
        if self.peek(prefix) != b'r' {
            return None;
        }
        let hashes = (0..)
            .take_while(|i| self.peek(prefix + 1 + i) == b'#')
            .count();
        (self.peek(prefix + 1 + hashes) == b'"').then_some(hashes)
    }

    fn raw(&mut self, hashes: usize) -> Token {
        while self.peek(0) != b'"' {
            self.at += 1;
        }
        self.at += 1;
        let begin = self.at;
        let end = format!("\"{}", "#".repeat(hashes));
        while self.at < self.text.len() && !self.starts_with(&end) {
            self.at += 1;
        }
        let token = Token::Literal(self.slice(begin));
        self.at += end.len();
        token
    }

    fn quoted(&mut self, quote: u8) -> Token {
        self.at += 1;
        let begin = self.at;
        while self.at < self.text.len() && self.peek(0) != quote {
            self.at += if self.peek(0) == b'\\' { 2 } else { 1 };
        }
        let token = Token::Literal(self.slice(begin));
        self.at += 1;
        token
    }

    /// `'a'` is a character, `'a` a lifetime.
    fn is_character(&self) -> bool {
        let first = self.peek(1);
        !first.is_ascii_alphanumeric() && first != b'_' || self.peek(2) == b'\''
    }

    fn word(&mut self) -> Token {
        if self.starts_with("r#") {
            self.at += 2;
        }
        let begin = self.at;
        while is_word(self.peek(0)) {
            self.at += 1;
        }
        let text = self.slice(begin);
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            Token::Literal(text)
        } else {
            Token::Word(text)
        }
    }

    fn slice(&self, begin: usize) -> String {
        let end = self.at.min(self.text.len());
        String::from_utf8_lossy(&self.text[begin.min(end)..end]).into_owned()
    }
}

/// Letters outside ASCII stand in texts and comments only, or belong to a name.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(end) = attribute(tokens, at) else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let attribute = &tokens[at..end];
        let path = attribute.iter().position(|t| t.word() == Some("path"));
        at = end;
        if is_for_tests(attribute) {
            at = end_of_item(tokens, at);
        } else if let (Some(2), Some(Token::Literal(file))) = (path, attribute.get(4)) {
            kept.push(Token::Path(file.clone()));
        }
    }
    kept
}

/// Where the attribute that starts here ends.
fn attribute(tokens: &[Token], at: usize) -> Option<usize> {
    if !tokens[at].is('#') {
        return None;
    }
    let open = at + 1 + usize::from(tokens.get(at + 1)?.is('!'));
    tokens.get(open)?.is('[').then(|| close(tokens, open))
}

/// `#[cfg(test)]`, `#[cfg(all(test, ...))]`, `#[test]`, and none with `not`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let words: Vec<&str> = attribute.iter().filter_map(Token::word).collect();
    match words.first() {
        Some(&"cfg") => words.contains(&"test") && !words.contains(&"not"),
        Some(&"test") => true,
        _ => false,
    }
}

/// Behind the `;` or the block that ends an item.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        if let Some(end) = attribute(tokens, at) {
            at = end;
        } else if tokens[at].is(';') {
            return at + 1;
        } else if tokens[at].is('{') {
            return close(tokens, at);
        } else if tokens[at].is('(') || tokens[at].is('[') {
            at = close(tokens, at);
        } else {
            at += 1;
        }
    }
    at
}

/// Behind the bracket that closes the one at `open`.
pub fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        read(text)
            .iter()
            .filter_map(|token| token.word().map(str::to_owned))
            .collect()
    }

    #[test]
    fn comments_texts_and_characters_hold_no_words() {
        let text = r##"// a b
            /* c /* d */ e */ fn f<'g>(h: &'g str) { let i = "j \" k"; 'l'; '\''; r#"m " n"#; b"o"; b'p' }"##;
        assert_eq!(words(text), ["fn", "f", "g", "h", "g", "str", "let", "i"]);
    }

    #[test]
    fn what_only_tests_see_is_left_out() {
        let text = "use a; #[cfg(test)] mod tests; #[cfg(test)] #[allow(x)] fn b(c: [u8; 3]) { d } use e;
            #[cfg(not(test))] use f; #[cfg(all(test, unix))] impl g { fn h() {} } #[derive(i)] struct J;";
        assert_eq!(
            words(text),
            ["use", "a", "use", "e", "use", "f", "struct", "J"]
        );
    }

    #[test]
    fn a_path_of_a_module_is_kept() {
        let tokens = read("#[path = \"other.rs\"] mod name;");
        assert_eq!(tokens[0], Token::Path("other.rs".into()));
    }
}
