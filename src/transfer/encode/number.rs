//! Numbers.

use std::str::FromStr;

use super::NotBinary;

/// How many decimal digits one digit of a numeric holds.
const GROUP: usize = 4;

/// Signs of a numeric's binary form.
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;
/// What the server sends as an infinity's scale.
const INFINITY_SCALE: u16 = 32;

/// Reads an integer.
pub(super) fn integer<T: TryFrom<i64>>(text: &[u8]) -> Result<T, NotBinary> {
    let (minus, digits) = signed(text);
    if digits.is_empty() || digits.len() > 19 {
        return Err(NotBinary);
    }
    // Below zero there is one more than above it.
    let mut number = 0_i64;
    for digit in digits {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        if digit > 9 {
            return Err(NotBinary);
        }
        number = number.checked_mul(10).and_then(|n| n.checked_sub(digit)).ok_or(NotBinary)?;
    }
    let number = if minus { number } else { number.checked_neg().ok_or(NotBinary)? };
    T::try_from(number).map_err(|_| NotBinary)
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    text.strip_prefix(b"-").map_or((false, text), |digits| (true, digits))
}

/// Reads a floating-point number; text to number is exact to the last bit.
pub(super) fn float<T: FromStr>(text: &[u8]) -> Result<T, NotBinary> {
    let known = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e');
    if !text.iter().all(known) && !matches!(text, b"NaN" | b"Infinity" | b"-Infinity") {
        return Err(NotBinary);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(NotBinary)
}

/// Appends a numeric: digits of base 10,000, the first one's weight, sign and scale.
pub(super) fn numeric(text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBinary> {
    let special = match text {
        b"NaN" => Some((NOT_A_NUMBER, 0)),
        b"Infinity" => Some((INFINITY, INFINITY_SCALE)),
        b"-Infinity" => Some((MINUS_INFINITY, INFINITY_SCALE)),
        _ => None,
    };
    if let Some((sign, scale)) = special {
        put(0, 0, sign, scale, out);
        return Ok(());
    }
    let (minus, number) = signed(text);
    let point = number.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = point.map_or((number, &[][..]), |at| (&number[..at], &number[at + 1..]));
    if whole.is_empty() || point.is_some() && fraction.is_empty() {
        return Err(NotBinary);
    }
    let scale = u16::try_from(fraction.len()).ok().filter(|scale| *scale <= 0x3fff).ok_or(NotBinary)?;
    let at = out.len();
    put(0, 0, 0, 0, out);
    let digits = out.len();
    // The first group of the whole part may be short, the last one of the fraction counts as if zeros followed.
    let short = whole.len() % GROUP;
    let mut weight = i64::try_from(whole.len().div_ceil(GROUP)).map_err(|_| NotBinary)? - 1;
    let first = (short > 0).then_some(&whole[..short]);
    for group in first.into_iter().chain(whole[short..].chunks(GROUP)).chain(fraction.chunks(GROUP)) {
        let mut digit = 0_u16;
        for byte in group {
            if !byte.is_ascii_digit() {
                return Err(NotBinary);
            }
            digit = digit * 10 + u16::from(byte - b'0');
        }
        out.extend_from_slice(&digit.to_be_bytes());
    }
    if let missing @ 1.. = fraction.len().next_multiple_of(GROUP) - fraction.len() {
        let last = out.len() - 2;
        let digit = u16::from_be_bytes([out[last], out[last + 1]]) * 10_u16.pow(u32::try_from(missing).unwrap_or(0));
        out[last..].copy_from_slice(&digit.to_be_bytes());
    }
    while out.len() > digits && out.ends_with(&[0, 0]) {
        out.truncate(out.len() - 2);
    }
    let leading = out[digits..].chunks_exact(2).take_while(|digit| **digit == [0, 0]).count();
    out.drain(digits..digits + leading * 2);
    weight -= i64::try_from(leading).map_err(|_| NotBinary)?;
    let count = u16::try_from((out.len() - digits) / 2).map_err(|_| NotBinary)?;
    let (weight, sign) = if count == 0 { (0, POSITIVE) } else { (weight, if minus { NEGATIVE } else { POSITIVE }) };
    let weight = i16::try_from(weight).map_err(|_| NotBinary)?;
    let mut head = Vec::with_capacity(8);
    put(count, weight, sign, scale, &mut head);
    out[at..digits].copy_from_slice(&head);
    Ok(())
}

fn put(count: u16, weight: i16, sign: u16, scale: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}
