//! A walk over syn's tree that tells the names an item brings in itself from names of others.

use std::ops::Range;

use proc_macro2::TokenStream;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, Stmt, Token};

use crate::import;
use crate::mention::{Hidden, Manner, Mention, Mentions};
use crate::scope::{Own, Scopes};
use crate::syntax::{attributes, is_named, is_ours, is_path, names};

/// Walks items.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) found: Mentions,
    pub(crate) scopes: Scopes,
    /// Whether this is what a macro is called with.
    in_macro: bool,
}

/// Attributes that are the compiler's or that everybody knows.
const KNOWN: [&str; 16] = [
    "allow",
    "cfg",
    "cfg_attr",
    "cold",
    "deny",
    "deprecated",
    "derive",
    "doc",
    "expect",
    "forbid",
    "inline",
    "must_use",
    "test",
    "track_caller",
    "unsafe",
    "warn",
];

/// The mark of ours in a `#[cfg_attr(…)]`.
fn conditional(attribute: &syn::Attribute) -> Option<&'static str> {
    let metas = Punctuated::<syn::Meta, Token![,]>::parse_terminated;
    let held = attribute.path().is_ident("cfg_attr").then(|| attribute.parse_args_with(metas).ok()).flatten()?;
    let paths = held.iter().skip(1).map(|meta| meta.path());
    let mut last = paths.filter(|path| is_path(path, "service") || is_path(path, "placed"));
    Some(if last.next()?.segments.last()?.ident == "service" { "service" } else { "placed" })
}

impl Walk {
    fn within(&mut self, walk: impl FnOnce(&mut Self)) {
        self.scopes.open();
        walk(self);
        self.scopes.close();
    }

    /// Notes a path, unless it is the item's own.
    pub(crate) fn mention(&mut self, segments: Vec<String>, range: &Range<usize>, manner: Manner) {
        for segments in self.scopes.outside(segments) {
            self.found.paths.push(Mention { segments, range: range.clone(), manner });
        }
    }

    /// Notes attributes of a function or a static that may be ours by another name.
    fn strangers(&mut self, item: &syn::Item) {
        if !matches!(item, syn::Item::Fn(_) | syn::Item::Static(_)) {
            return;
        }
        let foreign = attributes(item)
            .iter()
            .filter(|attribute| !is_ours(attribute) && !KNOWN.iter().any(|known| attribute.path().is_ident(known)));
        self.found.hidden.extend(foreign.map(|attribute| {
            let path = attribute.path().segments.iter().map(|segment| segment.ident.to_string());
            (Hidden::Named(path.collect()), attribute.span().byte_range())
        }));
    }

    /// Binds what the items among statements are called, wherever they stand.
    fn bind_items(&mut self, statements: &[Stmt]) {
        for statement in statements {
            match statement {
                Stmt::Item(syn::Item::Use(item)) => {
                    for leaf in import::read(item).0 {
                        let range = item.span().byte_range();
                        let segments = leaf.path.clone();
                        self.found.paths.push(Mention { segments, range, manner: Manner::Code });
                        if leaf.glob {
                            self.scopes.bind_all(leaf.path);
                        } else {
                            self.scopes.bind(leaf.name, Own::Import(leaf.path));
                        }
                    }
                }
                Stmt::Item(item) => names(item).into_iter().for_each(|name| self.scopes.bind(name, Own::Item)),
                _ => {}
            }
        }
    }

    fn statements(&mut self, statements: &[Stmt]) {
        self.within(|walk| {
            walk.bind_items(statements);
            statements.iter().for_each(|statement| walk.visit_stmt(statement));
        });
    }

