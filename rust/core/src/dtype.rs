//! Element types, how they combine, and Python scalars, which adapt to the tensor they meet.

use crate::error::{Error, Result};
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// Truth values, one byte each, 0 or 1.
    Bool,
    /// 8-bit unsigned integers.
    U8,
    /// 16-bit unsigned integers.
    U16,
    /// 32-bit unsigned integers.
    U32,
    /// 64-bit unsigned integers.
    U64,
    /// 8-bit signed integers.
    I8,
    /// 16-bit signed integers.
    I16,
    /// 32-bit signed integers.
    I32,
    /// 64-bit signed integers.
    I64,
    /// Half precision, IEEE 754 binary16: 5 bits of exponent, 11 significant ones.
    F16,
    /// The upper half of single precision: 8 bits of exponent, 8 significant ones.
    BF16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// The dtype that floats have where nothing else decides, as an index of [`DType::ALL`].
static DEFAULT_FLOAT: AtomicU8 = AtomicU8::new(DType::F32 as u8);

/// What is wrong with `value` in `dtype`.
fn beyond(value: &dyn fmt::Display, dtype: DType, least: i128, greatest: i128) -> String {
    format!("{value} is out of range for {dtype}, which holds {least} to {greatest}")
}

/// Whether `value`, with its fraction, lies between two integers; NaN lies nowhere.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the second comparison with `greatest` tells apart what rounding makes equal"
)]
fn lies_between(value: f64, least: i128, greatest: i128) -> bool {
    value >= least as f64 && value <= greatest as f64 && value as i128 <= greatest
}

impl DType {
    /// Every dtype, in the order of the variants.
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F16,
        Self::BF16,
        Self::F32,
        Self::F64,
    ];

    /// The dtype of Python floats, and of what mathematical functions make of integers: float32 unless it was set.
    #[must_use]
    pub fn default_float() -> Self {
        Self::ALL[usize::from(DEFAULT_FLOAT.load(Ordering::Relaxed))]
    }

    /// Sets [`DType::default_float`], for all threads.
    ///
    /// # Errors
    /// [`Error::DType`] for a dtype that is not a float's.
    pub fn set_default_float(self) -> Result<()> {
        if !self.is_float() {
            return Err(Error::dtype("set_default_dtype", format_args!("expected a float dtype, got {self}")));
        }
        DEFAULT_FLOAT.store(self as u8, Ordering::Relaxed);
        Ok(())
    }

    /// The name that Python shows: `float32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// Bytes per element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether the type is a floating-point type; only these carry gradients.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// Whether this is a 16-bit float: stored in 16 bits, computed in float32.
    #[must_use]
    pub const fn is_half(self) -> bool {
        matches!(self, Self::F16 | Self::BF16)
    }

    /// Whether this is a type of integers that are never negative.
    #[must_use]
    pub const fn is_unsigned(self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::U64)
    }

    /// The type that elements are computed in: kernels know arithmetic for few.
    #[must_use]
    pub const fn widened(self) -> Self {
        match self {
            Self::F16 | Self::BF16 => Self::F32,
            Self::I8 | Self::I16 | Self::U16 => Self::I32,
            Self::U32 => Self::U64,
            other => other,
        }
    }

    /// Whether elements are computed in a wider type than they are stored in.
    #[must_use]
    pub fn is_narrow(self) -> bool {
        self.widened() != self
    }

    /// The least and the greatest integer of the type; of floats and bool nothing.
    #[must_use]
    pub const fn integers(self) -> Option<(i128, i128)> {
        let bits = 8 * self.size();
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => Some((0, (1 << bits) - 1)),
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            _ => None,
        }
    }

    /// Refuses an integer that this type of integers does not hold: it would wrap.
    ///
    /// # Errors
    /// [`Error::Value`] for such a number.
    #[inline]
    pub fn check(self, op: &str, value: Scalar) -> Result<()> {
        match (value, self.integers()) {
            (Scalar::Int(value), Some((least, greatest))) if value < least || value > greatest => {
                Err(Error::value(op, beyond(&value, self, least, greatest)))
            }
            (Scalar::Float(value), Some((least, greatest))) if !lies_between(value, least, greatest) => {
                Err(Error::value(op, beyond(&value, self, least, greatest)))
            }
            _ => Ok(()),
        }
    }

    /// What the floats of this type can tell apart; of other types nothing.
    #[must_use]
    pub fn floats(self) -> Option<Floats> {
        let of = |max, eps, smallest_normal, resolution| Some(Floats { max, eps, smallest_normal, resolution });
        match self {
            Self::F16 => of(65504.0, 1.0 / 1024.0, 1.0 / 16384.0, 1e-3),
            Self::BF16 => of(f32::from_bits(0x7f7f_0000).into(), 1.0 / 128.0, f32::MIN_POSITIVE.into(), 1e-2),
            Self::F32 => of(f32::MAX.into(), f32::EPSILON.into(), f32::MIN_POSITIVE.into(), 1e-6),
            Self::F64 => of(f64::MAX, f64::EPSILON, f64::MIN_POSITIVE, 1e-15),
            _ => None,
        }
    }

    /// Bool below integers below floats.
    const fn kind(self) -> u8 {
        match self {
            Self::Bool => 0,
            _ if self.is_float() => 2,
            _ => 1,
        }
    }

    /// Whether a conversion to `other` keeps the kind of number or goes to a higher one: bool, integer, float.
    #[must_use]
    pub const fn can_cast(self, other: Self) -> bool {
        self.kind() <= other.kind()
    }

    /// The type that holds results of `self` with `other` in `op`: of the higher kind; within a kind the smallest that
    /// holds both.
    ///
    /// # Errors
    /// [`Error::DType`] for uint64 with a signed type, of which none holds both.
    pub fn promote(self, op: &str, other: Self) -> Result<Self> {
        if self == other {
            return Ok(self);
        }
        if self.kind() != other.kind() {
            return Ok(if self.kind() < other.kind() { other } else { self });
        }
        let (small, large) = if self.size() <= other.size() { (self, other) } else { (other, self) };
        if self.is_half() && other.is_half() {
            return Ok(Self::F32);
        }
        if small.is_unsigned() == large.is_unsigned() || small.size() < large.size() && small.is_unsigned() {
            return Ok(large);
        }
        match large {
            Self::U8 | Self::I8 => Ok(Self::I16),
            Self::U16 | Self::I16 => Ok(Self::I32),
            Self::U32 | Self::I32 => Ok(Self::I64),
            _ => Err(Error::dtype(
                op,
                format_args!("no dtype holds both {self} and {other}; convert one of them, or both to float64"),
            )),
        }
    }

    /// The type that a mathematical function of this type gives: itself for floats, the default one for the rest.
    #[must_use]
    pub fn to_float(self) -> Self {
        if self.is_float() { self } else { Self::default_float() }
    }
}

