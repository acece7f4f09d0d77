//! What an item names: a walk over syn's tree that knows which names are its own.

use std::collections::HashSet;
use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::mention::{Mention, Mentions};

/// Walks items, and tells names they bring in themselves from names of others.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) found: Mentions,
    scopes: Vec<HashSet<String>>,
}

impl Walk {
    fn within(&mut self, walk: impl FnOnce(&mut Self)) {
        self.scopes.push(HashSet::new());
        walk(self);
        self.scopes.pop();
    }

    fn bind(&mut self, name: String) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name);
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains(name))
    }

    fn mention(&mut self, segments: Vec<String>, range: Range<usize>) {
        if segments.len() == 1 && self.is_bound(&segments[0]) {
            return;
        }
        self.found.paths.push(Mention { segments, range });
    }

    /// Names in tokens nobody has parsed: paths, methods, names captured by a format string, files included.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut after_dot = false;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => self.captures(&literal.to_string(), literal.span().byte_range()),
                TokenTree::Ident(name) if after_dot => {
                    self.found.methods.insert(name.to_string());
                }
                TokenTree::Ident(first) => {
                    let mut segments = vec![first.to_string()];
                    while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), ..] = &tokens[at + 1..]
                        && a.as_char() == ':'
                        && b.as_char() == ':'
                    {
                        segments.push(next.to_string());
                        at += 3;
                    }
                    self.included(&segments, &tokens[at + 1..]);
                    self.mention(segments, first.span().byte_range());
                }
                TokenTree::Punct(_) => {}
            }
            after_dot = matches!(&tokens[at], TokenTree::Punct(punct) if punct.as_char() == '.');
            at += 1;
        }
    }

    /// `include_str ! ("…")` in tokens.
    fn included(&mut self, segments: &[String], after: &[TokenTree]) {
        if let [TokenTree::Punct(bang), TokenTree::Group(group), ..] = after
            && bang.as_char() == '!'
        {
            self.include(segments.last().map_or("", String::as_str), group.stream());
        }
    }

    fn include(&mut self, name: &str, arguments: TokenStream) {
        if matches!(name, "include_str" | "include_bytes" | "include")
            && let Ok(path) = syn::parse2::<syn::LitStr>(arguments)
        {
            self.found.included.insert(path.value());
        }
    }

    /// `{name}` and `{name:?}` in a format string.
    fn captures(&mut self, literal: &str, range: Range<usize>) {
        for piece in literal.split('{').skip(1) {
            let name: String = piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let ends = piece[name.len()..].starts_with(['}', ':']);
            if ends && name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                self.mention(vec![name], range.clone());
            }
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
        self.mention(segments, path.span().byte_range());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = called.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        self.include(&name, called.tokens.clone());
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // The service that `#[placed(service)]` names is not called there.
        if attribute.path().is_ident("doc") || crate::tree::is_ours(attribute) {
            return;
        }
        self.visit_path(attribute.path());
        if let syn::Meta::List(list) = &attribute.meta {
            // `#[serde(with = "module")]`: a string that is a path may be one.
            for text in strings(list.tokens.clone()) {
                if let Ok(path) = syn::parse_str::<syn::Path>(&text.value()) {
                    let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                    self.found.whole.push(Mention { segments, range: text.span().byte_range() });
                }
            }
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.found.methods.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        self.within(|walk| {
            for statement in &block.stmts {
                if let syn::Stmt::Item(item) = statement
                    && let Some(name) = crate::tree::names(item).into_iter().next()
                {
                    walk.bind(name);
                }
            }
            visit::visit_block(walk, block);
        });
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
            self.mention(vec![name], pattern.ident.span().byte_range());
        } else {
            self.bind(name);
        }
        visit::visit_pat_ident(self, pattern);
    }
}

fn strings(tokens: TokenStream) -> Vec<syn::LitStr> {
    let of = |token: TokenTree| match token {
        TokenTree::Group(group) => strings(group.stream()),
        TokenTree::Literal(literal) => syn::parse2(TokenTree::Literal(literal).into()).into_iter().collect(),
        _ => Vec::new(),
    };
    tokens.into_iter().flat_map(of).collect()
}
