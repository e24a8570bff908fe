//! Mistakes in manifests: where, what, and what to write instead.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::service::Position;
use crate::error::{Coded, Verdict};

/// One mistake in one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is; line 1, column 1 when it is about the whole file.
    pub at: Position,
    /// How many characters it spans on its line.
    pub length: usize,
    /// What kind of mistake.
    pub kind: Kind,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// Another place that has to do with it, and what is there.
    pub also: Option<(Position, String)>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The kinds of mistakes; each has a stable code, listed in docs/errors.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Holds every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Gives the stable kebab-case code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

kinds! {
    /// There is no pgcleave.yaml.
    NoConfig = "no-config",
    /// A file cannot be read, or is no file.
    UnreadableFile = "unreadable-file",
    /// A file, or all of them together, passes the size that is read.
    FileTooLarge = "file-too-large",
    /// A file is not UTF-8, or holds control characters.
    NotText = "not-text",
    /// A file says nothing.
    EmptyFile = "empty-file",
    /// A file is not YAML.
    YamlSyntax = "yaml-syntax",
    /// A file nests too deeply or has too many parts.
    YamlTooComplex = "yaml-too-complex",
    /// A file uses an alias, a tag or a second document.
    YamlFeature = "yaml-feature",
    /// A key stands twice in one mapping.
    DuplicateKey = "duplicate-key",
    /// A key that nobody reads.
    UnknownKey = "unknown-key",
    /// A key that must be there is not.
    MissingKey = "missing-key",
    /// A text where a list belongs, and the like.
    WrongType = "wrong-type",
    /// A value of the right type that makes no sense.
    BadValue = "bad-value",
    /// A name that is not written as names are.
    BadName = "bad-name",
    /// A name that PostgreSQL or pgcleave keeps for itself.
    ReservedName = "reserved-name",
    /// A role's name that PostgreSQL would cut off.
    NameTooLong = "name-too-long",
    /// Two roles that would have one name.
    NameCollision = "name-collision",
    /// A manifest whose file is not named like its service.
    FileName = "file-name",
    /// Two manifests of one service.
    DuplicateService = "duplicate-service",
    /// Two services with one schema.
    DuplicateSchema = "duplicate-schema",
    /// One thing listed twice.
    DuplicateEntry = "duplicate-entry",
    /// A service that has no manifest.
    UnknownService = "unknown-service",
    /// An environment that pgcleave.yaml does not have.
    UnknownEnvironment = "unknown-environment",
    /// No environment is chosen where pgcleave.yaml has some.
    NoEnvironment = "no-environment",
    /// The folder of the manifests holds none.
    NoManifests = "no-manifests",
    /// A path, or the target of a link, lies outside the folder that holds pgcleave.yaml.
    OutsideProject = "outside-project",
    /// A contract that only one side declares.
    OneSidedContract = "one-sided-contract",
    /// A contract of a service with itself.
    SelfContract = "self-contract",
    /// Objects of several services that are defined by each other.
    ContractCycle = "contract-cycle",
    /// A privilege that the kind of object does not have.
    BadPrivilege = "bad-privilege",
    /// A function whose argument types cannot be read.
    BadSignature = "bad-signature",
    /// A setting that is not for manifests.
    BadSetting = "bad-setting",
    /// A file or folder that a manifest names and that is not there.
    MissingFile = "missing-file",
    /// A folder of migrations with files that are none.
    BadMigrations = "bad-migrations",
    /// A statement that keeps a migration from being run.
    MigrationObstacle = "migration-obstacle",
    /// SQL that the parser does not understand.
    SqlSyntax = "sql-syntax",
    /// SQL that refers to another service's schema without a contract.
    ForeignReference = "foreign-reference",
    /// A foreign key, or its like, to another service's schema.
    ForeignKeyAcross = "foreign-key-across",
    /// SQL that refers to a schema that no service owns.
    UnknownSchema = "unknown-schema",
    /// SQL that is put together at run time.
    DynamicSql = "dynamic-sql",
    /// A statement in a migration that makes what the manifest makes.
    MadeByManifest = "made-by-manifest",
    /// A grant in a migration that belongs into the manifests.
    GrantByHand = "grant-by-hand",
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { file, line, column } = &self.at;
        write!(f, "{}:{line}:{column}: {} [{}]", file.display(), self.message, self.kind.code())?;
        if let Some((at, what)) = &self.also {
            write!(f, "; {what} at {}:{}:{}", at.file.display(), at.line, at.column)?;
        }
        write!(f, "; {}", self.help)
    }
}

/// All that is wrong with a set of manifests, in a fixed order, with the files' texts to show the places in.
#[derive(Debug, Clone, Default)]
pub struct Invalid {
    /// The mistakes, by file and place.
    pub problems: Vec<Problem>,
    /// The texts by file.
    pub sources: BTreeMap<PathBuf, Arc<Source>>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [one] => write!(f, "the manifests have a problem: {one}"),
            [first, rest @ ..] => write!(f, "the manifests have {} problems, the first: {first}", rest.len() + 1),
            [] => f.write_str("the manifests have no problem"),
        }
    }
}

impl std::error::Error for Invalid {}

impl Coded for Invalid {
    fn code(&self) -> &'static str {
        "invalid-manifests"
    }

    fn verdict(&self) -> Verdict {
        Verdict::Invalid
    }
}

impl Invalid {
    /// Gives a file's text, if it could be read.
    #[must_use]
    pub fn source(&self, file: &Path) -> Option<&Source> {
        self.sources.get(file).map(AsRef::as_ref)
    }
}

/// A file's text for showing; nothing is made of it until a line is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    text: String,
}

