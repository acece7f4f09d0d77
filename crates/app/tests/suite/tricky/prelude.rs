pub use std::time::*;
pub use crate::shapes::limits::*;