    /// What a macro is called with: code when it reads as code, else tokens.
    fn arguments(&mut self, name: &str, tokens: &TokenStream) {
        if name.ends_with("matches") {
            // The second argument is a pattern, with a guard maybe.
            let parsed = |input: syn::parse::ParseStream| {
                let value: Expr = input.parse()?;
                input.parse::<Token![,]>()?;
                let pattern = syn::Pat::parse_multi_with_leading_vert(input)?;
                let guard: Option<Expr> = input.parse::<Option<Token![if]>>()?.map(|_| input.parse()).transpose()?;
                input.parse::<Option<Token![,]>>()?;
                Ok((value, pattern, guard))
            };
            if let Ok((value, pattern, guard)) = syn::parse::Parser::parse2(parsed, tokens.clone()) {
                return self.within(|walk| {
                    walk.visit_expr(&value);
                    walk.visit_pat(&pattern);
                    guard.iter().for_each(|guard| walk.visit_expr(guard));
                });
            }
        }
        let expressions = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(arguments) = syn::parse::Parser::parse2(expressions, tokens.clone()) {
            return self.within(|walk| arguments.iter().for_each(|argument| walk.argument(argument)));
        }
        match syn::parse::Parser::parse2(syn::Block::parse_within, tokens.clone()) {
            Ok(statements) => self.statements(&statements),
            Err(_) => self.tokens(tokens.clone(), None, Manner::Tokens),
        }
    }

    /// An argument of a macro: `name = value` names it, and a format string captures names.
    fn argument(&mut self, argument: &Expr) {
        match argument {
            Expr::Assign(named) => {
                if let Expr::Path(name) = &*named.left
                    && let Some(name) = name.path.get_ident()
                {
                    self.scopes.bind(name.to_string(), Own::Variable);
                } else {
                    self.visit_expr(&named.left);
                }
                self.visit_expr(&named.right);
            }
            Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => {
                self.captures(&text.value(), &text.span().byte_range());
            }
            other => self.visit_expr(other),
        }
    }

