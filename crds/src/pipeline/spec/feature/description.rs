//! What the catalogue says of one function.

/// Most bars of a window.
pub const LONGEST_WINDOW: u32 = 512;

/// One function of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// As in `features[].function`.
    pub name: &'static str,
    /// What it computes, and what a constant window or a missing value gives.
    pub formula: &'static str,
    /// Inputs.
    pub reads: Reads,
    /// Arguments it must have, in the order SQL takes them.
    pub arguments: &'static [Argument],
    /// Bars up to and with the first that has a value.
    pub warm_up: WarmUp,
    /// How far back it looks.
    pub history: History,
}

impl Description {
    /// Whether `field` of the spec is an argument of the function.
    pub fn takes(&self, field: &str) -> bool {
        self.arguments.iter().any(|a| a.field() == field)
    }
}

/// What a function reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Closes alone.
    Close,
    /// The column that the feature names.
    Column,
    /// The date of the session.
    Date,
    /// Open, high, low, close and volume.
    Bar,
    /// Features declared before it.
    Features,
}

/// A field of the spec that a function must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Bars looked at.
    Window {
        /// Fewest that give a value.
        least: u32,
    },
    /// Window of the fast mean.
    Fast,
    /// Window of the slow mean.
    Slow,
    /// Window of the mean of the function's own values.
    Signal,
    /// Width of bands in standard deviations.
    Deviations,
    /// Quantile.
    Quantile,
    /// Text of an expression.
    Expression,
}

/// A window of at least `least` bars.
pub(super) const fn window(least: u32) -> Argument {
    Argument::Window { least }
}

impl Argument {
    /// Its name in the spec.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Window { .. } => "window",
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Signal => "signal",
            Self::Deviations => "deviations",
            Self::Quantile => "quantile",
            Self::Expression => "expression",
        }
    }

    /// What a value must be, as the end of "it must be ...".
    #[must_use]
    pub fn bounds(self) -> String {
        match self {
            Self::Window { least } => format!("between {least} and {LONGEST_WINDOW}"),
            Self::Fast | Self::Signal => format!("between 1 and {LONGEST_WINDOW}"),
            Self::Slow => format!("between 2 and {LONGEST_WINDOW}"),
            Self::Deviations => "above 0 and at most 10".into(),
            Self::Quantile => "between 0 and 1".into(),
            Self::Expression => "arithmetic over features declared before it".into(),
        }
    }
}

/// Bars up to and with the first that has a value. The open of the first bar is not used, so a `Rolling`
/// function of opens needs one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// So many, whatever the arguments.
    Bars(u32),
    /// The window and so many more.
    Window(u32),
    /// The window twice.
    TwoWindows,
    /// The window, and the signal less one.
    WindowAndSignal,
    /// The slow window.
    Slow,
    /// The slow window, and the signal less one.
    SlowAndSignal,
}

/// How far back a value depends on bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// On the warm-up alone: started later, it gives the same bits.
    Windowed,
    /// On all bars since the start of the series, less and less.
    Recursive,
}
