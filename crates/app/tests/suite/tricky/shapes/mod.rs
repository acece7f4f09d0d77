//! Shapes.

pub mod limits;
pub mod round { pub fn half(x: f64) -> f64 { x / 2.0 }  pub fn whole(x: f64) -> f64 { x.round() } }

pub trait Shape { fn area(&self) -> f64; fn name(&self) -> String { named_by_default() } }
pub struct Square { pub side: f64 }
pub struct Circle { pub radius: f64 }

impl Shape for Square { fn area(&self) -> f64 { self.side * self.side } }
impl Shape for Circle { fn area(&self) -> f64 { PI * self.radius } }
const PI: f64 = 3.0;

fn named_by_default() -> String { String::new() }
pub fn area_of(shape: &impl Shape) -> f64 { shape.area() }
