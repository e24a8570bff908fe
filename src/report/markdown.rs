//! Text from elsewhere in GitHub's Markdown: shown, never read as markup.

use std::fmt::Write as _;

use super::style::plain;

/// Returns a text as a code span that can stand in a table's cell, whatever it holds.
///
/// The fence is longer than any run of backticks in the text; a pipe is escaped, which GitHub undoes in a cell.
/// <https://github.github.com/gfm/#code-spans>, <https://github.github.com/gfm/#tables-extension->
#[must_use]
pub(super) fn code(text: &str) -> String {
    let text = plain(text).replace('|', "\\|");
    let fence = "`".repeat(longest_run(&text) + 1);
    let is_bare = !text.is_empty() && !text.starts_with(['`', ' ']) && !text.ends_with(['`', ' ']);
    let space = if is_bare { "" } else { " " };
    format!("{fence}{space}{text}{space}{fence}")
}

/// Returns a fence for a block that holds these texts.
#[must_use]
pub(super) fn fence<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    "`".repeat((texts.map(longest_run).max().unwrap_or(0) + 1).max(3))
}

/// Returns a text as prose in a table's cell: nothing of it is markup or a mention.
#[must_use]
pub(super) fn prose(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).chars() {
        if c.is_ascii_punctuation() && !".,:;()-='/+?!%".contains(c) {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_its_text_in_a_cell() {
        assert_eq!(code("a.b"), "`a.b`");
        assert_eq!(code("a|b\\"), "`a\\|b\\`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("```\n## x"), "```` ```\\n## x ````");
        assert_eq!(code("<b>@team"), "`<b>@team`");
        assert_eq!(fence(["a", "`````"].into_iter()), "``````");
    }

    #[test]
    fn prose_is_no_markup() {
        assert_eq!(prose("see [x](y), @team"), "see &#91;x&#93;(y), &#64;team");
    }
}
