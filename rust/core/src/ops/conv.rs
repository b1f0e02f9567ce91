//! Two-dimensional convolution and its two gradients, each an operation of its own.
//!
//! Output, gradient of the input and gradient of the weight are linear in each of the two arrays they are made of, and
//! differentiating any of the three gives the other two: so derivatives of every order exist.

use crate::array::{Array, Native};
use crate::autograd::node::Gradients;
use crate::autograd::op::{Autocast, Context, Halves, Needs, Operation, Outputs, Promotion, Saves, apply};
use crate::autograd::tensor::Tensor;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layout::Show;
use crate::ops::arithmetic::Add;
use crate::ops::conv_integer;
use crate::ops::sample::{Params, Sample, real, single};
use crate::ops::{self, reshape};
use crate::with_float;
use dlcore_kernels::conv::{Conv2d as Shape, Images};
use dlcore_kernels::half::Bf16;
use smallvec::smallvec;

/// Above any extent that fits memory, and far from the end of the integers that steps and extents are multiplied in.
const LIMIT: usize = 1 << 40;

/// How the window of a convolution moves. Pairs are (vertical, horizontal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// From one window to the next.
    pub stride: [usize; 2],
    /// Zeros added on each side.
    pub padding: [usize; 2],
    /// From one element of the window to the next.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for Convolution {
    fn default() -> Self {
        Self { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }
    }
}

impl Convolution {
    /// The whole shape for input `x` and weight `w`, checked.
    fn shape(&self, op: &str, x: &[usize], w: &[usize]) -> Result<Shape> {
        let (&[n, c_in, h, width], &[c_out, group_in, kh, kw]) = (x, w) else {
            return Err(Error::shape(
                op,
                format_args!(
                    "expected an input (batch, channels, height, width) and a weight (out, in / groups, height, width), \
                     got {} and {}",
                    Show(x),
                    Show(w)
                ),
            ));
        };
        let Self { stride, padding, dilation, groups } = *self;
        let possible = |steps: [usize; 2]| steps.iter().all(|step| (1..LIMIT).contains(step));
        if groups == 0 || !possible(stride) || !possible(dilation) {
            return Err(Error::value(
                op,
                format_args!("stride, dilation and groups must be at least 1 (and below {LIMIT})"),
            ));
        }
        if Some(c_in) != group_in.checked_mul(groups) {
            return Err(Error::shape(op, channels_message(x, w, groups)));
        }
        if c_out % groups != 0 {
            return Err(Error::shape(
                op,
                format_args!("{c_out} output channel(s) of weight {} do not divide into {groups} groups", Show(w)),
            ));
        }
        for (extent, kernel, d) in [(h, kh, 0), (width, kw, 1)] {
            let padded = padding[d].checked_mul(2).and_then(|p| p.checked_add(extent));
            let reach = kernel.checked_sub(1).and_then(|k| k.checked_mul(dilation[d])).and_then(|r| r.checked_add(1));
            if !matches!((padded, reach), (Some(padded), Some(reach)) if reach <= padded && padded < LIMIT) {
                return Err(Error::shape(
                    op,
                    format_args!(
                        "a kernel of ({kh}, {kw}) with dilation {} does not fit into the input {h} x {width} with padding {}",
                        Show(&dilation),
                        Show(&padding)
                    ),
                ));
            }
        }
        Ok(Shape { n, c_in, h, w: width, c_out, kh, kw, stride, padding, dilation, groups })
    }

    fn params(&self) -> Params {
        vec![
            ("stride", self.stride.as_slice().into()),
            ("padding", self.padding.as_slice().into()),
            ("dilation", self.dilation.as_slice().into()),
            ("groups", self.groups.into()),
        ]
    }
}

/// What does not fit about the channels, and what may be meant.
fn channels_message(x: &[usize], w: &[usize], groups: usize) -> String {
    let expected = w[1].saturating_mul(groups);
    let hint = if x[3] == expected {
        "; the input looks like (batch, height, width, channels): permute(0, 3, 1, 2) it first"
    } else {
        ""
    };
    format!(
        "input has {} channel(s), weight expects {expected} (groups={groups}); input {}, weight {}{hint}",
        x[1],
        Show(x),
        Show(w)
    )
}

