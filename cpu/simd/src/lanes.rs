//! A 128-bit register as lanes.

/// An integer that a 128-bit register holds `N` of. Lane 0 is the lowest.
pub(crate) trait Lane<const N: usize>: Copy {
    /// The lanes of a register.
    fn split(register: u128) -> [Self; N];
    /// The register of these lanes.
    fn join(lanes: [Self; N]) -> u128;
}

macro_rules! lanes {
    ($($lane:ty, $n:literal;)*) => {$(
        impl Lane<$n> for $lane {
            #[inline(always)]
            fn split(register: u128) -> [Self; $n] {
                zerocopy::transmute!(register)
            }

            #[inline(always)]
            fn join(lanes: [Self; $n]) -> u128 {
                zerocopy::transmute!(lanes)
            }
        }
    )*};
}

lanes! {
    u8, 16;
    i8, 16;
    u16, 8;
    i16, 8;
    u32, 4;
    i32, 4;
    u64, 2;
    i64, 2;
}

/// Each lane of the result from one lane of the operand.
#[inline(always)]
pub(crate) fn map<T: Lane<N>, const N: usize>(a: u128, f: impl FnMut(T) -> T) -> u128 {
    T::join(T::split(a).map(f))
}

/// Each lane of the result from the same lane of two operands.
#[inline(always)]
pub(crate) fn zip<T: Lane<N>, const N: usize>(
    a: u128,
    b: u128,
    mut f: impl FnMut(T, T) -> T,
) -> u128 {
    let (a, b) = (T::split(a), T::split(b));
    T::join(std::array::from_fn(|i| f(a[i], b[i])))
}
