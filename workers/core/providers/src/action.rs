//! Splits and cash paid, as providers list them.

use jiff::civil::Date;

use crate::currency::Currency;

/// Shares become more, or fewer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// First session that trades the new shares.
    pub date: Date,
    /// Shares after / shares before, from 0.0001 to 10000.
    pub ratio: f64,
}

impl Split {
    /// The split, when there can be such a one.
    pub(crate) fn checked(date: Date, ratio: f64) -> Result<Self, &'static str> {
        if (1e-4..=1e4).contains(&ratio) {
            Ok(Self { date, ratio })
        } else {
            Err("BadCorporateAction")
        }
    }
}

/// Cash paid for each share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dividend {
    /// First session without the right to it.
    pub ex_date: Date,
    /// For one share, from 0 to 1e12.
    pub amount: f64,
    /// What it is paid in, where that is said.
    pub currency: Option<Currency>,
}

impl Dividend {
    /// The dividend, when there can be such a one.
    pub(crate) fn checked(
        ex_date: Date,
        amount: f64,
        currency: Option<Currency>,
    ) -> Result<Self, &'static str> {
        let dividend = Self {
            ex_date,
            amount,
            currency,
        };
        let is_possible = (0.0..=1e12).contains(&amount);
        is_possible.then_some(dividend).ok_or("BadCorporateAction")
    }
}
