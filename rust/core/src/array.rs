//! Arrays: storage, layout and dtype. They know no gradient.

use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use crate::layout::{Dims, Layout, Show, numel};
use crate::storage::Storage;
use crate::{with_bits, with_dtype};
use dlcore_kernels::half::{Bf16, F16, round_to_odd};
use dlcore_kernels::layout::Strided;
use dlcore_kernels::memory::{Buffer, OutOfMemory, Pod};
use dlcore_kernels::stored::Stored;
use dlcore_kernels::{copy, inplace, map};
use std::borrow::Cow;
use triomphe::Arc;

/// Elements that are filled at once: more are worth threads.
const FEW: usize = 8192;

/// A strided window over shared memory. Cloning shares; operations make new ones.
#[derive(Clone)]
pub struct Array {
    // Without weak references, which would cost every array that goes one locked instruction more.
    storage: Arc<Storage>,
    layout: Layout,
    dtype: DType,
}

/// Rust types that store a dtype's elements. `u8` stores both uint8 and bool; it means uint8 here.
pub trait Native: Pod {
    /// The dtype of a slice of this type.
    const DTYPE: DType;
}
macro_rules! native { ($($t:ty: $dtype:ident;)*) => { $(
    impl Native for $t {
        const DTYPE: DType = DType::$dtype;
    }
)* } }
native! {
    u8: U8;
    u16: U16;
    u32: U32;
    u64: U64;
    i8: I8;
    i16: I16;
    i32: I32;
    i64: I64;
    F16: F16;
    Bf16: BF16;
    f32: F32;
    f64: F64;
}

impl Array {
    /// A new contiguous array that `fill` writes; `fill` must write every element.
    ///
    /// # Errors
    /// [`Error::Memory`] when there is none, [`Error::Value`] for an impossible shape, and what `fill` returns.
    pub fn build<T: Native>(op: &str, shape: &[usize], fill: impl FnOnce(&mut [T]) -> Result<()>) -> Result<Self> {
        Self::build_as(op, T::DTYPE, shape, fill)
    }

