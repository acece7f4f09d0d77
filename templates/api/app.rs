use std::collections::BTreeMap;

use dyninka::prelude::*;

/// What a caller posts: `curl -d '{"order":{"item":"tea","count":2}}' 127.0.0.1:8080/`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
}

/// What the caller gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Receipt {
    number: u64,
    item: String,
    cents: u64,
    /// Sold so far, of every item.
    sold: BTreeMap<String, u64>,
}

/// Placed state belongs to one service; an edit keeps it.
#[placed(checkout)]
static SOLD: Placed<BTreeMap<String, u64>> = Placed::new(BTreeMap::new);

#[placed(checkout)]
static NUMBER: Placed<u64> = Placed::new(u64::default);

/// The order of a caller who posts none.
#[service]
fn sample() -> Order {
    Order {
        item: "tea".to_owned(),
        count: 1,
    }
}

/// What one piece costs, in cents. `None` where nobody sells it.
#[service]
fn price(item: String) -> Option<u64> {
    match item.as_str() {
        "tea" => Some(250),
        "coffee" => Some(320),
        _ => None,
    }
}

/// A service may call another in its body.
#[service]
async fn checkout(order: Order) -> Result<Receipt> {
    let Some(cents) = price(order.item.clone()).await? else {
        return Err(Error::new(format!("nobody sells {}", order.item)));
    };
    let number = NUMBER.update(|number| {
        *number += 1;
        *number
    });
    let sold = SOLD.update(|sold| {
        *sold.entry(order.item.clone()).or_default() += u64::from(order.count);
        sold.clone()
    });
    Ok(Receipt {
        number,
        item: order.item,
        cents: cents * u64::from(order.count),
        sold,
    })
}

#[dyninka::main]
fn main() {
    sample().checkout()
}

#[cfg(test)]
mod tests;
