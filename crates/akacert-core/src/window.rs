//! PURE: when a deployment window opens.

use akamai_cps_types::DeploymentSchedule;
use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use akacert_api::policy::{Day, DeploymentWindow};

/// Why a window never opens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The time zone is unknown.
    #[error(
        "there is no time zone `{0}`: set spec.deployment.window.timeZone to an IANA name such as Europe/Zurich"
    )]
    TimeZone(String),
    /// A time is malformed. The schema lets no such value through.
    #[error("`{0}` is no time of the day: set it as HH:MM")]
    Time(String),
}

/// The schedule for the window that is open now or opens next. `None` if that is later than `latest`.
///
/// # Errors
/// The window never opens.
pub fn schedule(
    window: &DeploymentWindow,
    now: Timestamp,
    latest: Option<Timestamp>,
) -> Result<Option<DeploymentSchedule>, WindowError> {
    let zone =
        TimeZone::get(&window.time_zone).map_err(|_| WindowError::TimeZone(window.time_zone.clone()))?;
    let (from, to) = (time(&window.from)?, time(&window.to)?);
    let today = now.to_zoned(zone.clone()).date();
    // One day more than a week: if the window has only one weekday, today's may already have closed.
    let days = today.series(jiff::ToSpan::day(1)).take(8);
    for day in days.filter(|day| window.days.iter().any(|wanted| weekday(*wanted) == day.weekday())) {
        let at = |day: Date, time: Time| zone.to_timestamp(day.to_datetime(time)).ok();
        let (Some(opens), Some(closes)) = (at(day, from), at(day, to)) else { continue };
        if closes <= now {
            continue;
        }
        let in_time = latest.is_none_or(|latest| opens.max(now) < latest);
        return Ok(in_time.then_some(DeploymentSchedule {
            not_before: Some(opens),
            not_after: Some(latest.map_or(closes, |latest| closes.min(latest))),
        }));
    }
    Ok(None)
}

fn time(text: &str) -> Result<Time, WindowError> {
    Time::strptime("%H:%M", text).map_err(|_| WindowError::Time(text.to_owned()))
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tuesdays and Wednesdays, nine to four, in Zurich.
    fn window() -> DeploymentWindow {
        DeploymentWindow {
            days: vec![Day::Tue, Day::Wed],
            from: "09:00".into(),
            to: "16:00".into(),
            time_zone: "Europe/Zurich".into(),
        }
    }

    fn at(now: &str, latest: Option<&str>) -> Option<String> {
        let latest = latest.map(|latest| latest.parse().unwrap());
        let schedule = schedule(&window(), now.parse().unwrap(), latest).unwrap()?;
        Some(format!("{} {}", schedule.not_before.unwrap(), schedule.not_after.unwrap()))
    }

    #[test]
    fn it_is_the_window_that_is_open_or_opens_next() {
        // 23 November 2026 is a Monday. Zurich is an hour ahead.
        let tuesday = Some("2026-11-24T08:00:00Z 2026-11-24T15:00:00Z".to_owned());
        let wednesday = Some("2026-11-25T08:00:00Z 2026-11-25T15:00:00Z".to_owned());
        let next_week = Some("2026-12-01T08:00:00Z 2026-12-01T15:00:00Z".to_owned());
        let cases = [
            ("2026-11-23T12:00:00Z", tuesday.clone()),
            ("2026-11-24T12:00:00Z", tuesday),
            ("2026-11-24T15:00:00Z", wednesday),
            ("2026-11-25T15:00:00Z", next_week),
        ];
        for (now, expected) in cases {
            assert_eq!(at(now, None), expected, "{now}");
        }
    }

    #[test]
    fn summer_time_is_the_zones_own() {
        assert_eq!(
            at("2026-07-06T12:00:00Z", None).as_deref(),
            Some("2026-07-07T07:00:00Z 2026-07-07T14:00:00Z")
        );
    }

    #[test]
    fn a_window_that_opens_too_late_is_not_waited_for_and_none_closes_later() {
        let monday = "2026-11-23T12:00:00Z";
        assert_eq!(at(monday, Some("2026-11-24T08:00:00Z")), None);
        // The window is open, but too late.
        assert_eq!(at("2026-11-24T12:00:00Z", Some("2026-11-24T10:00:00Z")), None);
        assert_eq!(
            at(monday, Some("2026-11-24T10:00:00Z")).as_deref(),
            Some("2026-11-24T08:00:00Z 2026-11-24T10:00:00Z")
        );
    }

    #[test]
    fn an_unknown_time_zone_is_said_to_be_one() {
        let window = DeploymentWindow { time_zone: "Europe/Atlantis".into(), ..window() };
        let error = schedule(&window, Timestamp::UNIX_EPOCH, None).unwrap_err();
        assert!(error.to_string().starts_with("there is no time zone `Europe/Atlantis`"), "{error}");
    }
}