/// A rank-4 array as the kernels take it.
fn images<T: Native>(array: &Array) -> Images<'_, T> {
    let layout = array.layout();
    let [image, channel, row, column] = layout.strides[..] else { unreachable!("shapes were checked to be rank 4") };
    Images { data: array.data(), offset: layout.offset, strides: [image, channel, row, column] }
}

/// What `fill` makes of bfloat16 inputs, where the kernels have a route for it and it says so.
fn bfloat16(
    op: &str,
    inputs: &[&Array],
    shape: &[usize],
    fill: impl FnOnce(&mut [Bf16]) -> bool,
) -> Result<Option<Array>> {
    let elements = || inputs.iter().map(|x| x.shape()).chain([shape]).all(|shape| shape.iter().product::<usize>() > 0);
    if inputs.iter().any(|x| x.dtype() != DType::BF16) || !elements() {
        return Ok(None);
    }
    let mut done = false;
    let out = Array::build(op, shape, |out| {
        done = fill(out);
        Ok(())
    })?;
    Ok(done.then_some(out))
}

/// Extents of the output.
fn out_shape(shape: &Shape) -> [usize; 4] {
    let (height, width) = shape.out_size();
    [shape.n, shape.c_out, height, width]
}

/// The convolutions that samples cover, with input and weight.
fn cases() -> Vec<(Convolution, [usize; 4], [usize; 4])> {
    let plain = Convolution::default();
    vec![
        (plain, [2, 2, 4, 3], [3, 2, 3, 2]),
        (Convolution { stride: [2, 1], padding: [1, 2], ..plain }, [1, 1, 4, 3], [2, 1, 3, 3]),
        (Convolution { dilation: [2, 1], groups: 2, ..plain }, [1, 4, 5, 2], [2, 2, 2, 2]),
        (Convolution { padding: [1, 1], groups: 2, ..plain }, [1, 2, 3, 3], [2, 1, 3, 3]),
        (plain, [0, 2, 3, 3], [1, 2, 2, 2]),
    ]
}

/// The gradient's shape must be the output's.
fn check_output(op: &str, shape: &Shape, found: &[usize]) -> Result<()> {
    let expected = out_shape(shape);
    if found == expected {
        return Ok(());
    }
    Err(Error::shape(op, format_args!("expected a gradient of {}, got {}", Show(&expected), Show(found))))
}

/// Convolution (cross-correlation, as everywhere in deep learning) of x and weight, plus a bias for each output channel
/// if there is a third input.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// How the window moves.
    pub convolution: Convolution,
}

