use dyninka::prelude::*;

/// What the sensor said, and in which second.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading {
    second: u64,
    bar: f64,
}

/// A reading beside those before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Compared {
    reading: Reading,
    mean: f64,
    deviation: f64,
}

/// A reading that is far from those before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Alarm {
    second: u64,
    bar: f64,
    expected: f64,
}

/// The readings that a new one is compared with.
const WINDOW: usize = 20;

#[placed(read)]
static SECOND: Placed<u64> = Placed::new(u64::default);

/// Placed state belongs to one service; an edit keeps it.
#[placed(compare)]
static LAST: Placed<Vec<f64>> = Placed::new(Vec::new);

/// A pressure sensor, made up: every 30 seconds the pressure drops.
#[service]
fn read() -> Reading {
    let second = SECOND.update(|second| {
        *second += 1;
        *second
    });
    let wave = 0.05 * (second as f64 / 5.0).sin();
    let drop = if second.is_multiple_of(30) { 1.5 } else { 0.0 };
    Reading {
        second,
        bar: 4.0 + wave - drop,
    }
}

/// Mean and standard deviation of the readings before.
#[service]
fn compare(reading: Reading) -> Compared {
    LAST.update(|last| {
        let (mean, deviation) = spread(last).unwrap_or((reading.bar, 0.0));
        last.push(reading.bar);
        if last.len() > WINDOW {
            last.remove(0);
        }
        Compared {
            reading,
            mean,
            deviation,
        }
    })
}

/// Mean and standard deviation; nothing before the window is full.
fn spread(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < WINDOW {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count;
    Some((mean, variance.sqrt()))
}

/// `None` ends the request here: the answer is 204.
#[service]
fn alarm(compared: Compared) -> Option<Alarm> {
    let Compared {
        reading,
        mean,
        deviation,
    } = compared;
    let is_far = deviation > 0.0 && (reading.bar - mean).abs() > 3.0 * deviation;
    is_far.then_some(Alarm {
        second: reading.second,
        bar: reading.bar,
        expected: mean,
    })
}

#[dyninka::main]
fn main() {
    read().compare().alarm()
}

#[cfg(test)]
mod tests;