    /// `{name}` and `{name:?}` in a format string.
    pub(crate) fn captures(&mut self, text: &str, range: &Range<usize>) {
        for piece in text.split('{').skip(1) {
            let name: String = piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let ends = piece[name.len()..].starts_with(['}', ':']);
            if ends && name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                self.mention(vec![name], range, Manner::Tokens);
            }
        }
    }

    /// Notes what a macro of the compiler's brings in that is not in the text: a file, a variable, a place.
    pub(crate) fn built_in(&mut self, name: &str, arguments: TokenStream) {
        match name {
            "include_str" | "include_bytes" | "include" => {
                match syn::parse2::<syn::LitStr>(arguments) {
                    Ok(path) => drop(self.found.included.insert(path.value())),
                    // Which file it is, and what is in it, nobody here knows.
                    Err(_) => drop(self.found.macros.insert("include".to_owned())),
                }
            }
            "env" | "option_env" => {
                // The second argument of `env!` is what rustc says where there is no such variable.
                let first = arguments.into_iter().next().map(TokenStream::from).unwrap_or_default();
                self.found.variables.extend(syn::parse2::<syn::LitStr>(first).ok().map(|name| name.value()));
            }
            "line" | "column" | "file" => self.found.tells_place = true,
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path.leading_colon.is_some() {
            // `::name` is an outside crate whatever stands here by that name.
            segments.insert(0, String::new());
        }
        self.found.tells_place |= segments.ends_with(&["Location".to_owned(), "caller".to_owned()]);
        self.mention(segments, &path.span().byte_range(), Manner::Code);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = called.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        self.built_in(&name, called.tokens.clone());
        self.visit_path(&called.path);
        let around = std::mem::replace(&mut self.in_macro, true);
        if name == "macro_rules" {
            self.tokens(called.tokens.clone(), None, Manner::Tokens);
        } else {
            self.arguments(&name, &called.tokens);
            self.found.macros.insert(name);
        }
        self.in_macro = around;
    }

    fn visit_token_stream(&mut self, tokens: &'ast TokenStream) {
        self.tokens(tokens.clone(), None, Manner::Tokens);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if is_ours(attribute) {
            let name = ["service", "placed"].into_iter().find(|name| is_named(attribute, name));
            // The service that `#[placed(service)]` names is not called there.
            if let (true, Some(name)) = (self.in_macro, name) {
                self.found.hidden.push((Hidden::InMacro(name.to_owned()), attribute.span().byte_range()));
            } else if !is_named(attribute, "main") {
                self.found.marks.push(attribute.span().byte_range());
            }
        } else if !attribute.path().is_ident("doc") {
            self.found.hidden.extend(
                conditional(attribute)
                    .map(|name| (Hidden::Conditional(name.to_owned()), attribute.span().byte_range())),
            );
            self.visit_path(attribute.path());
            if let syn::Meta::List(list) = &attribute.meta {
                self.attribute(list.tokens.clone());
            }
        }
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !self.scopes.is_inside() {
            self.strangers(item);
            return visit::visit_item(self, item);
        }
        self.found.has_impl |= matches!(item, syn::Item::Impl(_));
        if let syn::Item::Static(inner) = item {
            self.found.statics.push((inner.ident.to_string(), inner.ident.span().byte_range()));
        }
        let seen = self.scopes.of_items();
        let around = std::mem::replace(&mut self.scopes, seen);
        visit::visit_item(self, item);
        self.scopes = around;
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.found.crates.insert(item.ident.to_string());
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.found.methods.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.statements(&block.stmts);
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        // The initialiser does not see the name it is for: `let price = price(sku).await?`.
        if let Some(init) = &local.init {
            self.visit_local_init(init);
        }
        self.visit_pat(&local.pat);
    }

    fn visit_expr_let(&mut self, condition: &'ast syn::ExprLet) {
        self.visit_expr(&condition.expr);
        self.visit_pat(&condition.pat);
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.within(|walk| {
            walk.visit_expr(&branch.cond);
            walk.visit_block(&branch.then_branch);
        });
        if let Some((_, other)) = &branch.else_branch {
            self.visit_expr(other);
        }
    }

    fn visit_expr_while(&mut self, repeat: &'ast syn::ExprWhile) {
        self.within(|walk| visit::visit_expr_while(walk, repeat));
    }

    fn visit_expr_for_loop(&mut self, repeat: &'ast syn::ExprForLoop) {
        self.visit_expr(&repeat.expr);
        self.within(|walk| {
            walk.visit_pat(&repeat.pat);
            walk.visit_block(&repeat.body);
        });
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.within(|walk| visit::visit_arm(walk, arm));
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.within(|walk| visit::visit_expr_closure(walk, closure));
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.within(|walk| visit::visit_item_fn(walk, function));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.within(|walk| visit::visit_impl_item_fn(walk, function));
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.within(|walk| visit::visit_trait_item_fn(walk, function));
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        let name = pattern.ident.to_string();
        // `LIMIT => …` compares with a constant, `limit => …` binds.
        if name.starts_with(char::is_uppercase) && pattern.by_ref.is_none() && pattern.mutability.is_none() {
            self.mention(vec![name], &pattern.ident.span().byte_range(), Manner::Code);
        } else {
            self.scopes.bind(name, Own::Variable);
        }
        visit::visit_pat_ident(self, pattern);
    }
}

/// What an item mentions.
pub(crate) fn of_item(item: &syn::Item) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_item(item);
    walk.found
}

/// What a type mentions.
pub(crate) fn of_type(ty: &syn::Type) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_type(ty);
    walk.found
}

/// What an expression mentions.
pub(crate) fn of_expression(expression: &syn::Expr) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_expr(expression);
    walk.found
}

/// What a signature mentions.
pub(crate) fn of_signature(signature: &syn::Signature) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_signature(signature);
    walk.found
}