impl Operation for Conv2d {
    const NAME: &'static str = "conv2d";
    const PROMOTION: Promotion = Promotion::Common;
    const AUTOCAST: Autocast = Autocast::Lower;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (x, w, bias) = (inputs[0], inputs[1], inputs.get(2));
        let shape = self.convolution.shape(Self::NAME, x.shape(), w.shape())?;
        if let Some(bias) = bias.filter(|bias| bias.shape() != [shape.c_out]) {
            return Err(Error::shape(
                Self::NAME,
                format_args!("bias of shape {} for {} output channels", Show(bias.shape()), shape.c_out),
            ));
        }
        if x.dtype().is_narrow() {
            let (w, bias) = (w.contiguous(Self::NAME)?, bias.map(|bias| bias.contiguous(Self::NAME)).transpose()?);
            let y = bfloat16(Self::NAME, inputs, &out_shape(&shape), |y| {
                shape.forward_bfloat16(images(x), w.elements(), bias.as_ref().map(Array::elements), y)
            })?;
            return y.map_or_else(|| Halves::Widened.forward(inputs, &|wide| self.forward(wide)), |y| Ok(single(y)));
        }
        if !x.dtype().is_float() {
            let y = conv_integer::forward(Self::NAME, x, w, &self.convolution)?;
            let Some(bias) = bias else { return Ok(single(y)) };
            return Add.forward(&[&y, &bias.reshape(Self::NAME, &[shape.c_out, 1, 1])?]);
        }
        let w = w.contiguous(Self::NAME)?;
        let bias = bias.map(|bias| bias.contiguous(Self::NAME)).transpose()?;
        let y = with_float!(Self::NAME, x.dtype(), T => Array::build(Self::NAME, &out_shape(&shape), |y: &mut [T]| {
            if !y.is_empty() {
                shape.forward(images(x), w.elements(), bias.as_ref().map(Array::elements), y);
            }
            Ok(())
        }))?;
        Ok(single(y))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let convolution = self.convolution;
        let x = if context.needs(0) {
            let [_, _, height, width] = *context.shape(0) else { unreachable!("forward checked the rank") };
            Some(apply(Conv2dGradInput { convolution, size: [height, width] }, &[grad, &context.input(1)?])?)
        } else {
            None
        };
        let w = if context.needs(1) {
            let [_, _, height, width] = *context.shape(1) else { unreachable!("forward checked the rank") };
            Some(apply(Conv2dGradWeight { convolution, kernel: [height, width] }, &[grad, &context.input(0)?])?)
        } else {
            None
        };
        let mut gradients: Gradients = smallvec![x, w];
        if context.len() > 2 {
            gradients.push(context.needs(2).then(|| ops::sum(grad, &[0, 2, 3], false)).transpose()?);
        }
        Ok(gradients)
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(0, needs.input(1)).input_if(1, needs.input(0))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |(i, (convolution, x, w)): (usize, (_, [usize; 4], [usize; 4]))| {
            let mut inputs = vec![real(&x), real(&w)];
            if i % 2 == 0 {
                inputs.push(real(&w[..1]));
            }
            Sample::new(Self { convolution }, inputs)
        };
        cases().into_iter().enumerate().map(of).collect()
    }

    fn params(&self) -> Params {
        self.convolution.params()
    }
}

/// Gradient of a convolution's input, from that of the output and the weight.
#[derive(Clone, Debug)]
pub struct Conv2dGradInput {
    /// How the window moves.
    pub convolution: Convolution,
    /// Height and width of the input.
    pub size: [usize; 2],
}

impl Operation for Conv2dGradInput {
    const NAME: &'static str = "conv2d_grad_input";
    const PROMOTION: Promotion = Promotion::Common;

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (g, w) = (inputs[0], inputs[1]);
        let (&[n, ..], &[_, group_in, ..]) = (g.shape(), w.shape()) else {
            return Err(Error::shape(Self::NAME, "expected a gradient and a weight of four dimensions"));
        };
        let x = [n, group_in.saturating_mul(self.convolution.groups), self.size[0], self.size[1]];
        let shape = self.convolution.shape(Self::NAME, &x, w.shape())?;
        check_output(Self::NAME, &shape, g.shape())?;
        if g.dtype().is_narrow() {
            let w = w.contiguous(Self::NAME)?;
            let gx = bfloat16(Self::NAME, inputs, &x, |gx| shape.grad_input_bfloat16(images(g), w.elements(), gx))?;
            return gx.map_or_else(|| Halves::Widened.forward(inputs, &|wide| self.forward(wide)), |gx| Ok(single(gx)));
        }
        if !g.dtype().is_float() {
            return Ok(single(conv_integer::transposed(Self::NAME, g, w, &self.convolution, self.size)?));
        }
        let w = w.contiguous(Self::NAME)?;
        let gx = with_float!(Self::NAME, g.dtype(), T => Array::build(Self::NAME, &x, |gx: &mut [T]| {
            if !gx.is_empty() {
                shape.grad_input(images(g), w.elements(), gx);
            }
            Ok(())
        }))?;
        Ok(single(gx))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let convolution = self.convolution;
        let g = if context.needs(0) { Some(apply(Conv2d { convolution }, &[grad, &context.input(1)?])?) } else { None };
        let w = if context.needs(1) {
            let [_, _, height, width] = *context.shape(1) else { unreachable!("forward checked the rank") };
            Some(apply(Conv2dGradWeight { convolution, kernel: [height, width] }, &[&context.input(0)?, grad])?)
        } else {
            None
        };
        Ok(smallvec![g, w])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(0, needs.input(1)).input_if(1, needs.input(0))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |(convolution, x, w): (Convolution, [usize; 4], [usize; 4])| {
            let shape = convolution.shape(Self::NAME, &x, &w).ok()?;
            Some(Sample::new(Self { convolution, size: [x[2], x[3]] }, [real(&out_shape(&shape)), real(&w)]))
        };
        cases().into_iter().filter_map(of).collect()
    }

    fn params(&self) -> Params {
        let mut params = self.convolution.params();
        params.push(("size", self.size.as_slice().into()));
        params
    }
}

