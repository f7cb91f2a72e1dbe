//! Several named findings about one long run: all are printed, and any failed one fails the test.

use anyhow::{Result, anyhow};

/// Findings of one test, by name.
#[derive(Default)]
pub struct Checks {
    failed: Vec<String>,
    count: usize,
}

impl Checks {
    /// No finding yet; [`Checks::verdict`] fails without one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Prints and keeps one finding.
    pub fn add(&mut self, name: &str, found: Result<impl std::fmt::Display>) {
        self.count += 1;
        match found {
            Ok(words) => println!("  ok      {name}: {words}"),
            Err(error) => {
                self.count -= 1;
                self.fail(name, &error);
            }
        }
    }

    /// Prints and keeps a failed one.
    pub fn fail(&mut self, name: &str, error: &anyhow::Error) {
        self.count += 1;
        println!("  FAILED  {name}: {error:#}");
        self.failed.push(format!("{name}: {error:#}"));
    }

    /// Equality of two values as a finding.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, name: &str, found: T, expected: T) {
        let finding = if found == expected {
            Ok(format!("{found:?}"))
        } else {
            Err(anyhow!("{found:?} instead of {expected:?}"))
        };
        self.add(name, finding);
    }

    /// Whether there was a finding and none has failed.
    ///
    /// # Errors
    /// All failed findings.
    pub fn verdict(self) -> Result<()> {
        if self.failed.is_empty() && self.count > 0 {
            return Ok(());
        }
        Err(anyhow!(
            "{} of {} checks failed:\n  {}",
            self.failed.len(),
            self.count,
            self.failed.join("\n  ")
        ))
    }
}
