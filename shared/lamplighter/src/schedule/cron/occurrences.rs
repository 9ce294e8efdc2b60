//! When an expression fires.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::Cron;
use super::field::YEARS;

/// Local times outside of the years that cron knows are moved to the nearest one inside.
const FIRST: DateTime = DateTime::constant(YEARS.0 as i16, 1, 1, 0, 0, 0, 0);
const LAST: DateTime = DateTime::constant(YEARS.1 as i16, 12, 31, 23, 59, 59, 0);

impl Cron {
    /// The first firing after `after`, never `after` itself. The expression is read as local time in `zone`; the
    /// module's page says what happens when clocks change.
    ///
    /// `None` when the expression does not fire again until the end of 2199. That can also be so for an expression
    /// whose every local time falls into a gap of this zone, such as 02:30 on the last Sunday of March in Berlin.
    ///
    /// The search jumps from field to field: a microsecond or so, whether the next run is in a minute or in forty
    /// years, and at most a day's worth of minutes where a zone once skipped or repeated a whole day.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.upcoming(after, zone).next()
    }

    /// All firings after `after` in ascending order, up to the end of 2199.
    pub fn upcoming<'a>(&'a self, after: Timestamp, zone: &'a TimeZone) -> impl Iterator<Item = Timestamp> + 'a {
        // First occurrences keep the order of local times, so all that is left to drop are those at or before
        // `after`: the minute it lies in, or the rest of a repeated hour.
        self.local_times_from(zone.to_datetime(after))
            .filter_map(|local| first_occurrence(local, zone))
            .skip_while(move |tick| *tick <= after)
    }

    /// The latest firing at or before `moment`, or `None` when there is none since 1970.
    pub fn at_or_before(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut local = zone.to_datetime(moment);
        // The second time round a repeated hour, later local times have already happened: look from its end.
        if let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(local).offset() {
            if zone.to_offset(moment) == after {
                let repeated = SignedDuration::from_secs(i64::from(before.seconds()) - i64::from(after.seconds()));
                local = local.checked_add(repeated).unwrap_or(LAST);
            }
        }
        self.local_times_down_from(local)
            .filter_map(|local| first_occurrence(local, zone))
            .find(|tick| *tick <= moment)
    }

    pub(super) fn ever_fires(&self) -> bool {
        self.local_times_from(FIRST).next().is_some()
    }

    /// Local times at or after the minute of `from`, ascending.
    fn local_times_from(&self, from: DateTime) -> impl Iterator<Item = DateTime> + '_ {
        let from = from.max(FIRST);
        let (year, month, day, hour, minute) = parts(from);
        self.years
            .from(year)
            .flat_map(move |y| self.months.from(if y == year { month } else { 1 }).map(move |m| (y, m)))
            .flat_map(move |(y, m)| {
                let first = if (y, m) == (year, month) { day } else { 1 };
                let mask = self.days.mask(y, m);
                (first..=31).filter(move |d| mask & (1 << d) != 0).filter_map(move |d| date(y, m, d))
            })
            .flat_map(move |date| {
                let first = if date == from.date() { hour } else { 0 };
                self.hours.from(first).map(move |h| (date, h))
            })
            .flat_map(move |(date, h)| {
                let first = if date == from.date() && h == hour { minute } else { 0 };
                self.minutes.from(first).filter_map(move |m| time(date, h, m))
            })
    }

    /// Local times at or before `to`, descending.
    fn local_times_down_from(&self, to: DateTime) -> impl Iterator<Item = DateTime> + '_ {
        let too_early = to < FIRST;
        let to = to.clamp(FIRST, LAST);
        let (year, month, day, hour, minute) = parts(to);
        self.years
            .down_from(year)
            .filter(move |_| !too_early)
            .flat_map(move |y| self.months.down_from(if y == year { month } else { 12 }).map(move |m| (y, m)))
            .flat_map(move |(y, m)| {
                let last = if (y, m) == (year, month) { day } else { 31 };
                let mask = self.days.mask(y, m);
                (1..=last).rev().filter(move |d| mask & (1 << d) != 0).filter_map(move |d| date(y, m, d))
            })
            .flat_map(move |date| {
                let last = if date == to.date() { hour } else { 23 };
                self.hours.down_from(last).map(move |h| (date, h))
            })
            .flat_map(move |(date, h)| {
                let last = if date == to.date() && h == hour { minute } else { 59 };
                self.minutes.down_from(last).filter_map(move |m| time(date, h, m))
            })
    }
}

/// The moment of a local time: none in a gap, the first of two in a fold.
fn first_occurrence(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()
        }
        AmbiguousOffset::Gap { .. } => None,
    }
}

/// The fields of a local time that is not before 1970, so none is negative.
fn parts(local: DateTime) -> (u16, u16, u16, u16, u16) {
    let small = |value: i8| u16::from(value.unsigned_abs());
    (local.year().unsigned_abs(), small(local.month()), small(local.day()), small(local.hour()), small(local.minute()))
}

fn date(year: u16, month: u16, day: u16) -> Option<Date> {
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn time(date: Date, hour: u16, minute: u16) -> Option<DateTime> {
    let time = jiff::civil::Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()?;
    Some(date.to_datetime(time))
}
