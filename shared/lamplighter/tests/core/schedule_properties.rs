//! Properties of every schedule: expressions are generated together with a model of their meaning that shares no code
//! with the crate, and the engine is compared with the model minute by minute, with itself over translations, and with
//! the crate `croner` where both read an expression the same way.

use std::collections::BTreeSet;

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lamplighter::schedule::{Cron, When};
use proptest::prelude::*;

/// A field's text and its values.
type Field = (String, BTreeSet<u16>);

#[derive(Debug, Clone)]
enum Days {
    /// Day of month, day of week (0-6 from Sunday), and whether one is enough.
    Lists(BTreeSet<u16>, BTreeSet<u16>, bool),
    Last,
    LastWorkday,
    Nearest(u16),
    LastOf(u16),
    Nth(u16, u16),
}

#[derive(Debug, Clone)]
struct Model {
    text: String,
    minutes: BTreeSet<u16>,
    hours: BTreeSet<u16>,
    days: Days,
    months: BTreeSet<u16>,
    years: BTreeSet<u16>,
}

impl Model {
    fn fits(&self, local: DateTime) -> bool {
        let has = |set: &BTreeSet<u16>, value: i16| set.contains(&u16::try_from(value).unwrap());
        local.second() == 0
            && has(&self.minutes, local.minute().into())
            && has(&self.hours, local.hour().into())
            && has(&self.months, local.month().into())
            && has(&self.years, local.year())
            && self.fits_day(local.date())
    }

    fn fits_day(&self, date: Date) -> bool {
        let day = u16::try_from(date.day()).unwrap();
        let length = u16::try_from(date.days_in_month()).unwrap();
        let weekday = u16::try_from(date.weekday().to_sunday_zero_offset()).unwrap();
        let workday = (1..=5).contains(&weekday);
        let on = |day: u16| date.with().day(i8::try_from(day).unwrap()).build().unwrap();
        let is_workday = |day: u16| (1..=5).contains(&on(day).weekday().to_sunday_zero_offset());
        match self.days {
            Days::Lists(ref dates, ref weekdays, either) => {
                let (by_date, by_week) = (dates.contains(&day), weekdays.contains(&weekday));
                if either { by_date || by_week } else { by_date && by_week }
            }
            Days::Last => day == length,
            Days::LastWorkday => workday && (day + 1..=length).all(|later| !is_workday(later)),
            // The nearest workday of the month: of all workdays the one with the least distance.
            Days::Nearest(wanted) => {
                wanted <= length
                    && (1..=length).filter(|day| is_workday(*day)).min_by_key(|day| day.abs_diff(wanted)) == Some(day)
            }
            Days::LastOf(wanted) => weekday == wanted && day + 7 > length,
            Days::Nth(wanted, nth) => weekday == wanted && (day - 1) / 7 + 1 == nth,
        }
    }
}

/// One field as a list of one to three items.
fn field(min: u16, max: u16, star: impl Strategy<Value = Field>, from_there_on: bool) -> impl Strategy<Value = Field> {
    let value = min..=max;
    let one = value.clone().prop_map(|v| (v.to_string(), BTreeSet::from([v])));
    let range = (value.clone(), value.clone(), 1..=4u16).prop_map(move |(a, b, step)| {
        // On AWS a range may wrap around.
        let (a, b) = if from_there_on && step == 1 { (a, b) } else { (a.min(b), a.max(b)) };
        let text = if step == 1 { format!("{a}-{b}") } else { format!("{a}-{b}/{step}") };
        let all: Vec<u16> = if a <= b { (a..=b).collect() } else { (a..=max).chain(min..=b).collect() };
        (text, all.into_iter().step_by(step.into()).collect())
    });
    let onward = (value, 2..=max - min).prop_map(move |(first, step)| {
        let text = if from_there_on { format!("{first}/{step}") } else { format!("{first}-{max}/{step}") };
        (text, (first..=max).step_by(step.into()).collect())
    });
    let item = prop_oneof![4 => star, 3 => one, 2 => range, 2 => onward];
    prop::collection::vec(item, 1..=3).prop_map(|items: Vec<Field>| {
        let text = items.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",");
        (text, items.into_iter().flat_map(|(_, values)| values).collect())
    })
}

