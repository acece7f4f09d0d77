use dyninka::prelude::*;

/// What travels from one service to the next is anything serde can carry.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading {
    celsius: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Average {
    celsius: f64,
    count: u64,
}

/// Placed state belongs to one service; an edit keeps it.
#[placed(measure)]
static NEXT: Placed<u64> = Placed::new(u64::default);

#[placed(average)]
static AVERAGE: Placed<Average> = Placed::new(Average::default);

/// A sensor that swings between 15 and 25 degrees.
#[service]
fn measure() -> Reading {
    let step = NEXT.update(|next| {
        *next += 1;
        *next
    });
    Reading {
        celsius: 20.0 + 5.0 * (step as f64 / 10.0).sin(),
    }
}

/// `None` ends the request here: the answer is 204.
#[service]
fn warm(reading: Reading) -> Option<Reading> {
    (reading.celsius > 18.0).then_some(reading)
}

#[service]
fn average(reading: Reading) -> Average {
    AVERAGE.update(|average| {
        average.count += 1;
        average.celsius += (reading.celsius - average.celsius) / average.count as f64;
        average.clone()
    })
}

#[dyninka::main]
fn main() {
    measure().warm().average()
}

#[cfg(test)]
mod tests;