/// Gradient of a convolution's weight, from that of the output and the input.
#[derive(Clone, Debug)]
pub struct Conv2dGradWeight {
    /// How the window moves.
    pub convolution: Convolution,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
}

impl Operation for Conv2dGradWeight {
    const NAME: &'static str = "conv2d_grad_weight";

    fn halves(&self) -> Halves {
        Halves::Stored
    }

    fn forward(&self, inputs: &[&Array]) -> Result<Outputs> {
        let (g, x) = (inputs[0], inputs[1]);
        let (&[_, c_out, ..], &[_, c_in, ..]) = (g.shape(), x.shape()) else {
            return Err(Error::shape(Self::NAME, "expected a gradient and an input of four dimensions"));
        };
        let w = [c_out, c_in / self.convolution.groups.max(1), self.kernel[0], self.kernel[1]];
        let shape = self.convolution.shape(Self::NAME, x.shape(), &w)?;
        check_output(Self::NAME, &shape, g.shape())?;
        if g.dtype().is_narrow() {
            let gw = bfloat16(Self::NAME, inputs, &w, |gw| shape.grad_weight_bfloat16(images(g), images(x), gw))?;
            return gw.map_or_else(|| Halves::Widened.forward(inputs, &|wide| self.forward(wide)), |gw| Ok(single(gw)));
        }
        let gw = with_float!(Self::NAME, g.dtype(), T => Array::build(Self::NAME, &w, |gw: &mut [T]| {
            if g.numel() == 0 {
                gw.fill(0.0);
            } else if !gw.is_empty() {
                shape.grad_weight(images(g), images(x), gw);
            }
            Ok(())
        }))?;
        Ok(single(gw))
    }

    fn backward(&self, context: &Context<'_>, grad: &Tensor) -> Result<Gradients> {
        let convolution = self.convolution;
        let g = if context.needs(0) { Some(apply(Conv2d { convolution }, &[&context.input(1)?, grad])?) } else { None };
        let x = if context.needs(1) {
            let [_, _, height, width] = *context.shape(1) else { unreachable!("forward checked the rank") };
            Some(apply(Conv2dGradInput { convolution, size: [height, width] }, &[&context.input(0)?, grad])?)
        } else {
            None
        };
        Ok(smallvec![g, x])
    }

    fn saves(&self, needs: Needs) -> Saves {
        Saves::NOTHING.input_if(0, needs.input(1)).input_if(1, needs.input(0))
    }

    fn samples() -> Vec<Sample<Self>> {
        let of = |(convolution, x, w): (Convolution, [usize; 4], [usize; 4])| {
            let shape = convolution.shape(Self::NAME, &x, &w).ok()?;
            Some(Sample::new(Self { convolution, kernel: [w[2], w[3]] }, [real(&out_shape(&shape)), real(&x)]))
        };
        cases().into_iter().filter_map(of).collect()
    }

    fn params(&self) -> Params {
        let mut params = self.convolution.params();
        params.push(("kernel", self.kernel.as_slice().into()));
        params
    }
}

