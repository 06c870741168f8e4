//! From the bytes in the time registers to a moment and back.

/// How the time registers are coded: bits 2 (DM) and 1 (24/12) of register B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coding {
    pub binary: bool,
    pub hours_24: bool,
}

/// The bytes of the time registers, however they are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeBytes {
    pub second: u8,
    pub minute: u8,
    pub hour: u8,
    /// 1 is Sunday.
    pub weekday: u8,
    pub day: u8,
    pub month: u8,
    pub year: u8,
    pub century: u8,
}

const PM: u8 = 1 << 7;
pub(crate) const SECONDS_PER_DAY: i64 = 86_400;
/// The calendar ends with the year 9999.
const LAST_DAY: i64 = 2_932_896;

impl Coding {
    fn decode(self, byte: u8) -> u8 {
        if self.binary { byte } else { (byte >> 4) * 10 + (byte & 0xf) }
    }

    fn encode(self, value: u8) -> u8 {
        if self.binary { value } else { ((value / 10 % 10) << 4) | (value % 10) }
    }

    /// A value of a register whose largest value is `max`; `None` for one that no clock shows.
    pub fn value(self, byte: u8, max: u8) -> Option<u8> {
        let digits = self.binary || byte & 0xf <= 9 && byte >> 4 <= 9;
        digits.then(|| self.decode(byte)).filter(|value| *value <= max)
    }

    /// The hour register as 0 to 23.
    pub fn hour(self, byte: u8) -> Option<u8> {
        if self.hours_24 {
            return self.value(byte, 23);
        }
        let hour = self.value(byte & !PM, 12).filter(|hour| *hour != 0)?;
        Some(hour % 12 + if byte & PM != 0 { 12 } else { 0 })
    }

    fn encode_hour(self, hour: u8) -> u8 {
        if self.hours_24 {
            return self.encode(hour);
        }
        let twelve = (hour + 11) % 12 + 1;
        self.encode(twelve) | if hour >= 12 { PM } else { 0 }
    }
}

/// Days since 1 January 1970 of a date of the Gregorian calendar.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    // The year is taken to begin in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 1 March of the year 0 and 1 January 1970.
    365 * year + leap_days + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1 January 1970.
fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097); // days in 400 years
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

impl TimeBytes {
    /// The registers at `unix` seconds since 1970 in UTC.
    pub fn from_unix(unix: i64, coding: Coding) -> Self {
        let days = unix.div_euclid(SECONDS_PER_DAY).clamp(days_from_date(0, 1, 1), LAST_DAY);
        let second = unix.rem_euclid(SECONDS_PER_DAY);
        let (year, month, day) = date_from_days(days);
        Self {
            second: coding.encode((second % 60) as u8),
            minute: coding.encode((second / 60 % 60) as u8),
            hour: coding.encode_hour((second / 3600) as u8),
            // 1 January 1970 was a Thursday.
            weekday: coding.encode(((days + 4).rem_euclid(7) + 1) as u8),
            day: coding.encode(day as u8),
            month: coding.encode(month as u8),
            year: coding.encode((year % 100) as u8),
            century: coding.encode((year / 100 % 100) as u8),
        }
    }

    /// Seconds since midnight; what no clock shows counts as its nearest value.
    pub fn second_of_day(&self, coding: Coding) -> i64 {
        let second = coding.value(self.second, 59).unwrap_or(59);
        let minute = coding.value(self.minute, 59).unwrap_or(59);
        let hour = coding.hour(self.hour).unwrap_or(0);
        i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)
    }

    /// The registers `seconds` later. The day of the week only counts on, whatever the date.
    pub fn later(&self, seconds: u64, coding: Coding) -> Self {
        let year = coding.value(self.year, 99).unwrap_or(0);
        let century = coding.value(self.century, 99).unwrap_or(20);
        let month = coding.decode(self.month).clamp(1, 12);
        let day = coding.decode(self.day).clamp(1, 31);
        let days =
            days_from_date(i64::from(century) * 100 + i64::from(year), month.into(), day.into());
        let before = days * SECONDS_PER_DAY + self.second_of_day(coding);
        let after = before.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX));
        let passed = after.div_euclid(SECONDS_PER_DAY) - days;
        let weekday = i64::from(coding.decode(self.weekday).clamp(1, 7));
        let weekday = (weekday - 1 + passed).rem_euclid(7) + 1;
        Self { weekday: coding.encode(weekday as u8), ..Self::from_unix(after, coding) }
    }
}