fn starred(min: u16, max: u16) -> impl Strategy<Value = Field> {
    prop_oneof![
        3 => Just(("*".to_owned(), (min..=max).collect())),
        1 => (1..=max - min).prop_map(move |step| (format!("*/{step}"), (min..=max).step_by(step.into()).collect())),
    ]
}

fn numbers(min: u16, max: u16, from_there_on: bool) -> impl Strategy<Value = Field> {
    field(min, max, starred(min, max), from_there_on)
}

fn unix() -> impl Strategy<Value = Model> {
    let days = prop_oneof![
        2 => (numbers(1, 31, false), Just(("*".to_owned(), (0..=7).collect()))),
        2 => (Just(("*".to_owned(), (1..=31).collect())), numbers(0, 7, false)),
        1 => (numbers(1, 31, false), numbers(0, 7, false)),
        // The n-th Sunday.
        1 => (0..5u16).prop_map(|week| {
            let (first, last) = (7 * week + 1, (7 * week + 7).min(31));
            ((format!("{first}-{last}"), (first..=last).collect()), ("*/7".to_owned(), BTreeSet::from([0, 7])))
        }),
    ];
    (numbers(0, 59, false), numbers(0, 23, false), days, numbers(1, 12, false)).prop_map(
        |(minutes, hours, (dates, weekdays), months): (Field, Field, (Field, Field), Field)| {
            let either = !dates.0.starts_with('*') && !weekdays.0.starts_with('*');
            Model {
                text: format!("{} {} {} {} {}", minutes.0, hours.0, dates.0, months.0, weekdays.0),
                minutes: minutes.1,
                hours: hours.1,
                days: Days::Lists(dates.1, weekdays.1.into_iter().map(|day| day % 7).collect(), either),
                months: months.1,
                years: (1970..=2199).collect(),
            }
        },
    )
}

fn aws() -> impl Strategy<Value = Model> {
    let all_dates = || (1..=31).collect::<BTreeSet<u16>>();
    let names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let plain_weekdays = prop::collection::btree_set(1..=7u16, 1..=7).prop_flat_map(move |set| {
        let numbers = set.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        let named = set.iter().map(|day| names[usize::from(day - 1)]).collect::<Vec<_>>().join(",");
        let days: BTreeSet<u16> = set.into_iter().map(|day| day - 1).collect();
        prop_oneof![Just(numbers), Just(named)]
            .prop_map(move |text| ("?".to_owned(), text, Days::Lists((1..=31).collect(), days.clone(), false)))
    });
    let weekday_range = (1..=7u16, 1..=7u16, any::<bool>()).prop_map(move |(a, b, named)| {
        let days: Vec<u16> = if a <= b { (a..=b).collect() } else { (a..=7).chain(1..=b).collect() };
        let name = |day: u16| if named { names[usize::from(day - 1)].to_owned() } else { day.to_string() };
        let text = format!("{}-{}", name(a), name(b));
        let days = days.into_iter().map(|day| day - 1).collect();
        ("?".to_owned(), text, Days::Lists((1..=31).collect(), days, false))
    });
    let days = prop_oneof![
        2 => weekday_range,
        3 => numbers(1, 31, true)
            .prop_map(|(text, dates)| (text, "?".to_owned(), Days::Lists(dates, (0..=6).collect(), false))),
        3 => plain_weekdays,
        1 => Just(("L".to_owned(), "?".to_owned(), Days::Last)),
        1 => Just(("LW".to_owned(), "?".to_owned(), Days::LastWorkday)),
        1 => (1..=31u16).prop_map(|day| (format!("{day}W"), "?".to_owned(), Days::Nearest(day))),
        1 => Just(("?".to_owned(), "L".to_owned(), Days::Lists(all_dates(), BTreeSet::from([6]), false))),
        1 => (1..=7u16).prop_map(|day| ("?".to_owned(), format!("{day}L"), Days::LastOf(day - 1))),
        1 => (1..=7u16, 1..=5u16)
            .prop_map(|(day, nth)| ("?".to_owned(), format!("{day}#{nth}"), Days::Nth(day - 1, nth))),
    ];
    let years = prop_oneof![
        3 => Just(("*".to_owned(), (1970..=2199).collect::<BTreeSet<u16>>())),
        1 => (2015..=2040u16, 0..=20u16)
            .prop_map(|(first, length)| (format!("{first}-{}", first + length), (first..=first + length).collect())),
    ];
    (numbers(0, 59, true), numbers(0, 23, true), days, numbers(1, 12, true), years, any::<bool>()).prop_map(
        |(minutes, hours, (of_month, of_week, days), months, years, wrapped)| {
            let text = format!("{} {} {of_month} {} {of_week} {}", minutes.0, hours.0, months.0, years.0);
            Model {
                text: if wrapped { format!("cron({text})") } else { text },
                minutes: minutes.1,
                hours: hours.1,
                days,
                months: months.1,
                years: years.1,
            }
        },
    )
}