    /// As [`Array::build`] for a dtype that `T` also holds: bool as `u8`, anything as its bits.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn build_as<T: Pod>(
        op: &str,
        dtype: DType,
        shape: &[usize],
        fill: impl FnOnce(&mut [T]) -> Result<()>,
    ) -> Result<Self> {
        debug_assert_eq!(dtype.size(), size_of::<T>());
        let mut buffer = allocate(op, dtype, shape)?;
        fill(buffer.as_mut_slice())?;
        Ok(Self::fresh(buffer, dtype, shape))
    }

    /// A new array of unspecified elements, for a caller that writes every one of them.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn uninit(op: &str, shape: &[usize], dtype: DType) -> Result<Self> {
        Ok(Self::fresh(allocate(op, dtype, shape)?, dtype, shape))
    }

    /// Two new contiguous arrays that `fill` writes together; it must write every element of both.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn build_pair<A: Native, B: Native>(
        op: &str,
        a_shape: &[usize],
        b_shape: &[usize],
        fill: impl FnOnce(&mut [A], &mut [B]) -> Result<()>,
    ) -> Result<(Self, Self)> {
        let (mut a, mut b) = (allocate(op, A::DTYPE, a_shape)?, allocate(op, B::DTYPE, b_shape)?);
        fill(a.as_mut_slice(), b.as_mut_slice())?;
        Ok((Self::fresh(a, A::DTYPE, a_shape), Self::fresh(b, B::DTYPE, b_shape)))
    }

    /// Wraps a buffer allocated for `shape`.
    fn fresh(buffer: Buffer, dtype: DType, shape: &[usize]) -> Self {
        debug_assert_eq!(buffer.len(), shape.iter().product::<usize>() * dtype.size());
        Self { storage: Arc::new(Storage::new(buffer, false)), layout: Layout::contiguous(shape), dtype }
    }

    /// Wraps a buffer whose elements `layout` describes.
    #[must_use]
    pub fn from_buffer(buffer: Buffer, dtype: DType, layout: Layout) -> Self {
        Self::from_storage(Storage::new(buffer, false), dtype, layout)
    }

    /// Wraps a storage whose elements `layout` describes. Panics where the layout leaves the storage.
    #[must_use]
    pub fn from_storage(storage: Storage, dtype: DType, layout: Layout) -> Self {
        layout.strided().check(storage.buffer().len() / dtype.size());
        Self { storage: Arc::new(storage), layout, dtype }
    }

    /// A new array of `values` in row-major order.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn from_slice<T: Native>(op: &str, values: &[T], shape: &[usize]) -> Result<Self> {
        Self::build(op, shape, |out: &mut [T]| {
            out.copy_from_slice(values);
            Ok(())
        })
    }

    /// A new array with every element `value`.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn full(op: &str, shape: &[usize], value: Scalar, dtype: DType) -> Result<Self> {
        dtype.check(op, value)?;
        let buffer = if value.to_f64().to_bits() == 0 {
            Buffer::try_zeroed(byte_len(op, dtype, shape)?).map_err(|cause| out_of_memory(op, dtype, shape, cause))?
        } else {
            let mut buffer = allocate(op, dtype, shape)?;
            fill(&mut buffer, value, dtype);
            buffer
        };
        Ok(Self::fresh(buffer, dtype, shape))
    }

    /// A new array of zeros.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn zeros(op: &str, shape: &[usize], dtype: DType) -> Result<Self> {
        Self::full(op, shape, Scalar::Float(0.0), dtype)
    }

    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Extents.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.layout.rank()
    }

    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.layout.numel()
    }

    /// Shape, strides and offset.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The layout as kernels take it.
    #[must_use]
    pub fn strided(&self) -> Strided<'_> {
        self.layout.strided()
    }

    /// The shared memory.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// How many arrays share the memory.
    #[must_use]
    pub fn owners(&self) -> usize {
        Arc::count(&self.storage)
    }

    /// The whole storage as elements of `T`, to be read through [`Array::strided`].
    #[must_use]
    pub fn data<T: Pod>(&self) -> &[T] {
        debug_assert_eq!(self.dtype.size(), size_of::<T>());
        self.storage.buffer().as_slice()
    }

    /// The elements in row-major order.
    ///
    /// # Panics
    /// If the array is not contiguous.
    #[must_use]
    pub fn elements<T: Pod>(&self) -> &[T] {
        // Always: what was made of a transposed array may be transposed as well.
        assert!(self.layout.is_contiguous(), "not row-major");
        &self.data()[self.layout.offset..self.layout.offset + self.numel()]
    }

    /// Whether both share memory.
    #[must_use]
    pub fn shares_storage(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.storage, &other.storage)
    }

    /// Whether the storages have bytes in common: numpy may have lent one array twice.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let bytes = |array: &Self| {
            let buffer = array.storage.buffer();
            (buffer.as_ptr().addr(), buffer.as_ptr().addr() + buffer.len())
        };
        let ((start, end), (others_start, others_end)) = (bytes(self), bytes(other));
        start < others_end && others_start < end
    }

    /// The same memory under another layout.
    #[must_use]
    #[inline]
    pub fn view(&self, layout: Layout) -> Self {
        // Always: a slip in layout arithmetic must stop here, not read or write somebody else's memory.
        layout.strided().check(self.storage.buffer().len() >> self.dtype.size().trailing_zeros());
        Self { storage: self.storage.clone(), layout, dtype: self.dtype }
    }

    /// As [`Array::contiguous`] in `dtype`, without another handle where that changes nothing: one costs as much as to
    /// read a hundred elements.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn packed(&self, op: &str, dtype: DType) -> Result<Cow<'_, Self>> {
        if dtype != self.dtype {
            self.cast(op, dtype)?.contiguous(op).map(Cow::Owned)
        } else if self.layout.is_contiguous() {
            Ok(Cow::Borrowed(self))
        } else {
            self.copy(op).map(Cow::Owned)
        }
    }

    /// The same elements without gaps: itself where it is contiguous, otherwise a copy.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn contiguous(&self, op: &str) -> Result<Self> {
        if self.layout.is_contiguous() { Ok(self.clone()) } else { self.copy(op) }
    }

    /// A contiguous copy.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn copy(&self, op: &str) -> Result<Self> {
        with_bits!(self.dtype, T => Self::build_as(op, self.dtype, self.shape(), |out: &mut [T]| {
            copy::copy(self.data::<T>(), self.strided(), out);
            Ok(())
        }))
    }

    /// The elements converted to `dtype`: itself where that is its dtype already.
    ///
    /// # Errors
    /// As [`Array::build`].
    pub fn cast(&self, op: &str, dtype: DType) -> Result<Self> {
        if dtype == self.dtype {
            return Ok(self.clone());
        }
        if dtype == DType::Bool {
            return with_dtype!(self.dtype, S => Self::build_as(op, dtype, self.shape(), |out: &mut [u8]| {
                map::to_bool(self.data::<S>(), self.strided(), out);
                Ok(())
            }));
        }
        with_dtype!(self.dtype, S => with_dtype!(dtype, D => {
            Self::build_as(op, dtype, self.shape(), |out: &mut [D]| {
                copy::cast::<S, D>(self.data::<S>(), self.strided(), out);
                Ok(())
            })
        }))
    }

    /// The same memory read as elements of another dtype. One of another size takes more or fewer of them in the last
    /// dimension.
    ///
    /// # Errors
    /// [`Error::DType`] where the elements do not lie so that whole ones of another size are in their place, and for bool,
    /// which not every byte is.
    pub fn reinterpret(&self, op: &str, dtype: DType) -> Result<Self> {
        if dtype == DType::Bool && self.dtype != dtype {
            let what = format_args!("the bits of {} are not those of {dtype}; convert with to()", self.dtype);
            return Err(Error::dtype(op, what));
        }
        let (from, to) = (self.dtype.size(), dtype.size());
        let aligned = (self.storage.buffer().as_ptr() as usize).is_multiple_of(to);
        let layout = if from == to { Some(self.layout.clone()) } else { self.layout.resized(from, to) };
        let layout = layout.filter(|_| aligned).ok_or_else(|| {
            let (own, shape) = (self.dtype, Show(self.shape()));
            let what = format_args!("the last dimension of {shape} does not read as {dtype} where it lies, in {own}");
            Error::dtype(op, what)
        })?;
        Ok(Self { layout, dtype, ..self.clone() })
    }

    /// Broadcast to `shape`, as a view.
    ///
    /// # Errors
    /// [`Error::Shape`] where the shapes do not fit.
    pub fn expand(&self, op: &str, shape: &[usize]) -> Result<Self> {
        Ok(self.view(self.layout.expand(op, shape)?))
    }

    /// As [`Array::expand`], or itself where it has that shape.
    ///
    /// # Errors
    /// As [`Array::expand`].
    pub fn broadcast(&self, op: &str, shape: &[usize]) -> Result<Cow<'_, Self>> {
        if self.shape() == shape { Ok(Cow::Borrowed(self)) } else { self.expand(op, shape).map(Cow::Owned) }
    }

    /// The same elements under another shape: a view where the layout allows it, otherwise a copy.
    ///
    /// # Errors
    /// [`Error::Shape`] where the element counts differ; otherwise as [`Array::build`].
    pub fn reshape(&self, op: &str, shape: &[usize]) -> Result<Self> {
        if numel(op, shape)? != self.numel() {
            let (from, to) = (Show(self.shape()), Show(shape));
            let (have, want) = (self.numel(), shape.iter().product::<usize>());
            return Err(Error::shape(
                op,
                format_args!("cannot view {from} ({have} elements) as {to} ({want} elements)"),
            ));
        }
        match self.layout.reshape(shape) {
            Some(layout) => Ok(self.view(layout)),
            None => Ok(self.copy(op)?.view(Layout::contiguous(shape))),
        }
    }

    /// Whether the two are the same elements of one memory in one order.
    fn is_same(&self, other: &Self) -> bool {
        let (own, others) = (&self.layout, &other.layout);
        let in_order = || own.strides == others.strides || own.is_contiguous() && others.is_contiguous();
        let together = own.offset == others.offset && own.shape == others.shape && self.dtype == other.dtype;
        together && self.shares_storage(other) && in_order()
    }

    /// Writes the elements of `source` (same dtype; broadcast to this shape) into this array's memory.
    ///
    /// # Errors
    /// [`Error::Value`] for read-only memory or a window that overlaps itself, [`Error::Shape`] for shapes that do
    /// not broadcast.
    pub fn write(&self, op: &'static str, source: &Self) -> Result<()> {
        if self.storage.is_read_only() {
            return Err(Error::value(op, "the tensor's memory is read-only (lent by its owner); clone() it first"));
        }
        let repeats = self.layout.strides.iter().zip(self.shape()).any(|(&stride, &extent)| stride == 0 && extent > 1);
        if repeats && self.numel() > 0 {
            return Err(Error::value(
                op,
                "several elements of an expanded tensor share memory; clone() it before writing",
            ));
        }
        if source.is_same(self) {
            self.storage.written_by(op);
            return Ok(());
        }
        if source.numel() == 1 && source.rank() <= self.rank() && source.dtype == self.dtype && self.numel() <= FEW {
            let is_filled = with_bits!(self.dtype, T => {
                let value = source.data::<T>()[source.layout.offset];
                self.edit(|out: &mut [T]| out.fill(value))
            });
            if is_filled {
                self.storage.written_by(op);
                return Ok(());
            }
        }
        let source = source.broadcast(op, self.shape())?;
        let source = if source.dtype == self.dtype { source } else { Cow::Owned(source.cast(op, self.dtype)?) };
        with_bits!(self.dtype, T => {
            copy::copy_into(source.data::<T>(), source.strided(), self.storage.buffer(), self.strided());
        });
        self.storage.written_by(op);
        Ok(())
    }

    /// Lets `change` change the elements in the array's own memory, and says whether it could: not where that is read-only,
    /// or has gaps or another order than row-major. `change` must read that memory in no other way; that it was written is
    /// for the caller to tell the storage.
    pub fn edit<T: Pod>(&self, change: impl FnOnce(&mut [T])) -> bool {
        if self.storage.is_read_only() || !self.layout.is_contiguous() {
            return false;
        }
        let range = self.layout.offset..self.layout.offset + self.numel();
        let window = inplace::Window { buffer: self.storage.buffer(), range };
        inplace::update(&[window], &[], |mut writes, _| writes.pop().map_or((), change)).is_ok()
    }

    /// The element of a one-element array.
    ///
    /// # Errors
    /// [`Error::Value`] when there is not exactly one.
    pub fn item(&self) -> Result<Scalar> {
        if self.numel() != 1 {
            return Err(Error::value(
                "item",
                format_args!(
                    "only a one-element tensor becomes a Python number; this one has shape {}",
                    Show(self.shape())
                ),
            ));
        }
        Ok(self.at(self.layout.offset))
    }

    /// Element number `at` of the storage.
    ///
    /// # Panics
    /// Where the storage has not that many.
    #[must_use]
    pub fn at(&self, at: usize) -> Scalar {
        match self.dtype {
            DType::Bool => Scalar::Bool(self.data::<u8>()[at] != 0),
            DType::U8 => Scalar::Int(self.data::<u8>()[at].into()),
            DType::U16 => Scalar::Int(self.data::<u16>()[at].into()),
            DType::U32 => Scalar::Int(self.data::<u32>()[at].into()),
            DType::U64 => Scalar::Int(self.data::<u64>()[at].into()),
            DType::I8 => Scalar::Int(self.data::<i8>()[at].into()),
            DType::I16 => Scalar::Int(self.data::<i16>()[at].into()),
            DType::I32 => Scalar::Int(self.data::<i32>()[at].into()),
            DType::I64 => Scalar::Int(self.data::<i64>()[at].into()),
            DType::F16 => Scalar::Float(self.data::<F16>()[at].load().into()),
            DType::BF16 => Scalar::Float(self.data::<Bf16>()[at].load().into()),
            DType::F32 => Scalar::Float(self.data::<f32>()[at].into()),
            DType::F64 => Scalar::Float(self.data::<f64>()[at]),
        }
    }

    /// Shape as an owned value.
    #[must_use]
    pub fn dims(&self) -> Dims {
        self.layout.shape.clone()
    }
}

