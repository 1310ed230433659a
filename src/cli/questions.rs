//! Questions that begin with a hyphen: `quire ask "-20 degrees, is that allowed?"`. Options have no spaces in them, so an argument
//! that begins with a hyphen and has some is a question.

use std::ffi::OsString;

/// Commands that take a question.
const COMMANDS: [&str; 2] = ["ask", "search"];

/// The arguments of the program with such a question behind `--`, where the parser takes it for what it is.
pub fn put_behind_options(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let command = arguments.iter().take(end).position(|argument| COMMANDS.iter().any(|command| argument == command));
    let question = command.and_then(|command| (command + 1..end).find(|&at| is_question(&arguments, at)));
    if let Some(question) = question.filter(|_| end == arguments.len()) {
        let question = arguments.remove(question);
        arguments.extend(["--".into(), question]);
    }
    arguments
}

/// Not an option, and not the value of one: `--pages -10` has no space, `--title "- a list"` stands behind its option.
fn is_question(arguments: &[OsString], at: usize) -> bool {
    let text = arguments[at].to_string_lossy();
    let name = text.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
    let before = arguments[at - 1].to_string_lossy();
    let is_value =
        before.starts_with("--") && !before.contains(char::is_whitespace) && !FLAGS.contains(&before.as_ref());
    let is_assignment = text.starts_with("--") && text[name.len()..].starts_with('=');
    text.starts_with('-') && text.trim().contains(char::is_whitespace) && !is_assignment && !is_value
}

/// Options without a value.
const FLAGS: [&str; 5] = ["--json", "--quiet", "--verbose", "--explain", "--extractive"];

#[cfg(test)]
mod tests {
    use super::*;

    fn put(arguments: &[&str]) -> Vec<String> {
        let put = put_behind_options(arguments.iter().map(OsString::from));
        put.into_iter().map(|argument| argument.into_string().unwrap()).collect()
    }

    #[test]
    fn a_question_that_begins_with_a_hyphen_is_a_question() {
        assert_eq!(put(&["quire", "ask", "-foo bar", "--json"]), ["quire", "ask", "--json", "--", "-foo bar"]);
        assert_eq!(
            put(&["quire", "--json", "search", "--limit", "3", "-- what"]),
            ["quire", "--json", "search", "--limit", "3", "--", "-- what"]
        );
        assert_eq!(put(&["quire", "ask", "--json", "-foo bar"]), ["quire", "ask", "--json", "--", "-foo bar"]);
    }

    #[test]
    fn everything_else_stays_where_it_is() {
        for same in [
            &["quire", "ask", "what is it", "--json"][..],
            &["quire", "ask", "--", "-foo bar"],
            &["quire", "ask", "--title", "- a list", "what"],
            &["quire", "ask", "--title=- a list", "what"],
            &["quire", "ask", "-q", "what"],
            &["quire", "ingest", "-a folder"],
        ] {
            assert_eq!(put(same), same);
        }
    }
}
