//! Matrix products: `matmul` with every rank that PyTorch's takes, and `linear`, the product of a layer.
//!
//! Operands go to the packed core as they lie: a transposed view, a slice with steps or a broadcast batch costs no
//! copy. Gradients are products with transposed views.

use crate::array::{Array, Native};
use crate::autograd::mode;
use crate::autograd::node::Gradients;
use crate::autograd::op::{Autocast, Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::{Dims, Show, broadcast_shapes};
use crate::ops::arithmetic::{Add, binary};
use crate::ops::reduce::float_sum;
use crate::ops::sample::{Sample, real, single};
use crate::ops::{self, reshape, sum_to, transpose};
use crate::with_float;
use dlcore_kernels::element::Element;
use dlcore_kernels::gemm::{self, Bias, Epilogue, Gemm, GemmFloat, Matrix};
use dlcore_kernels::half::Bf16;
use dlcore_kernels::map::Binary;
use smallvec::smallvec;

/// `a @ b` for matrices and stacks of them, whose leading dimensions broadcast.
#[derive(Clone, Debug)]
pub struct MatMul;

impl Operation for MatMul {
    const NAME: &'static str = "matmul";
    const PROMOTION: Promotion = Promotion::Common;
    const AUTOCAST: Autocast = Autocast::Lower;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (a, b) = (inputs[0], inputs[1]);
        if a.rank() < 2 || b.rank() < 2 {
            return Err(Error::shape(
                Self::NAME,
                format_args!("expected matrices, got shapes {} and {}", Show(a.shape()), Show(b.shape())),
            ));
        }
        check_inner(a.shape(), b.shape())?;
        Ok(single(match a.dtype() {
            DType::F16 | DType::BF16 => half_product(Self::NAME, a, b, None)?,
            DType::F32 => floats::<f32>(a, b)?,
            DType::F64 => floats::<f64>(a, b)?,
            DType::I64 => integers::<i64>(a, b)?,
            DType::U64 => integers::<u64>(a, b)?,
            DType::I32 => integers::<i32>(a, b)?,
            DType::U8 => integers::<u8>(a, b)?,
            narrow @ (DType::I8 | DType::I16 | DType::U16 | DType::U32) => {
                let wide = |x: &Array| x.cast(Self::NAME, narrow.widened());
                let product = self.forward(&[&wide(a)?, &wide(b)?])?;
                product[0].cast(Self::NAME, narrow)?
            }
            DType::Bool => return Err(Error::dtype(Self::NAME, "bool matrices have no product; convert with .int()")),
        }))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let a = if context.needs(0) {
            let product = matmul(grad, &transpose(&context.input(1)?, -2, -1)?)?;
            Some(sum_to(&product, context.shape(0))?)
        } else {
            None
        };
        let b = if context.needs(1) {
            let (a, shape) = (context.input(0)?, context.shape(1));
            let product = if shape.len() == 2 && a.rank() > 2 {
                // One matrix for the whole stack: one product over all rows instead of a stack to be summed.
                let rows = |x: &Tensor| {
                    let columns = x.shape()[x.rank() - 1];
                    reshape(x, &[x.shape()[..x.rank() - 1].iter().product(), columns])
                };
                matmul(&transpose(&rows(&a)?, 0, 1)?, &rows(grad)?)?
            } else {
                sum_to(&matmul(&transpose(&a, -2, -1)?, grad)?, shape)?
            };
            Some(product)
        } else {
            None
        };
        Ok(smallvec![a, b])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(0, needs.input(1)).input_if(1, needs.input(0))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |a: &[usize], b: &[usize]| Sample::new(Self, [real(a), real(b)]);
        vec![
            of(&[2, 3], &[3, 4]),
            of(&[1, 1], &[1, 1]),
            of(&[2, 2, 3], &[3, 2]),
            of(&[2, 3], &[2, 3, 2]),
            of(&[2, 1, 2, 3], &[3, 3, 2]),
            of(&[2, 0], &[0, 3]),
            of(&[0, 2], &[2, 3]),
        ]
    }
}

