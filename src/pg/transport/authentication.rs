//! Which kinds of logins a server may ask for.

use crate::pg::error::Error;

/// What a server asks for before it lets a session begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pg) enum Method {
    /// Nothing: the session begins as it is.
    None,
    /// The password as it is.
    Password,
    /// A hash of the password, from which guesses can be checked, and which some servers take instead of it.
    Md5,
    Gss,
    Sspi,
    /// Proof that both sides know the password.
    Scram,
}

const NAMES: &[(&str, Option<Method>)] = &[
    ("none", Some(Method::None)),
    ("password", Some(Method::Password)),
    ("md5", Some(Method::Md5)),
    ("gss", Some(Method::Gss)),
    ("sspi", Some(Method::Sspi)),
    ("scram-sha-256", Some(Method::Scram)),
    // nobody can ask us for it
    ("oauth", None),
];

impl Method {
    /// Returns the name that `require_auth` has for it.
    pub(in crate::pg) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, method)| *method == Some(self)).map_or("", |(name, _)| name)
    }

    /// Tells whether the answer gives the password away to whoever asks.
    pub(super) fn gives_away(self) -> bool {
        matches!(self, Self::Password | Self::Md5)
    }
}

/// What `require_auth` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Methods {
    /// As it was written; empty where nothing is required.
    text: String,
    named: Vec<Method>,
    /// Whether all but the named ones are allowed.
    negated: bool,
}

/// What the relay decides on a request of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Answer,
    /// `require_auth` does not allow it.
    NotAllowed,
    /// It would give the password away to a server that has proved nothing.
    GivesAway,
}

impl Methods {
    /// Reads a list of names, all or none of them with a `!`.
    pub(super) fn read(text: Option<&str>) -> Result<Self, Error> {
        let Some(text) = text else { return Ok(Self::default()) };
        let bad = || {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            let expected = format!("a list of {}, all or none of them after a !", names.join(", "));
            Error::BadParameter { name: "require_auth".to_owned(), expected }
        };
        let negated = text.trim_start().starts_with('!');
        let mut named = Vec::new();
        let mut seen = Vec::new();
        for one in text.split(',').map(str::trim) {
            let name = one.strip_prefix('!').unwrap_or(one);
            let known = NAMES.iter().find(|(known, _)| *known == name).ok_or_else(bad)?;
            if one.starts_with('!') != negated || seen.contains(&known.0) {
                return Err(bad());
            }
            seen.push(known.0);
            named.extend(known.1);
        }
        Ok(Self { text: text.to_owned(), named, negated })
    }

    /// Decides whether a request is answered. `trusted` says that the server has been verified, or is on this machine.
    pub(super) fn decide(&self, method: Method, trusted: bool) -> Verdict {
        let asked_for = !self.text.is_empty() && !self.negated && self.named.contains(&method);
        let allowed = self.text.is_empty() || self.named.contains(&method) != self.negated;
        if !allowed {
            Verdict::NotAllowed
        } else if method.gives_away() && !trusted && !asked_for {
            Verdict::GivesAway
        } else {
            Verdict::Answer
        }
    }

    /// Returns the list as it was written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Reads an authentication request, type `R`; nothing for those that continue another one.
///
/// # Errors
/// The message is none that a client can answer.
pub(super) fn request(body: &[u8]) -> Result<Request, Unreadable> {
    let code = body.get(..4).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes).ok_or(Unreadable)?;
    Ok(match code {
        0 => Request::Done,
        3 => Request::For(Method::Password),
        5 => Request::For(Method::Md5),
        7 => Request::For(Method::Gss),
        9 => Request::For(Method::Sspi),
        10 => Request::For(Method::Scram),
        8 | 11 | 12 => Request::Continued,
        _ => return Err(Unreadable),
    })
}

/// An authentication message that no client knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// What a server says while it authenticates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    For(Method),
    Continued,
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_given_only_where_it_was_proved_or_asked_for() {
        let all = [Method::None, Method::Password, Method::Md5, Method::Scram];
        let decide = |text: Option<&str>, trusted| {
            let methods = Methods::read(text).expect("a list");
            all.map(|method| methods.decide(method, trusted))
        };
        use Verdict::{Answer, GivesAway, NotAllowed};
        assert_eq!(decide(None, true), [Answer; 4]);
        assert_eq!(decide(None, false), [Answer, GivesAway, GivesAway, Answer]);
        assert_eq!(decide(Some("scram-sha-256"), true), [NotAllowed, NotAllowed, NotAllowed, Answer]);
        assert_eq!(decide(Some("password, md5"), false), [NotAllowed, Answer, Answer, NotAllowed]);
        // what is not forbidden has not been asked for
        assert_eq!(decide(Some("!none"), false), [NotAllowed, GivesAway, GivesAway, Answer]);
        assert_eq!(decide(Some("!none,!password"), true), [NotAllowed, NotAllowed, Answer, Answer]);
    }

    #[test]
    fn a_list_that_libpq_refuses_is_refused() {
        for text in ["md5,!none", "!md5,none", "md5,md5", "scram", "md5,", ""] {
            assert!(Methods::read(Some(text)).is_err(), "{text}");
        }
    }
}