/// What the floats of a type can tell apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floats {
    /// The greatest finite number.
    pub max: f64,
    /// Distance from 1 to the next number.
    pub eps: f64,
    /// The smallest positive number of full precision.
    pub smallest_normal: f64,
    /// Decimal digits that survive, as a power of ten.
    pub resolution: f64,
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Python number: weakly typed, it takes the dtype of the tensor that it meets as far as its kind allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// `True` or `False`.
    Bool(bool),
    /// An `int`, of any size that a dtype holds.
    Int(i128),
    /// A `float`.
    Float(f64),
}

impl Scalar {
    /// The dtype of `dtype (op) self`: the tensor's own, unless the scalar's kind is higher.
    #[must_use]
    pub fn dtype_with(self, dtype: DType) -> DType {
        match self {
            Self::Bool(_) => dtype,
            // An int that the tensor's dtype cannot hold keeps its own: wrapping it would be silently wrong.
            Self::Int(value) => match dtype.integers() {
                Some((least, greatest)) if (least..=greatest).contains(&value) => dtype,
                None if dtype.is_float() => dtype,
                // No integer dtype holds both.
                _ if dtype == DType::U64 && value < 0 => DType::F64,
                _ => self.default_dtype(),
            },
            Self::Float(_) => dtype.to_float(),
        }
    }

    /// The dtype of a tensor made of this scalar alone.
    #[must_use]
    pub fn default_dtype(self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int(value) if i64::try_from(value).is_err() => DType::U64,
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::default_float(),
        }
    }

    /// A negative whole number as an unsigned `dtype` has its lowest bits; all others as they are.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "whole numbers; those beyond the range saturate")]
    pub fn wrapped(self, dtype: DType) -> Self {
        let value = match self {
            Self::Int(value) => value,
            Self::Float(value) if value.fract() == 0.0 => value as i128,
            _ => return self,
        };
        match dtype.integers() {
            Some((0, greatest)) if value < 0 => Self::Int(value.rem_euclid(greatest + 1)),
            _ => self,
        }
    }

    /// The value in double precision.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "what a float conversion means")]
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Bool(value) => f64::from(u8::from(value)),
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

/// Runs `$body` with the Rust type that stores `$dtype` named `$t` (`u8` for bool).
#[macro_export]
macro_rules! with_dtype {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F16 => {
                type $t = dlcore_kernels::half::F16;
                $body
            }
            $crate::DType::BF16 => {
                type $t = dlcore_kernels::half::Bf16;
                $body
            }
            $crate::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::DType::U16 => {
                type $t = u16;
                $body
            }
            $crate::DType::U32 => {
                type $t = u32;
                $body
            }
            wide => $crate::with_element!(wide, $t => $body),
        }
    };
}

/// Runs `$body` with an unsigned integer as large as an element of `$dtype` named `$t`: what only moves elements need
/// not know more.
#[macro_export]
macro_rules! with_bits {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $t = u8;
                $body
            }
            2 => {
                type $t = u16;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            _ => {
                type $t = u64;
                $body
            }
        }
    };
}

/// Runs `$body` with the Rust type that computes `$dtype` named `$t` (`u8` for bool), where narrow types were widened
/// before.
#[macro_export]
macro_rules! with_element {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool | $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::DType::U64 => {
                type $t = u64;
                $body
            }
            $crate::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
            narrow => unreachable!("{narrow} is widened first"),
        }
    };
}

/// Runs `$body` with the Rust type that stores an integer or bool `$dtype` named `$t` (`u8` for bool).
#[macro_export]
macro_rules! with_integer {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool | $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::DType::U16 => {
                type $t = u16;
                $body
            }
            $crate::DType::U32 => {
                type $t = u32;
                $body
            }
            $crate::DType::U64 => {
                type $t = u64;
                $body
            }
            $crate::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            float => unreachable!("{float} is no integer"),
        }
    };
}

/// Runs `$body` with the Rust type of a floating-point `$dtype` named `$t`, where 16-bit floats were widened before;
/// otherwise returns a dtype error of `$op`.
#[macro_export]
macro_rules! with_float {
    ($op:expr, $dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
            other => return Err($crate::Error::dtype($op, format_args!("expected a float dtype, got {other}"))),
        }
    };
}

/// As [`with_float!`], with the type that stores `$dtype`.
#[macro_export]
macro_rules! with_stored_float {
    ($op:expr, $dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F16 => {
                type $t = dlcore_kernels::half::F16;
                $body
            }
            $crate::DType::BF16 => {
                type $t = dlcore_kernels::half::Bf16;
                $body
            }
            wide => $crate::with_float!($op, wide, $t => $body),
        }
    };
}