/// Refuses shapes whose inner dimensions differ; both have at least one dimension.
pub(super) fn check_inner(a: &[usize], b: &[usize]) -> Result<()> {
    let (left, right) = (a[a.len() - 1], b[b.len().saturating_sub(2)]);
    if left == right {
        return Ok(());
    }
    let place = if b.len() == 1 { "only dimension" } else { "second-to-last" };
    Err(Error::shape(
        MatMul::NAME,
        format_args!(
            "shapes {} and {} do not fit: the last dimension of the first ({left}) must equal the {place} of the second \
             ({right})",
            Show(a),
            Show(b)
        ),
    ))
}

/// A stack of products: operands broadcast to one batch shape, and the extents of each product.
struct Stack {
    a: Array,
    b: Array,
    batch: Dims,
    extents: [usize; 3],
    shape: Dims,
}

impl Stack {
    fn new(left: &Array, right: &Array) -> Result<Self> {
        let (left_batch, left_matrix) = left.shape().split_at(left.rank() - 2);
        let (right_batch, right_matrix) = right.shape().split_at(right.rank() - 2);
        let batch = broadcast_shapes("matmul (batch dimensions)", left_batch, right_batch)?;
        let extents = [left_matrix[0], left_matrix[1], right_matrix[1]];
        let [m, k, n] = extents;
        let with = |tail: [usize; 2]| -> Dims { batch.iter().copied().chain(tail).collect() };
        let shape = with([m, n]);
        let rows = batch.iter().product::<usize>() * m;
        if right.rank() == 2
            && let Some(layout) = left.layout().reshape(&[rows, k])
        {
            // All rows against one matrix are one product.
            let extents = [rows, k, n];
            return Ok(Self { a: left.view(layout), b: right.clone(), batch: Dims::new(), extents, shape });
        }
        let left = left.expand(MatMul::NAME, &with([m, k]))?;
        let right = right.expand(MatMul::NAME, &with([k, n]))?;
        Ok(Self { a: left, b: right, batch, extents, shape })
    }

    /// How the operands move from one product to the next.
    fn strides(&self) -> [&[isize]; 2] {
        [&self.a, &self.b].map(|operand| &operand.layout().strides[..self.batch.len()])
    }
}

/// The last two dimensions of `array`, at index zero of the others.
pub(super) fn matrix<T: Native>(array: &Array) -> Matrix<'_, T> {
    let layout = array.layout();
    let [.., row_stride, col_stride] = layout.strides[..] else { unreachable!("a matrix has two dimensions") };
    Matrix { data: array.data(), offset: layout.offset, row_stride, col_stride }
}

fn floats<T: Native + GemmFloat>(a: &Array, b: &Array) -> Result<Array> {
    let stack = Stack::new(a, b)?;
    Array::build(MatMul::NAME, &stack.shape, |out: &mut [T]| {
        let [a_strides, b_strides] = stack.strides();
        let problem = Gemm::new(stack.extents, matrix(&stack.a), matrix(&stack.b), out);
        if stack.batch.is_empty() {
            gemm::gemm(problem);
        } else {
            gemm::batched(&stack.batch, a_strides, b_strides, problem);
        }
        Ok(())
    })
}

/// `a @ b` of 16-bit floats, matrices or stacks of them, with `bias` added to each row: accumulated in float32 and
/// rounded once.
fn half_product(op: &str, a: &Array, b: &Array, bias: Option<&Array>) -> Result<Array> {
    if a.dtype() == DType::BF16 && gemm::multiplies_bfloat16() {
        let stack = Stack::new(a, b)?;
        return Array::build(op, &stack.shape, |out: &mut [Bf16]| {
            let [a_strides, b_strides] = stack.strides();
            let mut problem = Gemm::new(stack.extents, matrix(&stack.a), matrix(&stack.b), out);
            if let Some(bias) = bias {
                problem.epilogue.bias = Bias::PerColumn(bias.elements());
            }
            gemm::bfloat16(&stack.batch, a_strides, b_strides, problem);
            Ok(())
        });
    }
    let wide = |x: &Array| x.cast(op, DType::F32);
    let product = floats::<f32>(&wide(a)?, &wide(b)?)?;
    let sum = match bias {
        Some(bias) => binary(op, Binary::Add, &product, &wide(bias)?)?.swap_remove(0),
        None => product,
    };
    sum.cast(op, a.dtype())
}

