//! Values with a form of their own: durations, times of day, dates, variables, settings.

use super::decode::At;
use super::problem::{Kind, quoted};
use super::report::Report;

/// Reads `90s`, `15m`, `24h`, `7d`, `1h 30m` as seconds, more than none.
pub(crate) fn duration_seconds(text: &At<String>, report: &mut Report<'_>) -> Option<u64> {
    let seconds = parse_duration(&text.value).filter(|s| *s > 0);
    if seconds.is_none() {
        let message = format!("{} is not a duration", quoted(&text.value));
        report.push(Kind::BadValue, text.span, message, "write a number and a unit: `30s`, `15m`, `24h` or `7d`");
    }
    seconds
}

fn parse_duration(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let seconds = match unit {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
        rest = tail.trim_start();
    }
    Some(total)
}

/// Checks a time of day, `HH:MM`.
pub(crate) fn time_of_day(text: &At<String>, report: &mut Report<'_>) -> Option<String> {
    let fits = match text.value.as_bytes() {
        [h1 @ b'0'..=b'2', h2 @ b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9'] => *h1 < b'2' || *h2 < b'4',
        _ => false,
    };
    if !fits {
        let message = format!("{} is not a time of day", quoted(&text.value));
        report.push(Kind::BadValue, text.span, message, "write hours and minutes: `\"02:00\"`");
        return None;
    }
    Some(text.value.clone())
}

/// Reads a date, `YYYY-MM-DD`.
pub(crate) fn date(text: &At<String>, report: &mut Report<'_>) -> Option<time::Date> {
    let form = time::macros::format_description!("[year]-[month]-[day]");
    let date = time::Date::parse(&text.value, form).ok();
    if date.is_none() {
        let message = format!("{} is not a date", quoted(&text.value));
        report.push(Kind::BadValue, text.span, message, "write year, month and day: `2027-03-01`");
    }
    date
}

/// Checks the name of an environment variable.
pub(crate) fn variable(text: &At<String>, report: &mut Report<'_>) -> Option<String> {
    let name = text.value.as_str();
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !fits {
        let help = if name.contains("://") {
            "write the variable's name here, such as `DATABASE_URL`, and the connection string into the variable"
        } else {
            "write a name such as `PROD_DATABASE_URL`"
        };
        let message = format!("{} is not the name of an environment variable", quoted(name));
        report.push(Kind::BadValue, text.span, message, help);
        return None;
    }
    Some(name.to_owned())
}

/// Checks that a text says something.
pub(crate) fn something(what: &str, text: &At<String>, report: &mut Report<'_>) -> Option<String> {
    if text.value.trim().is_empty() {
        report.push(Kind::BadValue, text.span, format!("{what} is empty"), "write something, or remove the key");
        return None;
    }
    Some(text.value.clone())
}

/// Checks the name of a server setting.
pub(crate) fn setting(name: &At<String>, report: &mut Report<'_>) -> Option<()> {
    let text = name.value.as_str();
    let managed = match text.to_ascii_lowercase().as_str() {
        "role" | "session_authorization" => Some("it would change who the login is"),
        "search_path" => Some("pgcleave sets it to the service's schema"),
        _ => None,
    };
    if let Some(why) = managed {
        let message = format!("the setting {} is not for manifests: {why}", quoted(text));
        report.push(Kind::BadSetting, name.span, message, "remove it");
        return None;
    }
    let fits = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'))
        && !text.ends_with('.')
        && !text.contains("..")
        && text.len() <= crate::ident::MAX_BYTES;
    if !fits {
        let message = format!("{} is not the name of a setting", quoted(text));
        report.push(Kind::BadSetting, name.span, message, "write it as PostgreSQL does: `statement_timeout`");
        return None;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [
            ("5s", Some(5)),
            ("90min", Some(5400)),
            ("1h 30m", Some(5400)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("60", None),
            ("h", None),
            ("5 s", None),
            ("5y", None),
            ("99999999999999999999s", None),
            ("9999999999999999d", None),
        ] {
            assert_eq!(parse_duration(text), seconds, "{text}");
        }
    }
}