impl Source {
    /// Takes a file's text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.strip_prefix('\u{feff}').unwrap_or(text).to_owned() }
    }

    /// Gives a line, counted from 1, without its end: passwords masked, control characters replaced.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<String> {
        let mut rest = self.text.as_str();
        for _ in 1..number {
            rest = &rest[end_of_line(rest)?.1..];
        }
        Some(masked(end_of_line(rest).map_or(rest, |(end, _)| &rest[..end])))
    }
}

/// It can hold a password, so it is shown by its length only.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} bytes)", self.text.len())
    }
}

/// Finds where a line ends and the next begins; YAML ends one at a lone carriage return too, and the marks count so.
fn end_of_line(text: &str) -> Option<(usize, usize)> {
    let end = text.find(['\n', '\r'])?;
    Some((end, if text[end..].starts_with("\r\n") { end + 2 } else { end + 1 }))
}

/// Masks what looks like a password and replaces control characters; every character keeps its place.
fn masked(line: &str) -> String {
    let mut chars: Vec<char> = line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    mask_after_scheme(&mut chars);
    for word in ["password", "passwd", "pgpass"] {
        mask_after_word(&mut chars, word);
    }
    chars.into_iter().collect()
}

/// Masks the password of each `scheme://name:password@`.
fn mask_after_scheme(chars: &mut [char]) {
    let mut from = 0;
    while let Some(found) = chars[from..].windows(3).position(|w| w == [':', '/', '/']) {
        let start = from + found + 3;
        let length = chars[start..].iter().position(|c| c.is_whitespace()).unwrap_or(chars.len() - start);
        let word = &mut chars[start..start + length];
        if let (Some(colon), Some(at)) = (word.iter().position(|c| *c == ':'), word.iter().rposition(|c| *c == '@'))
            && colon < at
        {
            word[colon + 1..at].fill('*');
        }
        from = start + length;
    }
}

/// Masks the value after a key that ends in the word.
fn mask_after_word(chars: &mut [char], word: &str) {
    let word: Vec<char> = word.chars().collect();
    let mut from = 0;
    let matches = |w: &[char]| w.iter().zip(&word).all(|(a, b)| a.eq_ignore_ascii_case(b));
    while let Some(found) = chars[from..].windows(word.len()).position(matches) {
        let mut at = from + found + word.len();
        from = at;
        while chars.get(at).is_some_and(|c| matches!(c, '"' | '\'' | ' ')) {
            at += 1;
        }
        if !chars.get(at).is_some_and(|c| matches!(c, ':' | '=')) {
            continue;
        }
        at += 1;
        while chars.get(at).is_some_and(|c| matches!(c, '"' | '\'' | ' ')) {
            at += 1;
        }
        while chars.get(at).is_some_and(|c| !matches!(c, ',' | '}' | '"' | '\'' | '&' | ' ')) {
            chars[at] = '*';
            at += 1;
        }
        from = at;
    }
}

/// Quotes a value for a message: short, one line, no password.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 60;
    let shown: String = masked(text).chars().take(SHOWN_CHARACTERS).collect();
    let more = if text.chars().nth(SHOWN_CHARACTERS).is_some() { "…" } else { "" };
    format!("`{shown}{more}`")
}

/// Finds the candidate that a mistyped word was most likely meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST_COMPARED: usize = 100;
    if word.len() > LONGEST_COMPARED {
        return None;
    }
    let near = |c: &'a str| {
        let apart = strsim::damerau_levenshtein(&word.to_lowercase(), c);
        let close =
            apart <= word.len().max(c.len()) / 3 || (word.len() >= 4 && (c.starts_with(word) || word.starts_with(c)));
        close.then_some((apart, c))
    };
    candidates.into_iter().filter_map(near).min().map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_in_place() {
        for (line, shown) in [
            ("url: postgres://u:hunter2@h/db", "url: postgres://u:*******@h/db"),
            ("a: postgres://u:p@ss@h b: x://c:d@e", "a: postgres://u:****@h b: x://c:*@e"),
            ("app: { password: hunter2, x: 1 }", "app: { password: *******, x: 1 }"),
            ("db_PASSWORD=\"hunter2\"", "db_PASSWORD=\"*******\""),
            ("url: https://example.com/a:b", "url: https://example.com/a:b"),
            ("passwords are told elsewhere", "passwords are told elsewhere"),
            ("red \u{1b}[31m", "red \u{fffd}[31m"),
        ] {
            assert_eq!(masked(line), shown);
        }
    }

    #[test]
    fn lines_end_as_yaml_ends_them() {
        let source = Source::new("\u{feff}a\r\nb\rc\n\nd: postgres://u:p@h");
        let lines: Vec<_> = (1..=6).map_while(|n| source.line(n)).collect();
        assert_eq!(lines, ["a", "b", "c", "", "d: postgres://u:*@h"]);
        assert_eq!(format!("{source:?}"), "Source(27 bytes)");
    }

    #[test]
    fn the_nearest_word_must_be_near() {
        assert_eq!(nearest("credential", ["credentials", "consumes"]), Some("credentials"));
        assert_eq!(nearest("expose", ["exposes", "consumes"]), Some("exposes"));
        assert_eq!(nearest("tabel", ["table", "view"]), Some("table"));
        assert_eq!(nearest("zzz", ["table", "view"]), None);
    }

    #[test]
    fn every_code_is_kebab_case_and_its_own() {
        let mut codes: Vec<_> = Kind::ALL.iter().map(|k| k.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(codes.iter().all(|c| c.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }

    #[test]
    fn every_code_is_documented() {
        let documented = include_str!("../../docs/errors.md");
        for kind in Kind::ALL {
            assert!(
                documented.contains(&format!("\n## {}\n", kind.code())),
                "{} is not in docs/errors.md",
                kind.code()
            );
        }
    }
}
