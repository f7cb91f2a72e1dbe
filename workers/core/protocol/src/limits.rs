//! What one request may hold, whichever protocol it speaks.

/// Most lists within lists of a document.
pub const DEEPEST: usize = 32;
/// Most dimensions of a tensor.
pub const MOST_DIMENSIONS: usize = 8;
/// Longest name of an input, an output, a model or a field, in bytes.
pub const LONGEST_NAME: usize = 256;
/// Most values of one tensor.
pub const MOST_VALUES: usize = 1 << 22;
/// Most windows of one request.
pub const MOST_ROWS: usize = 8_192;
/// Most values of one answer.
pub const MOST_ANSWERED: usize = 1 << 20;
/// Most names in a list of a request, such as inputs or columns.
pub const MOST_NAMES: usize = 1_024;
/// Longest part of a request that is repeated in a message, in bytes.
pub const LONGEST_QUOTE: usize = 64;