fn integers<T: Native + Element>(a: &Array, b: &Array) -> Result<Array> {
    let stack = Stack::new(a, b)?;
    let [m, _, n] = stack.extents;
    Array::build(MatMul::NAME, &stack.shape, |out: &mut [T]| {
        for (index, out) in out.chunks_exact_mut((m * n).max(1)).enumerate() {
            let at = |operand: &Array| {
                let mut rest = index;
                let mut layout = operand.layout().clone();
                for (d, &extent) in stack.batch.iter().enumerate().rev() {
                    layout = layout.slice(d, rest % extent, 1, 1);
                    rest /= extent;
                }
                operand.view(layout)
            };
            let (a, b) = (at(&stack.a), at(&stack.b));
            gemm::integer(Gemm::new(stack.extents, matrix(&a), matrix(&b), out));
        }
        Ok(())
    })
}

/// `a @ b` as PyTorch and numpy define it: vectors, matrices and stacks of matrices whose leading dimensions broadcast.
///
/// # Errors
/// [`Error::Shape`] for scalars and shapes that do not fit; [`Error::DType`] for bool.
pub fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.rank() >= 2 && b.rank() >= 2 {
        return apply(MatMul, &[a, b]);
    }
    if a.rank() == 0 || b.rank() == 0 {
        return Err(Error::shape(
            MatMul::NAME,
            format_args!(
                "both tensors need at least one dimension, got {} and {}; use * for a scalar",
                Show(a.shape()),
                Show(b.shape())
            ),
        ));
    }
    check_inner(a.shape(), b.shape())?;
    let row = if a.rank() == 1 { reshape(a, &[1, a.numel()])? } else { a.clone() };
    let column = if b.rank() == 1 { reshape(b, &[b.numel(), 1])? } else { b.clone() };
    let product = apply(MatMul, &[&row, &column])?;
    let mut shape = product.array().dims();
    if b.rank() == 1 {
        shape.pop();
    }
    if a.rank() == 1 {
        shape.remove(shape.len() - if b.rank() == 1 { 1 } else { 2 });
    }
    reshape(&product, &shape)
}

/// `x @ w^T + b`: the bias is added as the product is stored.
#[derive(Clone, Debug)]
pub struct Linear;

