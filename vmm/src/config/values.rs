//! The values of the machine file that are more than a number or a string. Each says in its error
//! what is allowed.

use std::fmt;

use aero_bus::pci::PciAddress;
use serde::de::{self, Deserialize, Deserializer, Visitor};

const MIB: u64 = 1 << 20;

/// A number of bytes, written `"512MiB"`, `"4 GiB"`, `"64k"` or as a plain integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().ok()?;
        let shift = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kib" | "kb" => 10,
            "m" | "mib" | "mb" => 20,
            "g" | "gib" | "gb" => 30,
            "t" | "tib" | "tb" => 40,
            _ => return None,
        };
        number.checked_mul(1 << shift).map(Size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.iter().find(|(s, _)| self.0 != 0 && self.0.trailing_zeros() >= *s) {
            Some((shift, unit)) => write!(f, "{} {unit}", self.0 >> shift),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

struct SizeVisitor;
impl Visitor<'_> for SizeVisitor {
    type Value = Size;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"512MiB\" (B, KiB, MiB, GiB or TiB), or a number of bytes")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        Size::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
    fn visit_i64<E: de::Error>(self, n: i64) -> Result<Size, E> {
        let bad = || E::invalid_value(de::Unexpected::Signed(n), &self);
        u64::try_from(n).map(Size).map_err(|_| bad())
    }
    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Size, E> {
        Ok(Size(n))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

/// Bytes of guest memory: a multiple of 1 MiB from 1 MiB to 512 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySize(pub u64);

impl Default for MemorySize {
    fn default() -> Self {
        Self(512 * MIB)
    }
}

impl<'de> Deserialize<'de> for MemorySize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const MAX: u64 = 512 << 30;
        let size = Size::deserialize(deserializer)?;
        if size.0 == 0 || !size.0.is_multiple_of(MIB) || size.0 > MAX {
            return Err(de::Error::custom(format_args!(
                "memory is {size}; it must be a multiple of 1 MiB, from 1 MiB to {}",
                Size(MAX)
            )));
        }
        Ok(Self(size.0))
    }
}

/// Bytes of generated code that are kept: from 1 MiB to 1 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeSize(pub u64);

impl<'de> Deserialize<'de> for CodeSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const MAX: u64 = 1 << 30;
        let size = Size::deserialize(deserializer)?;
        if !(MIB..=MAX).contains(&size.0) {
            return Err(de::Error::custom(format_args!(
                "there is room for {size} of code; it must be from {} to {}",
                Size(MIB),
                Size(MAX)
            )));
        }
        Ok(Self(size.0))
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounded<const MIN: u64, const MAX: u64>(pub u64);

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<const MIN: u64, const MAX: u64>;
        impl<const MIN: u64, const MAX: u64> Visitor<'_> for V<MIN, MAX> {
            type Value = Bounded<MIN, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Self::Value, E> {
                match u64::try_from(n) {
                    Ok(n) if (MIN..=MAX).contains(&n) => Ok(Bounded(n)),
                    _ => Err(E::invalid_value(de::Unexpected::Signed(n), &self)),
                }
            }
        }
        deserializer.deserialize_any(V::<MIN, MAX>)
    }
}

/// An I/O port, written `0x3f8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u16);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Port;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an I/O port from 0x0 to 0xffff")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Port, E> {
                let bad = || E::invalid_value(de::Unexpected::Signed(n), &self);
                u16::try_from(n).map(Port).map_err(|_| bad())
            }
        }
        deserializer.deserialize_any(V)
    }
}

/// A PCI address on bus 0, written `"1f.2"` as `lspci` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub PciAddress);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Address;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a PCI address on bus 0, from \"00.0\" to \"1f.7\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
                match text.parse::<PciAddress>() {
                    Ok(address) if address.bus == 0 => Ok(Address(address)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(V)
    }
}

/// A moment, as seconds since 1970-01-01T00:00:00Z; written `2026-01-01T00:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub i64);

impl Default for Moment {
    /// 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self(1_767_225_600)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let datetime = toml::value::Datetime::deserialize(deserializer)?;
        let bad = || de::Error::custom("give date and time, as in 2026-01-01T00:00:00Z");
        let date = datetime.date.ok_or_else(bad)?;
        let time = datetime.time.ok_or_else(bad)?;
        let offset_minutes = match datetime.offset {
            Some(toml::value::Offset::Custom { minutes }) => i64::from(minutes),
            Some(toml::value::Offset::Z) | None => 0,
        };
        let days = days_from_civil(i64::from(date.year), date.month.into(), date.day.into());
        let (hour, minute) = (i64::from(time.hour), i64::from(time.minute));
        let seconds = i64::from(time.second);
        Ok(Self(days * 86_400 + hour * 3600 + (minute - offset_minutes) * 60 + seconds))
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, counting years from March so that the
/// leap day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in
            [("512MiB", 512 << 20), ("4 GiB", 4 << 30), ("64k", 65_536), ("100", 100), ("1M", MIB)]
        {
            assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1 XiB", "99999999999TiB"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
        assert_eq!(Size(512 << 20).to_string(), "512 MiB");
    }

    #[test]
    fn dates_become_seconds_since_1970() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(days_from_civil(2026, 1, 1) * 86_400, Moment::default().0);
    }
}
