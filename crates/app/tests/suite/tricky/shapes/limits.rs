pub type Alias = f64;
pub fn clamp(x: f64) -> f64 { x.min(crate::LIMIT) }
pub fn unused_clamp(x: f64) -> f64 { x }
