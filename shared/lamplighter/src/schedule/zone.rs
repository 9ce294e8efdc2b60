//! Time zones by name, looked up only when local time is needed.

use jiff::tz::TimeZone;

/// The longest zone name that EventBridge Scheduler takes (API reference, CreateSchedule,
/// `ScheduleExpressionTimezone`).
const MAX_LENGTH: usize = 50;

/// Files in the database that are not zones: the machine's own zone, its rules, `zic`'s name for a machine without a
/// zone, and an unknown area (`tzfile(5)`, `zic(8)`, and the files `factory` and `etcetera` of the database).
const NO_ZONES: [&str; 5] = ["localtime", "posixrules", "leapseconds", "Factory", "Etc/Unknown"];

/// Folders with copies of the whole database, without and with leap seconds.
const COPIES: [&str; 2] = ["posix", "right"];

/// The default zone of a schedule.
pub(super) const UTC: &str = "UTC";

/// Why a time zone cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// Not of the form of an IANA name.
    #[error("time zone `{name}`: an IANA name such as `Europe/Berlin` is needed, 1-50 letters, digits and `/_+-`")]
    Form {
        /// The name as given.
        name: String,
    },
    /// The zone database does not know it.
    #[error("time zone `{name}` is not in the time zone database; use an IANA name such as `Europe/Berlin`")]
    Unknown {
        /// The name as given.
        name: String,
    },
    /// Known under another spelling; AWS is case-sensitive.
    #[error("time zone `{name}` is spelled `{spelled}`")]
    Spelling {
        /// The name as given.
        name: String,
        /// The name in the database.
        spelled: String,
    },
    /// A file of a zone database that is not an IANA zone, or that differs between machines.
    #[error(
        "`{name}` is a file of the machine's zone database but not a time zone; use an IANA name such as `Europe/Berlin`"
    )]
    NoZone {
        /// The name as given.
        name: String,
    },
    /// This program has no zone database.
    #[error(
        "time zone `{name}` cannot be looked up: this program was built without a time zone database, or the system \
         has none; enable the cargo feature `tz`, or use UTC"
    )]
    NoDatabase {
        /// The name as given.
        name: String,
    },
}

/// Returns whether the name means UTC, which needs no database and fits an EventBridge rule.
pub(super) fn is_utc(name: &str) -> bool {
    name == UTC || name == "Etc/UTC"
}

/// Checks the form of the name, without a database.
pub(super) fn check_form(name: &str) -> Result<(), ZoneError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    if !(1..=MAX_LENGTH).contains(&name.len()) || !name.bytes().all(fits) {
        return Err(ZoneError::Form { name: name.into() });
    }
    let (folder, rest) = name.split_once('/').unwrap_or((name, ""));
    let is = |names: &[&str], name: &str| names.iter().any(|no_zone| no_zone.eq_ignore_ascii_case(name));
    if is(&NO_ZONES, name) || (is(&COPIES, folder) && !rest.is_empty()) {
        return Err(ZoneError::NoZone { name: name.into() });
    }
    Ok(())
}

/// Finds the zone; it is read from the database once and cached by `jiff` from then on.
pub(super) fn look_up(name: &str) -> Result<TimeZone, ZoneError> {
    if is_utc(name) {
        return Ok(TimeZone::UTC);
    }
    check_form(name)?;
    let database = jiff::tz::db();
    if database.is_definitively_empty() {
        return Err(ZoneError::NoDatabase { name: name.into() });
    }
    let zone = database.get(name).map_err(|_| ZoneError::Unknown { name: name.into() })?;
    match zone.iana_name() {
        Some(spelled) if spelled == name => Ok(zone),
        Some(spelled) if spelled.eq_ignore_ascii_case(name) => {
            Err(ZoneError::Spelling { name: name.into(), spelled: spelled.into() })
        }
        _ => Err(ZoneError::Unknown { name: name.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_zones_and_names_mistakes() {
        for name in ["UTC", "Etc/UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "Asia/Calcutta"]
        {
            assert!(look_up(name).is_ok(), "{name}");
        }
        assert!(matches!(look_up("Mars/Olympus"), Err(ZoneError::Unknown { .. })));
        for name in [
            "localtime",
            "posixrules",
            "Factory",
            "factory",
            "posix/Europe/Berlin",
            "right/UTC",
            "POSIX/UTC",
            "Etc/Unknown",
        ] {
            assert!(matches!(look_up(name), Err(ZoneError::NoZone { .. })), "{name}");
            assert!(check_form(name).is_err(), "{name}");
        }
        assert!(
            matches!(look_up("europe/berlin"), Err(ZoneError::Spelling { spelled, .. }) if spelled == "Europe/Berlin")
        );
        assert!(matches!(look_up("utc"), Err(ZoneError::Spelling { .. })));
        for name in ["", "../../etc/passwd", "Europe/Zürich", "a b", &"x".repeat(51)] {
            assert!(matches!(look_up(name), Err(ZoneError::Form { .. })), "{name}");
        }
    }
}