/// Models whose expression is accepted. Expressions that never fire are refused; that they truly never fire is checked
/// here.
fn accepted(models: impl Strategy<Value = Model>) -> impl Strategy<Value = (Model, Cron)> {
    models.prop_filter_map("never fires", |model| match Cron::parse(&model.text) {
        Ok(cron) => Some((model, cron)),
        Err(lamplighter::schedule::CronError::NeverFires { .. }) => {
            let first = Date::constant(2016, 1, 1);
            // 28 years hold every combination of a leap year and a weekday.
            let fits = |date: Date| {
                let month = u16::try_from(date.month()).unwrap();
                model.months.contains(&month) && model.fits_day(date) && model.years.len() == 230
            };
            assert!(!first.series(jiff::Span::new().days(1)).take(28 * 366).any(fits), "{}", model.text);
            None
        }
        Err(error) => panic!("{error}"),
    })
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kathmandu",
];

/// A zone and a moment, half of the time within a day of one of the zone's clock changes.
fn place() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    (prop::sample::select(&ZONES[..]), 1_420_000_000..2_200_000_000i64, any::<bool>()).prop_map(
        |(name, second, near)| {
            let zone = TimeZone::get(name).unwrap();
            let moment = Timestamp::from_second(second).unwrap();
            let change = zone.following(moment).next().filter(|_| near).map(|change| change.timestamp());
            let moment = change.map_or(moment, |change| change - SignedDuration::from_secs(second % 86_400));
            (zone, moment)
        },
    )
}

/// Every minute of the window whose local time fits and has not been before.
fn brute_force(model: &Model, zone: &TimeZone, after: Timestamp, up_to: Timestamp) -> Vec<Timestamp> {
    let first = after.as_second().div_euclid(60) + 1;
    let seen_before = |moment: Timestamp, local: DateTime| {
        // The zones above repeat an hour or half of one.
        [30, 60].into_iter().any(|minutes| zone.to_datetime(moment - SignedDuration::from_mins(minutes)) == local)
    };
    (first..=up_to.as_second().div_euclid(60))
        .map(|minute| Timestamp::from_second(minute * 60).unwrap())
        .filter(|moment| {
            let local = zone.to_datetime(*moment);
            model.fits(local) && !seen_before(*moment, local)
        })
        .collect()
}

fn compare_with_brute_force(
    model: &Model,
    cron: &Cron,
    zone: &TimeZone,
    after: Timestamp,
) -> Result<(), TestCaseError> {
    let up_to = after + SignedDuration::from_hours(60);
    let ticks: Vec<Timestamp> = cron.upcoming(after, zone).take_while(|tick| *tick <= up_to).collect();
    prop_assert_eq!(&ticks, &brute_force(model, zone, after, up_to));
    prop_assert_eq!(cron.next_after(after, zone).filter(|tick| *tick <= up_to), ticks.first().copied());
    prop_assert_eq!(cron.at_or_before(up_to, zone).filter(|tick| *tick > after), ticks.last().copied());
    for pair in ticks.windows(2) {
        prop_assert_eq!(cron.next_after(pair[0], zone), Some(pair[1]));
        prop_assert_eq!(cron.at_or_before(pair[1] - SignedDuration::from_secs(1), zone), Some(pair[0]));
    }
    Ok(())
}

fn ticks(cron: &Cron, after: Timestamp) -> Vec<Timestamp> {
    cron.upcoming(after, &TimeZone::UTC).take(60).collect()
}

/// `croner`'s next runs, in UTC.
fn croner_ticks(pattern: &croner::Cron, after: Timestamp, count: usize) -> Vec<Timestamp> {
    let after = chrono::DateTime::<chrono::Utc>::from_timestamp(after.as_second(), 0).unwrap();
    pattern.iter_after(after).take(count).map(|tick| Timestamp::from_second(tick.timestamp()).unwrap()).collect()
}