fn byte_len(op: &str, dtype: DType, shape: &[usize]) -> Result<usize> {
    Ok(numel(op, shape)? * dtype.size())
}

fn allocate(op: &str, dtype: DType, shape: &[usize]) -> Result<Buffer> {
    Buffer::try_uninit(byte_len(op, dtype, shape)?).map_err(|cause| out_of_memory(op, dtype, shape, cause))
}

#[cold]
fn out_of_memory(op: &str, dtype: DType, shape: &[usize], cause: OutOfMemory) -> Error {
    let (shape, bytes, reason) = (Show(shape), cause.bytes, cause.reason());
    Error::Memory(format!("{op}: no memory for a {dtype} tensor of shape {shape}, {bytes} bytes{reason}"))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "what a conversion of a fill value means"
)]
fn fill(buffer: &mut Buffer, value: Scalar, dtype: DType) {
    let (float, int) = match value {
        Scalar::Int(value) => (value as f64, value),
        other => (other.to_f64(), (other.to_f64() as i64).into()),
    };
    match dtype {
        DType::Bool => copy::fill(buffer.as_mut_slice(), u8::from(float != 0.0)),
        DType::U8 | DType::I8 => copy::fill(buffer.as_mut_slice(), int as u8),
        DType::U16 | DType::I16 => copy::fill(buffer.as_mut_slice(), int as u16),
        DType::U32 | DType::I32 => copy::fill(buffer.as_mut_slice(), int as u32),
        DType::U64 | DType::I64 => copy::fill(buffer.as_mut_slice(), int as u64),
        DType::F16 => copy::fill(buffer.as_mut_slice(), F16::store(round_to_odd(float))),
        DType::BF16 => copy::fill(buffer.as_mut_slice(), Bf16::store(round_to_odd(float))),
        DType::F32 => copy::fill(buffer.as_mut_slice(), float as f32),
        DType::F64 => copy::fill(buffer.as_mut_slice(), float),
    }
}
