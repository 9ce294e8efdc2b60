//! The days of a month that an expression selects.

use jiff::civil::Date;

use super::set::Set;

/// The two day fields, resolved into one rule. Weekdays are 0-6 from Sunday.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Days {
    /// By date; with a full set, every day.
    OfMonth(Set),
    /// By weekday.
    OfWeek(Set),
    /// Unix: neither day field starts with `*`, so one that fits is enough.
    Either(Set, Set),
    /// Unix: one of them starts with `*` but is restricted (`*/2`), so both must fit.
    Both(Set, Set),
    /// AWS `L`: the last day.
    Last,
    /// AWS `LW`: the last Monday to Friday.
    LastWorkday,
    /// AWS `15W`: the Monday to Friday nearest to a date, within the month.
    NearestWorkday(u16),
    /// AWS `6L`: the last such weekday.
    LastOf(u16),
    /// AWS `6#3`: the n-th such weekday.
    Nth(u16, u16),
}

const SUNDAY: u16 = 0;
const SATURDAY: u16 = 6;

impl Days {
    pub(super) fn every() -> Self {
        Self::OfMonth(Set::full(1, 31))
    }

    /// Combines the day fields of a Unix expression. `star` says that one of the two starts with `*`.
    pub(super) fn unix(of_month: Set, of_week: Set, star: bool, months: Set) -> Self {
        // `1-29` in an expression for February restricts nothing: only dates that can occur count.
        let longest = months.iter().map(longest_month).max().unwrap_or(31);
        let any_date = (1..=longest).all(|day| of_month.contains(day));
        match (any_date, of_week.is_full(), star) {
            (true, true, _) | (true, _, false) | (_, true, false) => Self::every(),
            (true, false, true) => Self::OfWeek(of_week),
            (false, true, true) => Self::OfMonth(of_month),
            (false, false, true) => Self::Both(of_month, of_week),
            (false, false, false) => Self::Either(of_month, of_week),
        }
    }

    /// The days of this month that fit, as a mask: bit 1 is the first day.
    pub(super) fn mask(&self, year: u16, month: u16) -> u32 {
        let Some((length, first)) = month_shape(year, month) else {
            return 0;
        };
        let weekday = |day: u16| (first + day - 1) % 7;
        let pick =
            |fits: &dyn Fn(u16) -> bool| (1..=length).filter(|day| fits(*day)).fold(0, |mask, day| mask | bit(day));
        match *self {
            Self::OfMonth(dates) => pick(&|day| dates.contains(day)),
            Self::OfWeek(weekdays) => pick(&|day| weekdays.contains(weekday(day))),
            Self::Either(dates, weekdays) => pick(&|day| dates.contains(day) || weekdays.contains(weekday(day))),
            Self::Both(dates, weekdays) => pick(&|day| dates.contains(day) && weekdays.contains(weekday(day))),
            Self::Last => bit(length),
            Self::LastWorkday => bit(match weekday(length) {
                SATURDAY => length - 1,
                SUNDAY => length - 2,
                _ => length,
            }),
            Self::NearestWorkday(day) if day > length => 0,
            Self::NearestWorkday(day) => bit(match weekday(day) {
                SATURDAY if day == 1 => 3,
                SATURDAY => day - 1,
                SUNDAY if day == length => day - 2,
                SUNDAY => day + 1,
                _ => day,
            }),
            Self::LastOf(wanted) => bit(length - (weekday(length) + 7 - wanted) % 7),
            Self::Nth(wanted, nth) => {
                let day = 1 + (wanted + 7 - first) % 7 + 7 * (nth - 1);
                if day <= length { bit(day) } else { 0 }
            }
        }
    }
}

fn bit(day: u16) -> u32 {
    1 << day
}

/// The days of a month in its longest year.
pub(super) fn longest_month(month: u16) -> u16 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number of days in a month and the weekday of its first.
fn month_shape(year: u16, month: u16) -> Option<(u16, u16)> {
    let first = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
    let length = u16::try_from(first.days_in_month()).ok()?;
    let weekday = u16::try_from(first.weekday().to_sunday_zero_offset()).ok()?;
    Some((length, weekday))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(rule: Days, year: u16, month: u16) -> Vec<u16> {
        let mask = rule.mask(year, month);
        (0..32).filter(|day| mask & bit(*day) != 0).collect()
    }

    #[test]
    fn selects_the_special_days_of_aws() {
        // May 2026: the 1st is a Friday, the 31st a Sunday. August 2026: the 1st is a Saturday.
        assert_eq!(days(Days::Last, 2024, 2), [29]);
        assert_eq!(days(Days::LastWorkday, 2026, 5), [29]);
        assert_eq!(days(Days::NearestWorkday(1), 2026, 8), [3]);
        assert_eq!(days(Days::NearestWorkday(31), 2026, 5), [29]);
        assert_eq!(days(Days::NearestWorkday(16), 2026, 5), [15]);
        assert_eq!(days(Days::NearestWorkday(17), 2026, 5), [18]);
        assert!(days(Days::NearestWorkday(30), 2026, 2).is_empty());
        assert_eq!(days(Days::LastOf(5), 2026, 5), [29]);
        assert_eq!(days(Days::LastOf(0), 2026, 5), [31]);
        assert_eq!(days(Days::Nth(5, 3), 2026, 5), [15]);
        assert_eq!(days(Days::Nth(5, 5), 2026, 5), [29]);
        assert!(days(Days::Nth(1, 5), 2026, 5).is_empty());
    }

    #[test]
    fn only_dates_that_can_occur_count_as_a_restriction() {
        let mut to_29 = Set::empty(1, 31);
        (1..=29).for_each(|day| to_29.insert(day));
        let mut monday = Set::empty(0, 6);
        monday.insert(1);
        let mut february = Set::empty(1, 12);
        february.insert(2);
        assert!(Days::unix(to_29, monday, false, february) == Days::every());
        assert!(Days::unix(to_29, monday, false, Set::full(1, 12)) == Days::Either(to_29, monday));
    }
}
