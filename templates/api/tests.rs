use super::*;

fn order(item: &str, count: u32) -> Order {
    Order {
        item: item.to_owned(),
        count,
    }
}

// In the package a service is called as a function; `wait` gives its answer.
#[test]
fn checkout_multiplies_the_price() {
    let receipt = checkout(order("coffee", 2)).wait().expect("a receipt");
    assert_eq!(receipt.cents, 640);
    assert_eq!(receipt.sold["coffee"], 2);
}

#[test]
fn checkout_refuses_what_nobody_sells() {
    let error = checkout(order("gold", 1)).wait().expect_err("an error");
    assert_eq!(error.to_string(), "nobody sells gold");
}