/// What the head of an `impl` mentions: generics, trait and type.
pub(crate) fn of_head(item: &syn::ItemImpl) -> Mentions {
    let mut walk = Walk::default();
    walk.visit_generics(&item.generics);
    if let Some((path, _)) = &item.trait_ {
        walk.visit_path(path);
    }
    walk.visit_type(&item.self_ty);
    walk.found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let found = of_item(&syn::parse_str(text).unwrap());
        let mut paths: Vec<String> = found.paths.iter().map(|mention| mention.segments.join("::")).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    #[test]
    fn a_name_of_its_own_is_no_mention_and_an_initialiser_is() {
        assert_eq!(paths("fn f(a: u8) { let price = price(a); price.x; }"), ["price", "u8"]);
        assert_eq!(paths("fn f() { let map = |x| x; map(1) }"), [""; 0]);
        assert_eq!(paths("fn f() { if let Some(map) = y() { map(1) } map(2) }"), ["Some", "map", "y"]);
        assert_eq!(paths("fn f() { for map in all() { map(1) } }"), ["all"]);
        assert_eq!(paths("fn f() { match a() { Some(map) => map(1), LIMIT => z() } }"), ["LIMIT", "Some", "a", "z"]);
        assert_eq!(paths("fn f() { fn map() {} map() }"), [""; 0]);
    }

    #[test]
    fn methods_and_fields_are_no_paths() {
        let found = of_item(&syn::parse_str("fn f(x: X) { x.map().filter; X { filter: 1 } }").unwrap());
        assert!(found.paths.iter().all(|mention| mention.segments == ["X"]), "{found:?}");
        assert!(found.methods.contains("map"));
    }

    #[test]
    fn macros_are_looked_into() {
        assert_eq!(
            paths(r#"fn f() { println!("{} {LIMIT:>3}", lookup(k::A).await?) }"#),
            ["LIMIT", "k::A", "lookup", "println"]
        );
        assert!(paths("fn f() { let a = 1; vec![a, b] }").contains(&"b".to_owned()));
        assert!(!paths("fn f() { let a = 1; vec![a, b.map()] }").contains(&"map".to_owned()));
    }

    #[test]
    fn attributes_name_functions_in_strings_and_files_are_found() {
        let found = of_item(&syn::parse_str(r#"struct S { #[serde(with = "iso::date")] a: u8 }"#).unwrap());
        let is_date = |mention: &Mention| mention.segments == ["iso", "date"] && mention.manner == Manner::Text;
        assert!(found.paths.iter().any(is_date), "{found:?}");
        assert!(!paths(r#"struct S { #[serde(rename = "get", alias = "a")] b: u8 }"#).contains(&"get".to_owned()));
        assert!(paths(r#"#[serde(bound = "T: Local")] struct S { b: u8 }"#).contains(&"Local".to_owned()));
        let found = of_item(&syn::parse_str(r#"const A: &str = std::include_str!("a.csv");"#).unwrap());
        assert!(found.included.contains("a.csv"));
        let found = of_item(&syn::parse_str(r#"fn f() { w!(include_bytes!("b.bin")) }"#).unwrap());
        assert!(found.included.contains("b.bin"));
    }

    #[test]
    fn imports_in_a_function_are_its_own() {
        assert_eq!(paths("fn f() { use a::b as c; c(1) }"), ["a::b"]);
        assert_eq!(paths("fn f() { use a::m; m::x() }"), ["a::m", "a::m::x"]);
        assert_eq!(paths("fn f() { use a::*; x() }"), ["a", "a::x", "x"]);
        assert_eq!(paths("fn f() { { use a::b; } b() }"), ["a::b", "b"]);
    }

    #[test]
    fn a_nested_function_does_not_see_the_names_around_it() {
        assert_eq!(paths("fn f() { let price = 1; fn g() { price(2) } g() }"), ["price"]);
    }

    #[test]
    fn calls_in_macros_are_told_from_names() {
        let calls = |text: &str| {
            let found = of_item(&syn::parse_str(&format!("fn f() {{ {text} }}")).unwrap());
            found.paths.iter().any(|mention| mention.segments == ["lookup"] && mention.manner == Manner::Code)
        };
        for text in [
            "format!(\"{}\", lookup(k).await?)",
            "json!({ \"a\": lookup(k) })",
            "vec![a.map(lookup)]",
            "x!(0..lookup(1))",
            "json!([1, { \"a\": 0..lookup(1) }])",
            "m!(let a = lookup(1); a)",
        ] {
            assert!(calls(text), "{text}");
        }
        for text in [
            "format!(\"{lookup}\")",
            "format!(\"{lookup}\", lookup = 1)",
            "matches!(x, Some(lookup) if lookup > 1)",
            "json!({ lookup: 1 })",
            "let lookup = 1; json!({ \"a\": lookup })",
            "x.lookup()",
            "json!({ \"a\": x.lookup() })",
            "select! { lookup = f() => lookup }",
        ] {
            assert!(!calls(text), "{text}");
        }
    }
}
