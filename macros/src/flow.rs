//! `#[main]`: the chain at the end of `main`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprCall, ItemFn, Stmt};

use crate::service::flow_name;

pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut main: ItemFn = match syn::parse2(item.clone()) {
        Ok(main) => main,
        Err(_) => {
            let error = syn::Error::new(Span::call_site(), "only fn main can hold the flow").into_compile_error();
            return quote!(#item #error);
        }
    };
    Calls.visit_block_mut(&mut main.block);
    let Some(Stmt::Expr(tail, None)) = main.block.stmts.pop() else {
        let words = "main has no flow: end it in a chain of services without a semicolon, e.g. get().filter()";
        let error = syn::Error::new(main.sig.ident.span(), words).into_compile_error();
        return quote!(fn main() { #error });
    };
    let (lets, attrs) = (&main.block.stmts, &main.attrs);
    let run = quote_spanned!(tail.span()=> ::dyninka::run(#tail));
    quote! {
        #(#attrs)*
        fn main() -> ::std::process::ExitCode {
            #(#lets)*
            #run
        }
    }
}

/// Turns `filter(get())` into the calls that take flows for values. Method calls do so by themselves.
struct Calls;

impl VisitMut for Calls {
    fn visit_expr_call_mut(&mut self, call: &mut ExprCall) {
        if let Expr::Path(function) = &mut *call.func
            && let Some(name) = function.path.get_ident()
        {
            *call.func = Expr::Path(syn::ExprPath { attrs: Vec::new(), qself: None, path: flow_name(name).into() });
        }
        visit_mut::visit_expr_call_mut(self, call);
    }
}
