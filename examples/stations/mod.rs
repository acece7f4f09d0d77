//! The airports the readings come from.

use serde::{Deserialize, Serialize};

/// An airport with a weather station.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Station {
    pub(crate) name: String,
    /// Above mean sea level, in metres.
    pub(crate) elevation: f64,
}

/// Code, name and elevation (FAA airport data, in feet).
const STATIONS: [(&str, &str, f64); 3] = [
    ("EWR", "Newark Liberty International Airport", 18.0),
    ("JFK", "John F. Kennedy International Airport", 13.0),
    ("LGA", "LaGuardia Airport", 21.0),
];

const METRES_PER_FOOT: f64 = 0.3048;

pub(crate) fn find(code: &str) -> Option<Station> {
    let (_, name, feet) = STATIONS.iter().find(|station| station.0 == code)?;
    Some(Station { name: (*name).to_owned(), elevation: feet * METRES_PER_FOOT })
}

/// The pressure at a height in metres, by the International Standard Atmosphere.
pub(crate) fn pressure_at(elevation: f64, at_sea_level: f64) -> f64 {
    at_sea_level * (1.0 - 2.25577e-5 * elevation).powf(5.25588)
}
