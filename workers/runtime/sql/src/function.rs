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
use foresail_crds::pipeline::spec::FeatureSpec;
use foresail_features::{Reads, reads};

use crate::catalogue::Entry;
use crate::evaluator::Evaluator;

#[derive(Debug, PartialEq, Eq, Hash)]
struct FeatureFunction {
    entry: Entry,
    signature: Signature,
    documentation: Documentation,
}

pub(crate) fn window_function(entry: Entry) -> WindowUDF {
    WindowUDF::from(FeatureFunction {
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: Documentation::builder(DOC_SECTION_ANALYTICAL, &entry.text, entry.call())
            .build(),
        entry,
    })
}

impl WindowUDFImpl for FeatureFunction {
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
        let Entry {
            columns,
            parameters,
            ..
        } = &self.entry;
        if given.len() != columns.len() + parameters.len() {
            return plan_err!(
                "{} takes {} arguments, {} are given",
                self.entry.call(),
                columns.len() + parameters.len(),
                given.len()
            );
        }
        let column = match reads(self.entry.function) {
            Reads::Date => DataType::Timestamp(TimeUnit::Millisecond, None),
            _ => DataType::Float64,
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

impl FeatureFunction {
    fn spec(&self, given: &[Arc<dyn PhysicalExpr>]) -> Result<FeatureSpec> {
        let mut spec = FeatureSpec::new(self.entry.name.clone(), self.entry.function);
        let constants = given.iter().skip(self.entry.columns.len());
        for (name, constant) in self.entry.parameters.iter().zip(constants) {
            let wrong =
                || plan_datafusion_err!("{}: {name} must be a constant number", self.entry.call());
            let literal = constant.downcast_ref::<Literal>().ok_or_else(wrong)?;
            let text = literal.value().to_string();
            let sessions = || text.parse::<u32>().map(Some).map_err(|_| wrong());
            match *name {
                "fast" => spec.fast = sessions()?,
                "slow" => spec.slow = sessions()?,
                "signal" => spec.signal = sessions()?,
                "deviations" => spec.deviations = Some(Decimal::from(text.as_str())),
                "quantile" => spec.quantile = Some(Decimal::from(text.as_str())),
                _ => spec.window = sessions()?,
            }
        }
        Ok(spec)
    }
}