impl Operation for Linear {
    const NAME: &'static str = "linear";
    const PROMOTION: Promotion = Promotion::Common;
    const AUTOCAST: Autocast = Autocast::Lower;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, w, b) = (inputs[0], inputs[1], inputs.get(2));
        let (rows, features, outputs) = linear_extents(x, w, b.copied())?;
        let mut shape = x.dims();
        shape.pop();
        shape.push(outputs);
        let x = x.reshape(Self::NAME, &[rows, features])?;
        let b = b.map(|b| b.contiguous(Self::NAME)).transpose()?;
        if x.dtype().is_half() {
            let w = w.view(w.layout().permute(&[1, 0]));
            return Ok(single(half_product(Self::NAME, &x, &w, b.as_ref())?.reshape(Self::NAME, &shape)?));
        }
        if x.dtype() == DType::Bool {
            return Err(Error::dtype(Self::NAME, "expected numbers, got bool; convert with .float()"));
        }
        if !x.dtype().is_float() {
            let mut product = MatMul.forward(&[&x, &w.view(w.layout().permute(&[1, 0]))])?;
            if let Some(b) = &b {
                product = Add.forward(&[&product[0], b])?;
            }
            return Ok(single(product[0].reshape(Self::NAME, &shape)?));
        }
        let out = with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &shape, |out: &mut [T]| {
            let mut problem = Gemm::new([rows, features, outputs], matrix(&x), matrix(w).transposed(), out);
            if let Some(b) = &b {
                problem.epilogue = Epilogue { bias: Bias::PerColumn(b.elements()), ..Epilogue::default() };
            }
            gemm::gemm(problem);
            Ok(())
        }))?;
        Ok(single(out))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let [outputs, features] = *context.shape(1) else { unreachable!("forward checked the weight") };
        let rows = context.shape(0)[..context.shape(0).len() - 1].iter().product();
        if !mode::is_recording() {
            return products(context, grad.array(), [rows, features, outputs]);
        }
        let grad = reshape(grad, &[rows, outputs])?;
        let x =
            if context.needs(0) { Some(reshape(&matmul(&grad, &context.input(1)?)?, context.shape(0))?) } else { None };
        let w = if context.needs(1) {
            let x = reshape(&context.input(0)?, &[rows, features])?;
            Some(matmul(&transpose(&grad, 0, 1)?, &x)?)
        } else {
            None
        };
        let mut gradients: Gradients = smallvec![x, w];
        if context.len() > 2 {
            gradients.push(context.needs(2).then(|| ops::sum(&grad, &[0], false)).transpose()?);
        }
        Ok(gradients)
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(0, needs.input(1)).input_if(1, needs.input(0))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |x: &[usize], outputs: usize, bias: bool| {
            let mut inputs = vec![real(x), real(&[outputs, x[x.len() - 1]])];
            if bias {
                inputs.push(real(&[outputs]));
            }
            Sample::new(Self, inputs)
        };
        vec![
            of(&[3, 4], 2, true),
            of(&[4], 3, true),
            of(&[2, 2, 3], 2, false),
            of(&[0, 3], 2, true),
            of(&[2, 0], 2, true),
        ]
    }
}

/// The gradients of a linear layer straight from the kernels: for a small layer the detour through operations costs
/// more than the products.
fn products(context: &Context<'_>, grad: &Array, [rows, features, outputs]: [usize; 3]) -> Result<Gradients> {
    let grad = grad.reshape(Linear::NAME, &[rows, outputs])?;
    let product = |shape: &[usize], extents: [usize; 3], a: &Array, b: &Array| -> Result<Array> {
        if grad.dtype().is_half() {
            return half_product(Linear::NAME, a, b, None)?.reshape(Linear::NAME, shape);
        }
        with_float!(Linear::NAME, grad.dtype(), T => Array::build(Linear::NAME, shape, |out: &mut [T]| {
            gemm::gemm(Gemm::new(extents, matrix(a), matrix(b), out));
            Ok(())
        }))
    };
    let turned = |matrix: &Array| matrix.view(matrix.layout().permute(&[1, 0]));
    let weight = if context.needs(0) { Some(context.input(1)?) } else { None };
    let x = match &weight {
        Some(w) => Some(product(context.shape(0), [rows, outputs, features], &grad, w.array())?.into()),
        None => None,
    };
    let w = if context.needs(1) {
        let x = context.input(0)?.array().reshape(Linear::NAME, &[rows, features])?;
        // The gradient lies as the weight does, where that is known: a transposed view wants it back as it was.
        let w = if weight.is_some_and(|w| w.array().layout().strides[0] == 1 && features > 1) {
            turned(&product(&[features, outputs], [features, rows, outputs], &turned(&x), &grad)?)
        } else {
            product(context.shape(1), [outputs, rows, features], &turned(&grad), &x)?
        };
        Some(w.into())
    } else {
        None
    };
    let mut gradients: Gradients = smallvec![x, w];
    if context.len() > 2 {
        let bias = context.needs(2).then(|| float_sum(Linear::NAME, &grad, &[0], false)).transpose()?;
        gradients.push(bias.map(Tensor::from));
    }
    Ok(gradients)
}