/// The alarm registers: hour, minute and second at which it goes off, each `None` for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    hour: Option<u8>,
    minute: Option<u8>,
    second: Option<u8>,
}

/// "a don't care code is any hex byte from C0 to FF".
const DONT_CARE: u8 = 0xc0;

impl Alarm {
    /// From the bytes of the registers; `None` if no clock ever shows that time.
    pub fn new(hour: u8, minute: u8, second: u8, coding: Coding) -> Option<Self> {
        let part = |byte: u8, value: Option<u8>| {
            if byte >= DONT_CARE { Some(None) } else { value.map(Some) }
        };
        Some(Self {
            hour: part(hour, coding.hour(hour))?,
            minute: part(minute, coding.value(minute, 59))?,
            second: part(second, coding.value(second, 59))?,
        })
    }

    /// Seconds from `second_of_day` to the next match after it, 1 to 86,400.
    pub fn seconds_until(&self, second_of_day: i64) -> u64 {
        let matches = |wanted: Option<u8>, is: i64| wanted.is_none_or(|w| i64::from(w) == is);
        let mut at = second_of_day + 1;
        // At most 24 + 60 + 60 steps: each goes on to the next hour, minute or second.
        loop {
            if !matches(self.hour, at / 3600 % 24) {
                at = (at / 3600 + 1) * 3600;
            } else if !matches(self.minute, at / 60 % 60) {
                at = (at / 60 + 1) * 60;
            } else if !matches(self.second, at % 60) {
                at += 1;
            } else {
                return (at - second_of_day) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCD_24: Coding = Coding { binary: false, hours_24: true };

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for days in (-719_528..LAST_DAY).step_by(37) {
            let (year, month, day) = date_from_days(days);
            assert_eq!(days_from_date(year, month, day), days);
        }
        assert_eq!(date_from_days(0), (1970, 1, 1));
        assert_eq!(date_from_days(11_016), (2000, 2, 29));
        assert_eq!(date_from_days(LAST_DAY), (9999, 12, 31));
    }

    #[test]
    fn a_moment_is_coded_in_four_ways() {
        let moment = 1_709_251_199; // Thursday, 29 February 2024, 23:59:59
        let bytes = TimeBytes::from_unix(moment, BCD_24);
        assert_eq!(
            bytes,
            TimeBytes {
                second: 0x59,
                minute: 0x59,
                hour: 0x23,
                weekday: 5,
                day: 0x29,
                month: 2,
                year: 0x24,
                century: 0x20
            }
        );
        let later = bytes.later(1, BCD_24);
        assert_eq!((later.day, later.month, later.weekday, later.hour), (1, 3, 6, 0));
        let coding = Coding { binary: true, hours_24: false };
        assert_eq!(TimeBytes::from_unix(moment, coding).hour, 11 | PM);
        assert_eq!(TimeBytes::from_unix(moment + 1, coding).hour, 12);
        assert_eq!(coding.hour(12 | PM), Some(12));
        assert_eq!(coding.hour(12), Some(0));
    }

    #[test]
    fn nonsense_in_the_registers_is_no_moment_but_no_harm() {
        for byte in 0..=255 {
            let bytes = TimeBytes {
                second: byte,
                minute: byte,
                hour: byte,
                weekday: byte,
                day: byte,
                month: byte,
                year: byte,
                century: byte,
            };
            for (binary, hours_24) in [(false, false), (false, true), (true, false), (true, true)] {
                let coding = Coding { binary, hours_24 };
                for seconds in [0, 1, 86_400, u64::MAX] {
                    let later = bytes.later(seconds, coding);
                    assert!(coding.value(later.second, 59).is_some());
                    assert!(coding.hour(later.hour).is_some());
                }
            }
        }
    }

    #[test]
    fn an_alarm_matches_what_it_cares_for() {
        let alarm = |h, m, s| Alarm::new(h, m, s, BCD_24).unwrap();
        assert_eq!(alarm(0xff, 0xff, 0xff).seconds_until(86_399), 1);
        assert_eq!(alarm(0xc0, 0xff, 0x00).seconds_until(0), 60);
        assert_eq!(alarm(0x00, 0x00, 0x00).seconds_until(0), 86_400);
        assert_eq!(alarm(0x12, 0x30, 0x15).seconds_until(12 * 3600), 30 * 60 + 15);
        assert_eq!(alarm(0x00, 0xff, 0x59).seconds_until(86_399), 60);
        assert_eq!(Alarm::new(0x24, 0, 0, BCD_24), None);
        assert_eq!(Alarm::new(0, 0x0a, 0, BCD_24), None);
    }
}
