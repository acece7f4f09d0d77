//! `#[service]`, `#[placed]` and `#[main]`: with them `app.rs` type-checks, completes and runs as a plain program.
//!
//! `dyn` reads the same attributes itself and compiles without these macros; what is a service here is one there, and
//! the words for what is none are the same.

mod flow;
mod service;
mod signature;

use proc_macro::TokenStream;
use quote::{quote, quote_spanned};

/// Makes a service of a function.
///
/// Whoever names it gets a `dyninka::Call`, to be awaited: `let entry = lookup(key).await?;`. Its inputs and its
/// output travel as JSON, so their types must be serde's. `#[service(replay = false)]` says that it is not to be
/// run again on recorded inputs, `replay = true` that it is with all that it does;
/// `#[service(replicas = 2, cpu = "500m", memory = "128Mi")]` asks for what it needs on a cluster.
/// `#[service(attempts = 8, timeout = "2m", backoff = "2s..10m", lost = "fail", parallel = 4)]` says how jobs of it run.
/// `#[service(rate = 200, at_once = 64, latency = "20ms", idempotent = true, stays = true)]` says what it takes where nodes
/// share load. `#[service(near = "images")]` has callers prefer an instance where that bucket is.
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(options.into(), item.into()).into()
}

/// Ties a static to one service: `#[placed(service)] static X: Placed<T> = Placed::new(T::default);`.
#[proc_macro_attribute]
pub fn placed(service: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    match syn::parse::<syn::Ident>(service) {
        Ok(service) => {
            // Names the function, so that a wrong name is an error at its place and an editor can go there.
            let check = quote_spanned!(service.span()=> const _: () = { let _ = #service; };);
            quote!(#item #check).into()
        }
        Err(error) => {
            let error = syn::Error::new(error.span(), "name one service: #[placed(service)]").into_compile_error();
            quote!(#item #error).into()
        }
    }
}

/// Makes the chain that `main` ends in a program: `fn main() { get().filter().map() }` runs it once and prints the
/// result.
#[proc_macro_attribute]
pub fn main(_: TokenStream, item: TokenStream) -> TokenStream {
    flow::expand(item.into()).into()
}