/// NCRONTAB as the library NCrontab reads it: seconds, minutes, hours, dates, months, weekdays from Sunday = 0; all must
/// fit.
struct Ncrontab([BTreeSet<u16>; 6]);

impl Ncrontab {
    const LIMITS: [(u16, u16); 6] = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];

    fn read(text: &str) -> Self {
        let fields: Vec<&str> = text.split(' ').collect();
        assert_eq!(fields.len(), 6, "{text}");
        let mut limits = Self::LIMITS.into_iter();
        Self([0, 1, 2, 3, 4, 5].map(|at| Self::field(fields[at], limits.next().unwrap())))
    }

    fn field(text: &str, (min, max): (u16, u16)) -> BTreeSet<u16> {
        let number = |text: &str| text.parse::<u16>().ok().filter(|n| (min..=max).contains(n)).unwrap();
        let item = |item: &str| {
            let (span, step) = item.split_once('/').map_or((item, 1), |(span, step)| (span, step.parse().unwrap()));
            let (first, last) = match span.split_once('-') {
                _ if span == "*" => (min, max),
                Some((first, last)) => (number(first), number(last)),
                None => (number(span), number(span)),
            };
            assert!(first <= last, "{text}");
            (first..=last).step_by(step)
        };
        text.split(',').flat_map(item).collect()
    }

    fn fits(&self, at: DateTime) -> bool {
        let weekday = i16::from(at.weekday().to_sunday_zero_offset());
        let values =
            [at.second().into(), at.minute().into(), at.hour().into(), at.day().into(), at.month().into(), weekday];
        values.into_iter().zip(&self.0).all(|(value, set)| set.contains(&u16::try_from(value).unwrap()))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unix_agrees_with_brute_force((model, cron) in accepted(unix()), (zone, after) in place()) {
        compare_with_brute_force(&model, &cron, &zone, after)?;
    }

    #[test]
    fn aws_agrees_with_brute_force((model, cron) in accepted(aws()), (zone, after) in place()) {
        compare_with_brute_force(&model, &cron, &zone, after)?;
    }

    /// Matching days are rare, so this compares whole years, day by day, with the model.
    #[test]
    fn days_agree_over_years((model, cron) in accepted(prop_oneof![unix(), aws()]), year in 1970..2190i16) {
        let (minute, hour) = (*model.minutes.first().unwrap(), *model.hours.first().unwrap());
        let first = Date::new(year, 1, 1).unwrap();
        let days = first.series(jiff::Span::new().days(1)).take(1461);
        let expected: Vec<Date> = days
            .filter(|date| {
                let time = date.at(i8::try_from(hour).unwrap(), i8::try_from(minute).unwrap(), 0, 0);
                model.fits(time)
            })
            .collect();
        let mut moment = first.to_zoned_datetime(TimeZone::UTC).unwrap().timestamp() - SignedDuration::from_secs(1);
        let mut found = Vec::new();
        while let Some(tick) = cron.next_after(moment, &TimeZone::UTC) {
            let date = TimeZone::UTC.to_datetime(tick).date();
            if date.duration_since(first) >= SignedDuration::from_hours(24 * 1461) { break }
            found.push(date);
            moment = date.at(23, 59, 59, 0).to_zoned_datetime(TimeZone::UTC).unwrap().timestamp();
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn unix_to_aws_fires_at_the_same_times((model, cron) in accepted(unix()), (_, after) in place()) {
        match cron.to_aws() {
            Ok(text) => {
                let there = Cron::parse(&text).unwrap();
                prop_assert_eq!(ticks(&there, after), ticks(&cron, after), "{} -> {}", model.text, text);
                prop_assert_eq!(&there.to_aws().unwrap(), &text);
                // Only AWS can express an n-th weekday.
                match there.to_unix() {
                    Ok(back) => {
                        let back = Cron::parse(&back).unwrap();
                        prop_assert_eq!(ticks(&back, after), ticks(&cron, after), "{} -> {} -> {}", model.text, text, back);
                    }
                    Err(error) => prop_assert!(text.contains('#'), "{}", error),
                }
            }
            // The only reason is that both day fields restrict something.
            Err(_) => {
                let Days::Lists(dates, weekdays, _) = &model.days else { panic!("{}", model.text) };
                prop_assert!(dates.len() < 31 && weekdays.len() < 7, "{}", model.text);
            }
        }
        let unix = Cron::parse(&cron.to_unix().unwrap()).unwrap();
        prop_assert_eq!(ticks(&unix, after), ticks(&cron, after));
    }

    #[test]
    fn aws_normal_form_fires_at_the_same_times((model, cron) in accepted(aws()), (_, after) in place()) {
        let text = cron.to_aws().unwrap();
        let normal = Cron::parse(&text).unwrap();
        prop_assert_eq!(ticks(&normal, after), ticks(&cron, after), "{} -> {}", model.text, text);
        prop_assert_eq!(normal.to_aws().unwrap(), text);
        if let Ok(text) = cron.to_unix() {
            prop_assert_eq!(ticks(&Cron::parse(&text).unwrap(), after), ticks(&cron, after), "{} -> {}", model.text, text);
        }
    }

    #[test]
    fn ncrontab_fires_at_the_same_times((model, cron) in accepted(prop_oneof![unix(), aws()]), (_, after) in place()) {
        let text = match cron.to_ncrontab() {
            Ok(text) => text,
            Err(_) => {
                let inexpressible = match &model.days {
                    Days::Lists(dates, weekdays, either) => *either && dates.len() < 31 && weekdays.len() < 7,
                    Days::Nth(..) => false,
                    Days::Last | Days::LastWorkday | Days::Nearest(_) | Days::LastOf(_) => true,
                };
                prop_assert!(inexpressible || model.years.len() < 230, "{}", model.text);
                return Ok(());
            }
        };
        let ncrontab = Ncrontab::read(&text);
        let start = TimeZone::UTC.to_datetime(after).with().second(0).subsec_nanosecond(0).build().unwrap();
        let minutes = start.series(jiff::Span::new().minutes(1)).take(60 * 60);
        let (hour, minute) = (*model.hours.first().unwrap(), *model.minutes.first().unwrap());
        let at = start.date().at(i8::try_from(hour).unwrap(), i8::try_from(minute).unwrap(), 0, 0);
        let days = at.series(jiff::Span::new().days(1)).take(1461);
        for moment in minutes.chain(days) {
            prop_assert_eq!(ncrontab.fits(moment), model.fits(moment), "{} -> {} at {}", model.text, text, moment);
        }
    }

    #[test]
    fn texts_round_trip((_, cron) in accepted(prop_oneof![unix(), aws()])) {
        prop_assert_eq!(&cron.to_string().parse::<Cron>().unwrap(), &cron);
        let json = serde_json::to_string(&cron).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Cron>(&json).unwrap(), &cron);
        let when = When::Cron(cron);
        prop_assert_eq!(&When::parse(&when.to_string()).unwrap(), &when);
    }

    /// `croner` supports the star rule of Vixie cron for a bare `*` only, so steps on it are kept out of the day
    /// fields.
    #[test]
    fn croner_agrees_on_unix((model, cron) in accepted(unix()), (_, after) in place()) {
        let fields: Vec<&str> = model.text.split(' ').collect();
        let stepped = |field: &str| field.starts_with('*') && field != "*";
        prop_assume!(!stepped(fields[2]) && !stepped(fields[4]));
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let Ok(other) = parser.parse(&model.text) else { return Err(TestCaseError::reject("croner refuses it")) };
        let ours: Vec<Timestamp> = ticks(&cron, after).into_iter().take(20).collect();
        prop_assert_eq!(croner_ticks(&other, after, ours.len()), ours, "{}", model.text);
    }

    #[test]
    fn croner_agrees_on_aws((model, cron) in accepted(aws()), (_, after) in place()) {
        let bare = model.text.trim_start_matches("cron(").trim_end_matches(')');
        let mut fields: Vec<String> = bare.split(' ').map(|field| field.replace('?', "*")).collect();
        // croner has no bare `L` for Saturday.
        prop_assume!(fields[4] != "L");
        fields.insert(0, "0".into());
        let parser = CronParser::builder()
            .seconds(Seconds::Required)
            .year(Year::Required)
            .alternative_weekdays(true)
            .sloppy_ranges(true)
            .build();
        let Ok(other) = parser.parse(&fields.join(" ")) else { return Err(TestCaseError::reject("croner refuses it")) };
        let ours: Vec<Timestamp> = ticks(&cron, after).into_iter().take(20).collect();
        prop_assert_eq!(croner_ticks(&other, after, ours.len()), ours, "{}", model.text);
    }
}
