//! Something for each symbol of a file. Symbols take turns in most files, or have all their rows on end, so that the symbol
//! that came behind another one the last time is nearly always the one that comes behind it now.

use std::collections::HashMap;

use smol_str::SmolStr;

/// What is known of each symbol; `None` is a symbol too.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    all: Vec<Turn<T>>,
    places: HashMap<Option<SmolStr>, usize>,
    /// Who was asked for last.
    at: usize,
}

#[derive(Debug)]
struct Turn<T> {
    symbol: Option<SmolStr>,
    /// Who was asked for after it the last time.
    next: usize,
    value: T,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            places: HashMap::new(),
            at: 0,
        }
    }
}

impl<T> Turns<T> {
    /// How many symbols there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// All symbols.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = Option<&str>> {
        self.all.iter().map(|turn| turn.symbol.as_deref())
    }

    /// The place of a symbol that is there.
    pub(crate) fn find(&mut self, symbol: Option<&str>) -> Option<usize> {
        let next = self.all.get(self.at)?.next;
        let is = |turn: &Turn<T>| turn.symbol.as_deref() == symbol;
        if self.all.get(next).is_some_and(is) {
            self.at = next;
            return Some(next);
        }
        let found = self.places.get(&symbol.map(SmolStr::from)).copied()?;
        self.go_to(found);
        Some(found)
    }

    /// Adds a symbol that is not there.
    pub(crate) fn insert(&mut self, symbol: Option<&str>, value: T) {
        let place = self.all.len();
        let symbol = symbol.map(SmolStr::from);
        self.places.insert(symbol.clone(), place);
        self.all.push(Turn {
            symbol,
            // The first one, as where each session has the same symbols.
            next: 0,
            value,
        });
        self.go_to(place);
    }

    /// What is known of the symbol of a place.
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        Some(&self.all.get(place)?.value)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        Some(&mut self.all.get_mut(place)?.value)
    }

    fn go_to(&mut self, place: usize) {
        if let Some(last) = self.all.get_mut(self.at) {
            last.next = place;
        }
        self.at = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_symbol_has_its_own_in_whatever_order_they_come() {
        let mut turns = Turns::default();
        let mut state = 7u64;
        let mut expected = HashMap::new();
        let symbols = [None, Some("A"), Some("B"), Some("a symbol of many letters")];
        for i in 0..1_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            // In turn, then in any order.
            let at = if i < 100 { i } else { (state >> 33) as usize };
            let symbol = symbols[at % symbols.len()];
            let found = turns.find(symbol);
            assert_eq!(found.is_some(), expected.contains_key(&symbol));
            match found {
                Some(place) => {
                    assert_eq!(turns.get(place), expected.get(&symbol));
                    *turns.get_mut(place).unwrap() = i;
                }
                None => turns.insert(symbol, i),
            }
            expected.insert(symbol, i);
        }
        assert_eq!(turns.len(), symbols.len());
        assert_eq!(turns.find(Some("C")), None);
    }
}
