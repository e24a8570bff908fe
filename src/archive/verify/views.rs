//! Compares the rows of materialized views, where both sides are databases that have them populated.

use std::collections::BTreeSet;

use super::super::error::Error;
use super::side::Side;
use super::{NotCompared, TableResult};
use crate::transfer::control::Control;
use crate::transfer::error::Error as TransferError;
use crate::transfer::facts::Facts;
use crate::transfer::views::{self, MaterializedView};

/// Compares those that both sides have populated; the definitions tell of all others.
pub(super) async fn compare(
    first: &Side,
    second: &Side,
    facts: [&Facts; 2],
    control: &Control,
) -> Result<(Vec<TableResult>, Vec<NotCompared>), Error> {
    let (mut results, mut not_compared) = (Vec::new(), Vec::new());
    let [one, two] = facts.map(populated);
    for name in one.intersection(&two) {
        let view = format!("{}.{name}", first.schema().as_str());
        let (Side::Database { views: a, .. }, Side::Database { views: b, .. }) = (first, second) else {
            not_compared.push(NotCompared::ViewOfArchive { view });
            continue;
        };
        let find = |views: &[MaterializedView]| {
            views.iter().find(|v| v.table.name.name.as_str() == *name && v.readable).cloned()
        };
        let (Some(a), Some(b)) = (find(a), find(b)) else {
            not_compared.push(NotCompared::ViewUnreadable { view });
            continue;
        };
        results.push(one_view(view, (first, &a), (second, &b), control).await?);
    }
    Ok((results, not_compared))
}

async fn one_view(
    view: String,
    (first, a): (&Side, &MaterializedView),
    (second, b): (&Side, &MaterializedView),
    control: &Control,
) -> Result<TableResult, Error> {
    let columns = |view: &MaterializedView| view.table.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    let mut result = TableResult::unknown(view);
    if columns(a) == columns(b) {
        let (one, two) = tokio::try_join!(sum(first, a, control), sum(second, b, control))?;
        (result.rows, result.other_rows, result.equal) = (one.rows, two.rows, one == two);
    }
    Ok(result)
}

async fn sum(
    side: &Side,
    view: &MaterializedView,
    control: &Control,
) -> Result<crate::transfer::copy::RowSum, TransferError> {
    let Side::Database { snapshot, .. } = side else { unreachable!("an archive has no materialized views") };
    let mut worker = snapshot.worker("pgcleave verify");
    views::sum(&mut worker, &view.table, control).await
}

/// Names the populated materialized views that definitions tell of.
fn populated(facts: &Facts) -> BTreeSet<&str> {
    let views = facts.iter().filter_map(|(object, fact)| {
        let name = object.strip_prefix("table ")?;
        fact.starts_with("m ").then_some(name)
    });
    let empty = |name: &str| facts.get(&format!("view {name}")).is_some_and(|text| text.ends_with(" -- not populated"));
    views.filter(|name| !empty(name)).collect()
}
