//! `#[main]`: the chain at the end of `main`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprCall, ExprMethodCall, ItemFn, Stmt};

use crate::service::flow_name;

pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let Ok(mut main) = syn::parse2::<ItemFn>(item.clone()) else {
        let error = syn::Error::new(Span::call_site(), "only fn main can hold the flow").into_compile_error();
        return quote!(#item #error);
    };
    Calls.visit_block_mut(&mut main.block);
    let (attrs, vis, statements) = (&main.attrs, &main.vis, &main.block.stmts);
    let Some((Stmt::Expr(tail, None), lets)) = statements.split_last() else {
        let words = "main has no flow: end it in a chain of services without a semicolon, e.g. get().filter()";
        let error = syn::Error::new(main.sig.ident.span(), words).into_compile_error();
        return quote!(#(#attrs)* #vis fn main() { #(#statements)* #error });
    };
    let run = quote_spanned!(tail.span()=> ::dyninka::run(#tail));
    quote! {
        #(#attrs)*
        #vis fn main() -> ::std::process::ExitCode {
            #(#lets)*
            #run
        }
    }
}

/// Turns `filter(get())` into calls of the functions that take flows for values. Method calls do so by themselves.
struct Calls;

impl VisitMut for Calls {
    fn visit_expr_call_mut(&mut self, call: &mut ExprCall) {
        if let Expr::Path(function) = &mut *call.func
            && let Some(last) = function.path.segments.last_mut()
        {
            last.ident = flow_name(&last.ident);
        }
        visit_mut::visit_expr_call_mut(self, call);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        if let Expr::MethodCall(method) = expr
            && is_taken(method)
        {
            let (function, first, others) = (flow_name(&method.method), &method.receiver, method.args.iter());
            *expr = syn::parse_quote_spanned!(method.span()=> #function(#first #(, #others)*));
        }
    }
}

/// Whether the method's name means something else already: on a literal, or on a call.
fn is_taken(method: &ExprMethodCall) -> bool {
    let mut receiver = &*method.receiver;
    let on_literal = loop {
        receiver = match receiver {
            Expr::Lit(_) | Expr::Array(_) | Expr::Tuple(_) => break true,
            Expr::Unary(negative) => &negative.expr,
            Expr::Reference(inner) => &inner.expr,
            Expr::Paren(inner) => &inner.expr,
            _ => break false,
        };
    };
    on_literal || ["into", "try_into", "into_future", "wait", "later"].iter().any(|name| method.method == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(source: TokenStream) -> String {
        expand(source).to_string().replace(' ', "")
    }

    #[test]
    fn calls_become_flows_and_methods_stay() {
        let text = expanded(quote!(
            fn main() {
                let a = get();
                join(a, (-2.0).scale(x)).filter().wait()
            }
        ));
        assert!(text.contains("leta=__flow_get();"), "{text}");
        assert!(text.contains("run(__flow_wait(__flow_join(a,__flow_scale((-2.0),x)).filter()))"), "{text}");
    }

    #[test]
    fn a_main_without_a_flow_says_so_and_keeps_its_body() {
        let text = expanded(quote!(
            fn main() {
                get().filter();
            }
        ));
        assert!(text.contains("__flow_get().filter();") && text.contains("compile_error!"), "{text}");
        assert!(
            expanded(quote!(
                struct Main;
            ))
            .contains("structMain;")
        );
    }
}
