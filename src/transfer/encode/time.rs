//! Dates and times, in the ISO form.

use super::NotBinary;

const SECOND_MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's time begins.
const EPOCH_DAYS: i64 = 10_957;

/// Gives a date's days since 2000-01-01.
pub(super) fn date(text: &[u8]) -> Result<i32, NotBinary> {
    match text {
        b"infinity" => return Ok(i32::MAX),
        b"-infinity" => return Ok(i32::MIN),
        _ => {}
    }
    let (text, before_christ) = era(text);
    let mut reader = Reader(text);
    let days = reader.date(before_christ)?;
    reader.end()?;
    i32::try_from(days).map_err(|_| NotBinary)
}

/// Gives a time of day in microseconds.
pub(super) fn time(text: &[u8]) -> Result<i64, NotBinary> {
    let mut reader = Reader(text);
    let micros = reader.time()?;
    reader.end()?;
    Ok(micros)
}

/// Gives a timestamp's microseconds since 2000-01-01; one with a time zone says how far from UTC it is written.
pub(super) fn timestamp(text: &[u8], zoned: bool) -> Result<i64, NotBinary> {
    match text {
        b"infinity" => return Ok(i64::MAX),
        b"-infinity" => return Ok(i64::MIN),
        _ => {}
    }
    let (text, before_christ) = era(text);
    let mut reader = Reader(text);
    let days = reader.date(before_christ)?;
    reader.take(b' ')?;
    let micros = reader.time()?;
    let offset = if zoned { reader.offset()? } else { 0 };
    reader.end()?;
    let from_days = days.checked_mul(DAY_MICROS).ok_or(NotBinary)?;
    from_days.checked_add(micros - offset).ok_or(NotBinary)
}

fn era(text: &[u8]) -> (&[u8], bool) {
    text.strip_suffix(b" BC").map_or((text, false), |text| (text, true))
}

/// What is left of a text.
struct Reader<'t>(&'t [u8]);

impl Reader<'_> {
    fn take(&mut self, byte: u8) -> Result<(), NotBinary> {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                Ok(())
            }
            _ => Err(NotBinary),
        }
    }

    fn end(&self) -> Result<(), NotBinary> {
        if self.0.is_empty() { Ok(()) } else { Err(NotBinary) }
    }

    /// Reads so many digits.
    fn digits(&mut self, count: usize) -> Result<i64, NotBinary> {
        let (digits, rest) = self.0.split_at_checked(count).ok_or(NotBinary)?;
        let mut number = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return Err(NotBinary);
            }
            number = number * 10 + i64::from(digit - b'0');
        }
        self.0 = rest;
        Ok(number)
    }

    /// Reads `YYYY-MM-DD`, the year of four digits or more.
    fn date(&mut self, before_christ: bool) -> Result<i64, NotBinary> {
        let long = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(4..=7).contains(&long) {
            return Err(NotBinary);
        }
        let year = self.digits(long)?;
        self.take(b'-')?;
        let month = self.digits(2)?;
        self.take(b'-')?;
        let day = self.digits(2)?;
        let year = if before_christ { 1 - year } else { year };
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return Err(NotBinary),
        };
        if !(1..=length).contains(&day) {
            return Err(NotBinary);
        }
        Ok(days(year, month, day) - EPOCH_DAYS)
    }

    /// Reads `HH:MM:SS` and, where there is one, a fraction of up to six digits.
    fn time(&mut self) -> Result<i64, NotBinary> {
        let hours = self.digits(2)?;
        self.take(b':')?;
        let minutes = self.digits(2)?;
        self.take(b':')?;
        let seconds = self.digits(2)?;
        let mut micros = 0;
        if self.take(b'.').is_ok() {
            let long = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=6).contains(&long) {
                return Err(NotBinary);
            }
            micros = self.digits(long)?;
            for _ in long..6 {
                micros *= 10;
            }
        }
        let all = ((hours * 60 + minutes) * 60 + seconds) * SECOND_MICROS + micros;
        if minutes > 59 || seconds > 59 || all > DAY_MICROS { Err(NotBinary) } else { Ok(all) }
    }

    /// Reads `+HH`, `+HH:MM` or `+HH:MM:SS`, in microseconds east of UTC.
    fn offset(&mut self) -> Result<i64, NotBinary> {
        let west = match self.0 {
            [b'+', rest @ ..] => {
                self.0 = rest;
                false
            }
            [b'-', rest @ ..] => {
                self.0 = rest;
                true
            }
            _ => return Err(NotBinary),
        };
        let mut seconds = self.digits(2)? * 3600;
        for unit in [60, 1] {
            if self.take(b':').is_ok() {
                seconds += self.digits(2)? * unit;
            }
        }
        Ok(if west { -seconds } else { seconds } * SECOND_MICROS)
    }
}

/// Gives the days from 1970-01-01 in the Gregorian calendar, which PostgreSQL also uses for the time before it began.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century_cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    century_cycle * 146_097 + year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_microseconds_are_counted_from_2000() {
        assert_eq!(date(b"2000-01-01"), Ok(0));
        assert_eq!(date(b"1999-12-31"), Ok(-1));
        assert_eq!(date(b"2024-02-29"), Ok(8825));
        assert_eq!(date(b"4714-11-24 BC"), Ok(-2_451_545));
        assert_eq!(date(b"5874897-12-31"), Ok(2_145_031_948));
        assert_eq!(timestamp(b"2000-01-01 00:00:00.5", false), Ok(500_000));
        assert_eq!(timestamp(b"2000-01-01 05:30:00+05:30", true), Ok(0));
        assert_eq!(timestamp(b"1999-12-31 19:03:58-04:56:02", true), Ok(0));
        assert_eq!(time(b"24:00:00"), Ok(DAY_MICROS));
    }
}
