//! Passwords and the verifiers that the server keeps of them.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

/// How many random bytes a password has: 256 bits, far beyond guessing.
const BYTES: usize = 32;

/// Makes a password of 256 bits from the operating system, as 64 hexadecimal digits.
///
/// Digits and letters need no escaping in a URL, a dotenv file, YAML or a shell, and SASLprep leaves them alone.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn generate() -> Result<SecretString, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    let mut text = String::with_capacity(2 * BYTES);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).expect("four bits are one digit"));
        }
    }
    Ok(SecretString::from(text))
}

/// Computes the SCRAM-SHA-256 verifier of a password, with a salt of its own, after SASLprep.
///
/// The server stores such a text as it is, so that it never sees the password itself.
/// <https://www.postgresql.org/docs/current/catalog-pg-authid.html>
#[must_use]
pub fn verifier(password: &SecretString) -> SecretString {
    SecretString::from(postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes()))
}

/// Tells whether a text is a password as the server stores it, which it takes as it is: a SCRAM verifier, or an MD5 hash.
#[must_use]
pub fn is_stored(text: &str) -> bool {
    text.starts_with("SCRAM-SHA-256$") || is_md5(text)
}

/// Tells whether a stored password is an MD5 hash, which a `scram-sha-256` line of pg_hba.conf does not let in.
#[must_use]
pub fn is_md5(stored: &str) -> bool {
    let hash = stored.strip_prefix("md5");
    hash.is_some_and(|hash| hash.len() == 32 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Gives the SHA-256 of a verifier, in hexadecimal: it tells whether that is still the server's, and nothing of the password.
#[must_use]
pub fn fingerprint(verifier: &SecretString) -> String {
    Sha256::digest(verifier.expose_secret().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_64_hexadecimal_digits_and_never_the_same() {
        let (a, b) = (generate().expect("random"), generate().expect("random"));
        let (a, b) = (a.expose_secret(), b.expose_secret());
        assert_eq!(a.len(), 64);
        assert!(a.bytes().all(|c| c.is_ascii_hexdigit()), "{a}");
        assert_ne!(a, b);
    }

    #[test]
    fn what_the_server_would_hash_anew_is_not_stored() {
        let md5 = "md5d41d8cd98f00b204e9800998ecf8427e";
        assert!(
            is_stored(md5)
                && is_md5(md5)
                && is_stored("SCRAM-SHA-256$4096:a$b:c")
                && !is_md5("SCRAM-SHA-256$4096:a$b:c")
        );
        for text in ["md5", "md5a", "secret", "", "md5d41d8cd98f00b204e9800998ecf8427z", "scram-sha-256$4096"] {
            assert!(!is_stored(text), "{text}");
        }
    }

    #[test]
    fn a_verifier_is_one_that_the_server_takes_verbatim() {
        let password = SecretString::from("secret");
        let (one, two) = (verifier(&password), verifier(&password));
        assert!(one.expose_secret().starts_with("SCRAM-SHA-256$4096:"));
        assert_ne!(one.expose_secret(), two.expose_secret(), "the salt is new each time");
        assert!(!format!("{password:?} {one:?}").contains("SCRAM"), "nothing of it is in Debug");
    }
}
