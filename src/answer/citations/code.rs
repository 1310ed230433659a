//! Where Markdown says that text is code: `a[9]` between backticks, and blocks between fences. What stands there is no
//! citation. Every decision is the same however much of the text is there already; where it is too early for one, it is
//! said to be.

/// A code span ends on its line and within this many bytes; else its backticks are characters like any other.
const MAX_SPAN_BYTES: usize = 400;
/// Bytes of a line that opens or closes a block.
const MAX_FENCE_BYTES: usize = 200;

/// Whether a text begins with something.
#[derive(Debug, PartialEq, Eq)]
pub enum Beginning<T> {
    Is(T),
    IsNot,
    /// The text ends too early to tell.
    Undecided,
}

use Beginning::{Is, IsNot, Undecided};

impl<T> Beginning<T> {
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Beginning<U> {
        match self {
            Is(found) => Is(of(found)),
            IsNot => IsNot,
            Undecided => Undecided,
        }
    }
}

/// What begins with a backtick; numbers are bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Backticks {
    /// A code span, its backticks included.
    Span(usize),
    /// Backticks that no others close.
    Text(usize),
    /// The text ends too early to tell.
    Undecided,
}

/// Reads what `text` begins with, a backtick. `whole`: nothing follows the text.
pub fn backticks(text: &str, whole: bool) -> Backticks {
    let most = text.floor_char_boundary(MAX_SPAN_BYTES);
    let line_end = text[..most].find('\n');
    let line = &text[..line_end.unwrap_or(most)];
    let line_is_whole = whole || line_end.is_some() || text.len() > MAX_SPAN_BYTES;
    let length = run(line);
    let mut at = length;
    while let Some(next) = line[at..].find('`') {
        at += next;
        let closing = run(&line[at..]);
        at += closing;
        if closing == length && (at < line.len() || line_is_whole) {
            return Backticks::Span(at);
        }
    }
    if line_is_whole { Backticks::Text(length) } else { Backticks::Undecided }
}

/// How many backticks a text begins with.
fn run(text: &str) -> usize {
    text.len() - text.trim_start_matches('`').len()
}

/// A block of code that is open: what closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    mark: char,
    length: usize,
}

/// The block that the first line of `text` opens, and the bytes of that line. Blocks in lists are indented, so any indent
/// will do.
pub fn opening(text: &str, whole: bool) -> Beginning<(Fence, usize)> {
    let marks = text.trim_start_matches([' ', '\t']);
    let indent = text.len() - marks.len();
    let first = marks.chars().next();
    if indent > MAX_FENCE_BYTES || first.is_some_and(|first| !matches!(first, '`' | '~')) {
        return IsNot;
    }
    let Some(mark) = first else { return if whole { IsNot } else { Undecided } };
    let info = marks.trim_start_matches(mark);
    let length = marks.len() - info.len();
    if length < 3 {
        return if info.is_empty() && !whole { Undecided } else { IsNot };
    }
    for (at, char) in info.char_indices() {
        let at = indent + length + at;
        match char {
            _ if at >= MAX_FENCE_BYTES => return IsNot,
            '\n' => return Is((Fence { mark, length }, at + 1)),
            // a code span on one line
            '`' if mark == '`' => return IsNot,
            _ => {}
        }
    }
    match whole {
        _ if text.len() > MAX_FENCE_BYTES => IsNot,
        true => Is((Fence { mark, length }, text.len())),
        false => Undecided,
    }
}

impl Fence {
    /// The bytes of the line that closes the block, if `text` begins with it.
    pub fn closing(self, text: &str, whole: bool) -> Beginning<usize> {
        let marks = text.trim_start_matches([' ', '\t']);
        let behind = marks.trim_start_matches(self.mark);
        let closes = marks.len() - behind.len() >= self.length;
        let rest = behind.trim_start_matches([' ', '\t', '\r']);
        let bytes = text.len() - rest.len();
        match rest.chars().next() {
            _ if bytes > MAX_FENCE_BYTES => IsNot,
            Some('\n') if closes => Is(bytes + 1),
            Some(_) => IsNot,
            None if !whole => Undecided,
            None => {
                if closes {
                    Is(bytes)
                } else {
                    IsNot
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_span_is_closed_by_as_many_backticks_on_its_line() {
        for (text, expected) in [
            ("`a[9]` b", Backticks::Span(6)),
            ("``a`[9]`` b", Backticks::Span(9)),
            ("`a[9]", Backticks::Text(1)),
            ("`a[9]\n`", Backticks::Text(1)),
            ("```a``", Backticks::Text(3)),
        ] {
            assert_eq!(backticks(text, true), expected, "{text}");
        }
        assert_eq!(backticks("`a[9]", false), Backticks::Undecided);
        assert_eq!(backticks("`a`", false), Backticks::Undecided, "another backtick may follow");
        assert_eq!(backticks(&format!("`{}`", "x".repeat(500)), true), Backticks::Text(1));
        assert_eq!(backticks(&format!("`{}", "x".repeat(500)), false), Backticks::Text(1));
    }

    #[test]
    fn a_block_of_code_lasts_until_its_fence() {
        let Is((fence, 10)) = opening("```python\nx", false) else { panic!("no fence") };
        assert_eq!(fence.closing("``` \nafter", false), Is(5));
        assert_eq!(fence.closing("````", true), Is(4));
        assert_eq!(fence.closing("``", false), Undecided);
        for code in ["``\n", "x = a[9]\n", "~~~\n", "``` x\n"] {
            assert_eq!(fence.closing(code, false), IsNot, "{code}");
        }
        assert!(matches!(opening("   ~~~\n", false), Is(_)));
        for text in ["```[9]``` text", "`` x", "text", "\n", "~~ \n"] {
            assert_eq!(opening(text, true), IsNot, "{text}");
        }
        for early in ["", "  ", "``", "```", "```rust"] {
            assert_eq!(opening(early, false), Undecided, "{early}");
        }
    }
}