/// Rows, features in and features out of a linear layer, checked.
fn linear_extents(x: &Array, w: &Array, b: Option<&Array>) -> Result<(usize, usize, usize)> {
    let [outputs, features] = *w.shape() else {
        return Err(Error::shape(
            Linear::NAME,
            format_args!(
                "the weight must be (out_features, in_features) or (in_features), got {} for inputs {}",
                Show(w.shape()),
                Show(x.shape())
            ),
        ));
    };
    let Some((&last, lead)) = x.shape().split_last() else {
        return Err(Error::shape(Linear::NAME, "the input needs at least one dimension, got shape ()"));
    };
    if last != features {
        return Err(Error::shape(
            Linear::NAME,
            format_args!(
                "input {} has {last} features, weight {} expects {features}{}",
                Show(x.shape()),
                Show(w.shape()),
                flatten_hint(x.shape(), features)
            ),
        ));
    }
    if let Some(b) = b.filter(|b| b.shape() != [outputs]) {
        return Err(Error::shape(
            Linear::NAME,
            format_args!("bias of shape {} for {outputs} output features, expected ({outputs},)", Show(b.shape())),
        ));
    }
    Ok((lead.iter().product(), features, outputs))
}

/// What to do where trailing dimensions together have the features that the weight expects.
fn flatten_hint(shape: &[usize], features: usize) -> String {
    let fits = |&d: &usize| shape[d..].iter().product::<usize>() == features;
    let Some(d) = (1..shape.len().saturating_sub(1)).find(fits) else { return String::new() };
    let product = shape[d..].iter().map(usize::to_string).collect::<Vec<_>>().join("*");
    format!("; flatten({d}) first: {product} = {features}")
}

