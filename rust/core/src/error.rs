//! Everything that can go wrong below Python, as one enum. The bindings turn each variant into one Python exception;
//! a message names the operation, what it expected and what it got.

use std::fmt;

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, by the kind of exception a user sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shapes that do not fit: `ShapeError(ValueError)`.
    Shape(String),
    /// A dtype that an operation does not take: `DTypeError(TypeError)`.
    DType(String),
    /// A gradient that cannot be computed: `GradientError(RuntimeError)`.
    Gradient(String),
    /// An index outside its range: `IndexError`.
    Index(String),
    /// Any other bad argument: `ValueError`.
    Value(String),
    /// An allocation that the machine cannot serve: `MemoryError`.
    Memory(String),
    /// A matrix that has no such inverse or decomposition: `LinAlgError(RuntimeError)`.
    LinAlg(String),
    /// A number that is not finite, where the guard refuses it: `FloatingPointError`.
    NotFinite(String),
    /// The user asked to stop (Ctrl-C): the exception already pending in Python.
    Interrupted,
    /// Code of the user's that the core called (a hook, a function's backward) raised: the exception waits in Python.
    Raised,
}

impl Error {
    /// The same error with more to say.
    #[must_use]
    pub fn extended(mut self, more: &str) -> Self {
        match &mut self {
            Self::Shape(text)
            | Self::DType(text)
            | Self::Gradient(text)
            | Self::Index(text)
            | Self::Value(text)
            | Self::LinAlg(text)
            | Self::NotFinite(text)
            | Self::Memory(text) => text.push_str(more),
            Self::Interrupted | Self::Raised => {}
        }
        self
    }
}

macro_rules! constructors {
    ($($name:ident => $variant:ident),*) => { impl Error { $(
        #[doc = concat!("An [`Error::", stringify!($variant), "`] of operation `op`.")]
        #[must_use]
        pub fn $name(op: &str, what: impl fmt::Display) -> Self {
            Self::$variant(format!("{op}: {what}"))
        }
    )* } };
}
constructors!(shape => Shape, dtype => DType, gradient => Gradient, index => Index, value => Value, linalg => LinAlg,
    not_finite => NotFinite);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(text)
            | Self::DType(text)
            | Self::Gradient(text)
            | Self::Index(text)
            | Self::Value(text)
            | Self::LinAlg(text)
            | Self::NotFinite(text)
            | Self::Memory(text) => f.write_str(text),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Raised => f.write_str("the user's code raised"),
        }
    }
}

impl std::error::Error for Error {}