/// Convolution of `x` (batch, in, height, width), or one image without the batch, with `w` (out, in / groups, height,
/// width), plus a bias for each output channel.
///
/// # Errors
/// [`Error::Shape`] where shapes do not fit, [`Error::Value`] for impossible steps, [`Error::DType`] for integers.
pub fn conv2d(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, convolution: Convolution) -> Result<Tensor> {
    let op = Conv2d { convolution };
    let convolve = |x: &Tensor| match bias {
        Some(bias) => apply(op, &[x, w, bias]),
        None => apply(op, &[x, w]),
    };
    if let &[channels, height, width] = x.shape() {
        let y = convolve(&reshape(x, &[1, channels, height, width])?)?;
        return reshape(&y, &y.shape()[1..]);
    }
    convolve(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autograd::engine::{Options, backward};
    use crate::dtype::{DType, Scalar};

    fn tensor(values: &[f32], shape: &[usize]) -> Tensor {
        Tensor::leaf(Array::from_slice("test", values, shape).unwrap()).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.array().contiguous("test").unwrap().elements().to_vec()
    }

    #[test]
    fn a_known_convolution_and_its_gradients() {
        let x = tensor(&[1., 2., 3., 4., 5., 6., 7., 8., 9.], &[1, 1, 3, 3]);
        let (w, b) = (tensor(&[1., 0., 0., -1.], &[1, 1, 2, 2]), tensor(&[10.], &[1]));
        let y = conv2d(&x, &w, Some(&b), Convolution::default()).unwrap();
        assert_eq!(values(&y), [6., 6., 6., 6.]);
        backward(&[y], &[Some(tensor(&[1., 2., 3., 4.], &[1, 1, 2, 2]).detach())], Options::default()).unwrap();
        assert_eq!(values(&x.grad().unwrap()), [1., 2., 0., 3., 3., -2., 0., -3., -4.]);
        assert_eq!(values(&w.grad().unwrap()), [37., 47., 67., 77.]);
        assert_eq!(values(&b.grad().unwrap()), [10.]);
    }

    #[test]
    fn one_image_needs_no_batch() {
        let x = tensor(&[1., 2., 3., 4.], &[1, 2, 2]);
        let w = tensor(&[1., 1.], &[2, 1, 1, 1]);
        let y = conv2d(&x, &w, None, Convolution { stride: [2, 1], ..Convolution::default() }).unwrap();
        assert_eq!((y.shape(), values(&y)), (&[2, 1, 2][..], vec![1., 2., 1., 2.]));
    }

    #[test]
    fn messages_name_channels_and_the_fix() {
        let zeros = |shape: &[usize]| Tensor::from(Array::full("test", shape, Scalar::Float(0.0), DType::F32).unwrap());
        let text = |x: &[usize], w: &[usize], convolution| {
            conv2d(&zeros(x), &zeros(w), None, convolution).err().unwrap().to_string()
        };
        let plain = Convolution::default();
        assert_eq!(
            text(&[2, 1, 8, 8], &[4, 3, 3, 3], plain),
            "conv2d: input has 1 channel(s), weight expects 3 (groups=1); input (2, 1, 8, 8), weight (4, 3, 3, 3)"
        );
        assert!(text(&[2, 8, 8, 3], &[4, 3, 3, 3], plain).ends_with("permute(0, 3, 1, 2) it first"));
        assert!(text(&[1, 1, 2, 8], &[1, 1, 3, 3], plain).contains("does not fit into the input 2 x 8"));
        assert!(text(&[1, 2, 4, 4], &[3, 1, 3, 3], Convolution { groups: 2, ..plain }).contains("2 groups"));
        assert!(text(&[4, 4], &[3, 1, 3, 3], plain).contains("got (4, 4)"));
        for stride in [[0, 1], [1, usize::MAX]] {
            assert!(text(&[1, 1, 4, 4], &[1, 1, 3, 3], Convolution { stride, ..plain }).contains("at least 1"));
        }
        text(&[1, 1, 4, 4], &[1, 1, 3, 3], Convolution { padding: [usize::MAX, 0], ..plain });
        text(&[1, 1, 4, 4], &[1, 1, 0, 3], plain);
    }
}
