//! App to one small library per service, with rustc's words at the user's lines.
