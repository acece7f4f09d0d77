//! Texts with values of an app's environment: the file that `env_file` names, and `.secrets.toml`. What is told of a
//! mistake holds no value.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::file::{is_variable, position};
use super::{LONGEST_VALUE, SecretKey};

/// How to mend a line of an env file.
pub const ENV_FILE_HELP: &str = "write NAME=value, NAME='value' or NAME=\"value\", one a line; # begins a comment";

/// The variables of an env file: `NAME=value` a line, after `export` where one likes, with `#` before comments. Single
/// quotes keep everything, double quotes know `\n`, `\t`, `\"`, `\\` and `\$`. Nothing is substituted.
///
/// # Errors
/// Each line that does not read, from 1, and why.
pub fn variables(text: &str) -> Result<BTreeMap<String, String>, Vec<(usize, String)>> {
    let (mut known, mut mistakes) = (BTreeMap::new(), Vec::new());
    for (line, text) in text.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match variable(text) {
            Ok((name, value)) => drop(known.insert(name, value)),
            Err(why) => mistakes.push((line + 1, why.to_owned())),
        }
    }
    if mistakes.is_empty() { Ok(known) } else { Err(mistakes) }
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let text = text.strip_prefix("export ").unwrap_or(text);
    let (name, value) = text.split_once('=').ok_or("there is no = in this line")?;
    let (name, value) = (name.trim_end(), value.trim());
    if !is_variable(name.trim_start()) {
        return Err("the name before = is no name of an environment variable here");
    }
    let value = match value.chars().next() {
        Some('\'') => value[1..].split_once('\'').ok_or("the quote ' does not end in this line"),
        Some('"') => return quoted(&value[1..]).and_then(|(value, rest)| fit(name, &value, rest)),
        _ => Ok((value.find(" #").map_or(value, |at| value[..at].trim_end()), "")),
    };
    value.and_then(|(value, rest)| fit(name, value, rest))
}

/// A text in double quotes, behind the first of them: its value, and what follows.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let (mut value, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match letters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(escaped @ ('"' | '\\' | '$')) => value.push(escaped),
                _ => return Err("after \\ in double quotes only n, t, \", \\ and $ may stand"),
            },
            letter => value.push(letter),
        }
    }
    Err("the quote \" does not end in this line")
}

fn fit(name: &str, value: &str, rest: &str) -> Result<(String, String), &'static str> {
    if !rest.trim_start().is_empty() && !rest.trim_start().starts_with('#') {
        return Err("something follows the quotes");
    }
    if value.len() > LONGEST_VALUE || value.contains('\0') {
        return Err("the value fits in no environment");
    }
    Ok((name.trim_start().to_owned(), value.to_owned()))
}

/// The values of `.secrets.toml`: a table for each secret, a text for each of its keys.
///
/// # Errors
/// The first line that does not read, from 1, and why.
pub fn secrets(text: &str) -> Result<BTreeMap<SecretKey, String>, (usize, String)> {
    let line = |at: usize| position(text, at).0;
    // The parser's words may quote what stands there.
    let table = DeTable::parse(text)
        .map_err(|error| (line(error.span().unwrap_or_default().start), "not valid TOML".to_owned()))?;
    let mut known = BTreeMap::new();
    for (secret, value) in table.into_inner() {
        let DeValue::Table(keys) = value.into_inner() else {
            return Err((line(secret.span().start), format!("{} is no table", secret.get_ref())));
        };
        for (key, value) in keys {
            let DeValue::String(value) = value.into_inner() else {
                let why = format!("{} of {} is no text", key.get_ref(), secret.get_ref());
                return Err((line(key.span().start), why));
            };
            let key = SecretKey { secret: secret.get_ref().to_string(), key: key.get_ref().to_string() };
            known.insert(key, value.into_owned());
        }
    }
    Ok(known)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_env_file_is_read_as_it_is_written_and_nothing_is_substituted() {
        let text = "# comment\n\nA=1\n export B = two words # comment\nC='it is # $A'\nD=\"a\\n\\\"b\\\" \\$A $A\" # yes\nE=\nF=a#b\n";
        let known = variables(text).unwrap();
        let all: Vec<_> = known.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(all, ["A=1", "B=two words", "C=it is # $A", "D=a\n\"b\" $A $A", "E=", "F=a#b"]);
    }

    #[test]
    fn every_line_that_does_not_read_is_told_without_its_value() {
        let text = "A s3cret\n1A=s3cret\nDYNINKA_X=s3cret\nB='s3cret\nC=\"s3cret\\q\"\nD='a' s3cret\nE=\"s3cret\n";
        let mistakes = variables(text).unwrap_err();
        assert_eq!(mistakes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
        assert!(mistakes.iter().all(|(_, why)| !why.contains("s3cret")), "{mistakes:?}");
    }

    #[test]
    fn secrets_are_texts_in_tables() {
        let known = secrets("[db]\nurl = \"u\"\n\"a.b\" = 'x'\n").unwrap();
        let all: Vec<_> = known.iter().map(|(key, value)| format!("{} {} {value}", key.secret, key.key)).collect();
        assert_eq!(all, ["db a.b x", "db url u"]);
        for (text, line) in [("a = 1", 1), ("[db]\n\nurl = 5", 3), ("[db]\nurl = s3cret", 2), ("[db]\n[db]\n", 2)] {
            let (at, why) = secrets(text).unwrap_err();
            assert!(at == line && !why.contains("s3cret"), "{text}: {at} {why}");
        }
    }
}