/// `x @ w^T + b` for `x` of any leading dimensions, `w` of shape (out, in) and `b` of shape (out,).
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit; [`Error::DType`] for integers.
pub fn linear(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor> {
    if w.rank() == 1 && x.shape().last() == w.shape().last() {
        let y = matmul(x, w)?;
        return match b {
            None => Ok(y),
            Some(b) if b.numel() == 1 => {
                // Autocast has narrowed the product, as it does the bias of a matrix.
                let b = if y.dtype().is_half() { crate::ops::cast(b, y.dtype())? } else { b.clone() };
                crate::ops::add(&y, &crate::ops::reshape(&b, &[])?)
            }
            Some(b) => {
                let what =
                    format_args!("bias {} of weight {}, which gives one number", Show(b.shape()), Show(w.shape()));
                Err(Error::shape(Linear::NAME, what))
            }
        };
    }
    match b {
        Some(b) => apply(Linear, &[x, w, b]),
        None => apply(Linear, &[x, w]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward};
    use crate::layout::Layout;

    fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
        Array::from_slice("test", values, shape).unwrap().into()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.array().contiguous("test").unwrap().elements().to_vec()
    }

    #[test]
    fn products_of_every_rank() {
        let (a, b) = (tensor(&[1., 2., 3., 4., 5., 6.], &[2, 3]), tensor(&[1., 0., 2., 1., 0., 3.], &[3, 2]));
        assert_eq!(values(&matmul(&a, &b).unwrap()), [5., 11., 14., 23.]);
        let v = tensor(&[1., 1., 2.], &[3]);
        let product = matmul(&a, &v).unwrap();
        assert_eq!((product.shape(), values(&product)), (&[2][..], vec![9., 21.]));
        let product = matmul(&v, &b).unwrap();
        assert_eq!((product.shape(), values(&product)), (&[2][..], vec![3., 7.]));
        let product = matmul(&v, &v).unwrap();
        assert_eq!((product.shape(), values(&product)), (&[][..], vec![6.]));
        let stack = reshape(&a, &[2, 1, 3]).unwrap();
        let product = matmul(&stack, &b).unwrap();
        assert_eq!((product.shape(), values(&product)), (&[2, 1, 2][..], vec![5., 11., 14., 23.]));
        let product = matmul(&v, &reshape(&b, &[1, 3, 2]).unwrap()).unwrap();
        assert_eq!((product.shape(), values(&product)), (&[1, 2][..], vec![3., 7.]));
    }

    #[test]
    fn operands_may_be_strided() {
        let a = Array::from_slice("test", &[1f32, 2., 3., 4., 5., 6.], &[2, 3]).unwrap();
        let reversed = Tensor::from(a.view(a.layout().slice(1, 2, -1, 3)));
        let row =
            Tensor::from(a.view(Layout { shape: Dims::from_slice(&[3, 3]), strides: smallvec![0, 1], offset: 3 }));
        assert_eq!(values(&matmul(&reversed, &row).unwrap()), [24., 30., 36., 60., 75., 90.]);
        let transposed = transpose(&Tensor::from(a), 0, 1).unwrap();
        assert_eq!(values(&matmul(&reversed, &transposed).unwrap()), [10., 28., 28., 73.]);
    }

    #[test]
    fn integers_wrap_and_batch() {
        let a: Tensor = Array::from_slice("test", &[1i64, 2, 3, 4, 5, 6, 7, 8], &[2, 2, 2]).unwrap().into();
        let b: Tensor = Array::from_slice("test", &[1i64, 0, 1, 1], &[2, 2]).unwrap().into();
        assert_eq!(matmul(&a, &b).unwrap().array().elements::<i64>(), [3, 2, 7, 4, 11, 6, 15, 8]);
        assert_eq!(matmul(&b, &a).unwrap().array().elements::<i64>(), [1, 2, 4, 6, 5, 6, 12, 14]);
    }

    #[test]
    fn linear_adds_its_bias_and_differentiates() {
        let x = Tensor::leaf(Array::from_slice("test", &[1f32, 2., 3., 4.], &[2, 2]).unwrap()).unwrap();
        let w = Tensor::leaf(Array::from_slice("test", &[1f32, -1., 2., 0., 0., 1.], &[3, 2]).unwrap()).unwrap();
        let b = Tensor::leaf(Array::from_slice("test", &[10f32, 20., 30.], &[3]).unwrap()).unwrap();
        let y = linear(&x, &w, Some(&b)).unwrap();
        assert_eq!(values(&y), [9., 22., 32., 9., 26., 34.]);
        backward(&[y], &[Some(tensor(&[1., 0., 2., 0., 1., 0.], &[2, 3]))], Options::default()).unwrap();
        assert_eq!(values(&x.grad().unwrap()), [1., 1., 2., 0.]);
        assert_eq!(values(&w.grad().unwrap()), [1., 2., 3., 4., 2., 4.]);
        assert_eq!(values(&b.grad().unwrap()), [1., 1., 2.]);
    }

    #[test]
    fn messages_name_shapes_and_the_fix() {
        let zeros = |shape: &[usize]| Tensor::from(Array::zeros("test", shape, DType::F32).unwrap());
        let text = |result: Result<Tensor>| result.err().unwrap().to_string();
        assert_eq!(
            text(matmul(&zeros(&[64, 784]), &zeros(&[100, 10]))),
            "matmul: shapes (64, 784) and (100, 10) do not fit: the last dimension of the first (784) must equal the \
             second-to-last of the second (100)"
        );
        assert_eq!(
            text(linear(&zeros(&[64, 28, 28]), &zeros(&[128, 784]), None)),
            "linear: input (64, 28, 28) has 28 features, weight (128, 784) expects 784; flatten(1) first: 28*28 = 784"
        );
        assert!(matmul(&zeros(&[]), &zeros(&[2])).is_err());
        assert!(matmul(&zeros(&[2, 2, 3]), &zeros(&[3, 3, 2])).is_err());
        assert!(linear(&zeros(&[2, 3]), &zeros(&[2, 3]), Some(&zeros(&[3]))).is_err());
    }
}
