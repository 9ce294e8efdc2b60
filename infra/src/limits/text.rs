//! Numbers and times as people read them.

/// Returns a number with a comma between thousands, rounded down.
#[must_use]
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.floor().max(0.0));
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number with a comma between thousands, and with decimals where it is below ten.
#[must_use]
pub fn amount(number: f64) -> String {
    if number < 10.0 && number.fract() != 0.0 { format!("{number:.2}") } else { grouped(number.round()) }
}

/// Returns dollars: cents below a hundred.
#[must_use]
pub fn dollars(amount: f64) -> String {
    if amount < 100.0 { format!("${amount:.2}") } else { format!("${}", grouped(amount.round())) }
}

/// Returns a time in its two largest units, rounded up to the second.
#[must_use]
pub fn time(seconds: f64) -> String {
    // Rounding noise of sums is not a second.
    let whole = (seconds - 1e-6).ceil().max(0.0) as u64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    let units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")];
    let first = units.iter().position(|(number, _)| *number > 0).unwrap_or(3);
    let shown = units[first..].iter().take(2).filter(|(number, _)| *number > 0);
    let shown: Vec<_> = shown.map(|(number, unit)| format!("{number} {unit}")).collect();
    if shown.is_empty() { "0 s".into() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        let numbers = [0.0, 999.9, 1_000.0, 12_345.0, 1_234_567.0];
        assert_eq!(numbers.map(grouped), ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!([0.5, 9.0, 12.5, 1_999.6].map(amount), ["0.50", "9", "13", "2,000"]);
        assert_eq!([0.126, 99.0, 1_234.5].map(dollars), ["$0.13", "$99.00", "$1,235"]);
    }

    #[test]
    fn times_have_two_units() {
        let times = [0.0, 0.4, 59.0, 60.0, 1_131.8, 3_600.0, 5_430.0, 90_000.0, 1_209_600.0];
        assert_eq!(
            times.map(time),
            ["0 s", "1 s", "59 s", "1 min", "18 min 52 s", "1 h", "1 h 30 min", "1 d 1 h", "14 d"]
        );
    }
}
