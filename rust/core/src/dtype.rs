//! Element types, how they combine, and Python scalars, which adapt to the tensor they meet.

use std::fmt;

/// Type of a tensor's elements. The order is that of promotion: of two types the greater holds the result, except for
/// the two of 16 bits, neither of which holds the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DType {
    /// Truth values, one byte each, 0 or 1.
    Bool,
    /// 8-bit unsigned integers.
    U8,
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

impl DType {
    /// Every dtype, in order of promotion.
    pub const ALL: [Self; 8] =
        [Self::Bool, Self::U8, Self::I32, Self::I64, Self::F16, Self::BF16, Self::F32, Self::F64];

    /// The name that Python shows: `float32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
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
            Self::Bool | Self::U8 => 1,
            Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
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

    /// The type that elements are computed in.
    #[must_use]
    pub const fn widened(self) -> Self {
        if self.is_half() { Self::F32 } else { self }
    }

    /// The type that holds results of `self` with `other`.
    #[must_use]
    pub fn promote(self, other: Self) -> Self {
        if self.is_half() && other.is_half() && self != other { Self::F32 } else { self.max(other) }
    }

    /// The type that a mathematical function of this type gives: itself for floats, float32 for the rest.
    #[must_use]
    pub const fn to_float(self) -> Self {
        if self.is_float() { self } else { Self::F32 }
    }
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
    /// An `int`.
    Int(i64),
    /// A `float`.
    Float(f64),
}

impl Scalar {
    /// The dtype of `dtype (op) self`: the tensor's own, unless the scalar's kind is higher.
    #[must_use]
    pub fn dtype_with(self, dtype: DType) -> DType {
        match self {
            Self::Bool(_) => dtype,
            // An int that the tensor's dtype cannot hold makes it int64: wrapping it would be silently wrong.
            Self::Int(value) => match dtype {
                DType::Bool => DType::I64,
                DType::U8 if u8::try_from(value).is_err() => DType::I64,
                DType::I32 if i32::try_from(value).is_err() => DType::I64,
                other => other,
            },
            Self::Float(_) => dtype.to_float(),
        }
    }

    /// The dtype of a tensor made of this scalar alone.
    #[must_use]
    pub fn default_dtype(self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::F32,
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

/// Runs `$body` with the Rust type that computes `$dtype` named `$t` (`u8` for bool), where 16-bit floats were widened
/// before.
#[macro_export]
macro_rules! with_element {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool | $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::DType::F16 | $crate::DType::BF16 => unreachable!("16-bit floats are widened first"),
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
