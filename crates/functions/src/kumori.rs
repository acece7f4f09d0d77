//! The API of the NodeJS FaaS on Kumori: users, functions, jobs, under `/u` and `/j`, as it is documented there.
//!
//! Pure: a request in, an answer out, over [`Faas`], which keeps users and runs jobs. Every answer has HTTP status 200 and
//! says in `error` whether it is one; only what is no route is 404, and who has no token is told 401.

mod answer;
mod route;
mod store;

pub use answer::{FaasAnswer, FaasRequest, answer, shown};
pub use store::{Faas, FaasAccess, FaasError, FaasJob};
