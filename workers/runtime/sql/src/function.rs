//! One catalogue entry as a `WindowUDFImpl`: names, types and parameters. Rows are in `evaluator`.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, plan_datafusion_err, plan_err};
use datafusion::logical_expr::function::{
    ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs,
};
use datafusion::logical_expr::window_doc_sections::DOC_SECTION_ANALYTICAL;
use datafusion::logical_expr::{
    Documentation, LimitEffect, PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use foresail_crds::Decimal;
use foresail_crds::pipeline::spec::{Argument, FeatureSpec, Reads};

use crate::catalogue::Entry;
use crate::evaluator::Evaluator;

#[derive(Debug, PartialEq, Eq, Hash)]
struct WindowFunction {
    entry: Entry,
    signature: Signature,
    documentation: Documentation,
}

pub(crate) fn window_function(entry: Entry) -> WindowUDF {
    WindowUDF::from(WindowFunction {
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: Documentation::builder(
            DOC_SECTION_ANALYTICAL,
            entry.function.describe().formula,
            entry.call(),
        )
        .build(),
        entry,
    })
}

impl WindowUDFImpl for WindowFunction {
    fn name(&self) -> &str {
        &self.entry.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn field(&self, arguments: WindowUDFFieldArgs) -> Result<FieldRef> {
        // Null until the kernel is warm.
        Ok(Arc::new(Field::new(
            arguments.name(),
            DataType::Float64,
            true,
        )))
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let (columns, parameters) = (self.entry.columns, self.entry.parameters());
        if given.len() != columns.len() + parameters.len() {
            return plan_err!(
                "{} takes {} arguments, {} are given",
                self.entry.call(),
                columns.len() + parameters.len(),
                given.len()
            );
        }
        let column = match self.entry.function.describe().reads {
            Reads::Date => DataType::Timestamp(TimeUnit::Millisecond, None),
            Reads::Close | Reads::Column | Reads::Bar | Reads::Features => DataType::Float64,
        };
        let kept = given.iter().skip(columns.len()).cloned();
        Ok(columns.iter().map(|_| column.clone()).chain(kept).collect())
    }

    /// The columns alone: parameters are read once, not by row.
    fn expressions(&self, arguments: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        let all = arguments.input_exprs().iter();
        all.take(self.entry.columns.len()).cloned().collect()
    }

    fn partition_evaluator(
        &self,
        arguments: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        let spec = self.spec(arguments.input_exprs())?;
        Ok(Box::new(Evaluator::new(spec)?))
    }

    fn limit_effect(&self, _arguments: &[Arc<dyn PhysicalExpr>]) -> LimitEffect {
        // What follows a row never changes it.
        LimitEffect::None
    }
}

impl WindowFunction {
    fn spec(&self, given: &[Arc<dyn PhysicalExpr>]) -> Result<FeatureSpec> {
        let mut spec = FeatureSpec::new(self.entry.name.clone(), self.entry.function);
        let constants = given.iter().skip(self.entry.columns.len());
        for (argument, constant) in self.entry.parameters().iter().zip(constants) {
            let field = argument.field();
            let not_a_number =
                || plan_datafusion_err!("{}: {field} must be a constant number", self.entry.call());
            let literal = constant
                .downcast_ref::<Literal>()
                .ok_or_else(not_a_number)?;
            let text = literal.value().to_string();
            let sessions = || text.parse::<u32>().map(Some).map_err(|_| not_a_number());
            match argument {
                Argument::Window { .. } => spec.window = sessions()?,
                Argument::Fast => spec.fast = sessions()?,
                Argument::Slow => spec.slow = sessions()?,
                Argument::Signal => spec.signal = sessions()?,
                Argument::Deviations => spec.deviations = Some(Decimal::from(text.as_str())),
                Argument::Quantile => spec.quantile = Some(Decimal::from(text.as_str())),
                // The argument of `Expression` alone, which is no function of SQL.
                Argument::Expression => spec.expression = Some(text),
            }
        }
        Ok(spec)
    }
}
