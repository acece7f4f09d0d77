//! An app whose recorded calls are checked by a file that `dyn keep` would write.

use dyninka::prelude::*;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sum {
    total: f32,
    count: u64,
}

#[placed(sum)]
static SUM: Placed<Sum> = Placed::new(Sum::default);

#[service]
fn positive(value: f32) -> Option<f32> {
    (value > 0.0).then_some(value)
}

#[service]
async fn half(value: f32, name: String) -> Result<f32> {
    if name.is_empty() {
        return Err(Error::new("a \"name\" is wanted"));
    }
    Ok(value / 2.0)
}

#[service]
fn sum(value: f32) -> Sum {
    SUM.update(|sum| {
        sum.total += value;
        sum.count += 1;
        sum.clone()
    })
}

#[cfg(test)]
#[rustfmt::skip]
#[path = "warm.rs"]
mod warm;
