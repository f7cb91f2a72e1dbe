//! Arithmetic over the features of a row: text is parsed once to a postfix program, and a row is a walk
//! along it on a stack of fixed size. One rule keeps every value finite: a step whose result is not a
//! finite number gives 0.

use foresail_crds::pipeline::spec::{FeatureFunction, FeatureSpec};

use crate::spec::FeatureError;
use crate::window::sign;

mod parse;
#[cfg(test)]
mod tests;

/// Most numbers, features and operations of an expression. A stack of as many places cannot overflow,
/// since a step adds at most one value.
const STEPS: usize = 64;

/// One step: takes its values off the stack and puts its result there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Number(f64),
    /// Index among the features of the row.
    Feature(usize),
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Abs,
    Min,
    Max,
    Log,
    Exp,
    Sqrt,
    Sign,
    Clip,
}

/// A checked expression. It has no state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Program {
    steps: Vec<Step>,
}

/// The programs of the features that are expressions.
///
/// # Errors
/// The first expression that cannot be read, or that uses what is not declared before it.
pub(crate) fn programs(specs: &[FeatureSpec]) -> Result<Vec<Option<Program>>, FeatureError> {
    let names: Vec<&str> = specs.iter().map(|s| s.name.as_str()).collect();
    let program = |(own, spec): (usize, &FeatureSpec)| {
        let text = spec.expression.as_ref();
        let Some(text) = text.filter(|_| spec.function == FeatureFunction::Expression) else {
            return Ok(None);
        };
        let steps = parse::parse(text, &names, own).map_err(|m| FeatureError::Expression {
            name: spec.name.clone(),
            position: m.position,
            message: m.message,
        })?;
        Ok(Some(Program { steps }))
    };
    specs.iter().enumerate().map(program).collect()
}

impl Program {
    /// The value over the features declared before: always finite. Nothing is allocated.
    pub(crate) fn value(&self, features: &[f64]) -> f64 {
        let mut stack = Stack {
            values: [0.0; STEPS],
            height: 0,
        };
        for step in &self.steps {
            let result = match *step {
                Step::Number(number) => number,
                // The parser only lets through features declared before.
                Step::Feature(index) => features.get(index).copied().unwrap_or(0.0),
                Step::Negate => -stack.pop(),
                Step::Abs => stack.pop().abs(),
                Step::Log => stack.pop().ln(),
                Step::Exp => stack.pop().exp(),
                Step::Sqrt => stack.pop().sqrt(),
                Step::Sign => sign(stack.pop()),
                Step::Clip => {
                    let (low, high) = stack.two();
                    stack.pop().max(low).min(high)
                }
                Step::Add => stack.with_two(|a, b| a + b),
                Step::Subtract => stack.with_two(|a, b| a - b),
                Step::Multiply => stack.with_two(|a, b| a * b),
                Step::Divide => stack.with_two(|a, b| a / b),
                Step::Min => stack.with_two(f64::min),
                Step::Max => stack.with_two(f64::max),
            };
            // Division by zero, log of what is not above zero, sqrt below zero, and overflow.
            stack.push(if result.is_finite() { result } else { 0.0 });
        }
        stack.pop()
    }
}

struct Stack {
    values: [f64; STEPS],
    height: usize,
}

impl Stack {
    fn push(&mut self, value: f64) {
        if let Some(place) = self.values.get_mut(self.height) {
            *place = value;
            self.height += 1;
        }
    }

    /// The newest value; a parsed program never asks an empty stack.
    fn pop(&mut self) -> f64 {
        self.height = self.height.saturating_sub(1);
        self.values.get(self.height).copied().unwrap_or(0.0)
    }

    /// The two newest, in the order they came.
    fn two(&mut self) -> (f64, f64) {
        let second = self.pop();
        (self.pop(), second)
    }

    fn with_two(&mut self, operation: impl Fn(f64, f64) -> f64) -> f64 {
        let (first, second) = self.two();
        operation(first, second)
    }
}
