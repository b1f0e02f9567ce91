//! The input's gradient: each phase of the input, the rows and columns that are equal modulo the stride, is a convolution of
//! the output's gradient at unit steps, by the part of the kernel that meets it, turned round.

use super::forward::{Filters, USES, convolve};
use crate::conv::{Conv2d, Images};
use crate::gemm::windows::Pixel;
use crate::gemm::with_scratch;
use crate::isa::{Kernel, Simd, dispatch};
use crate::parallel::{Disjoint, for_each};

/// Does the gradient, unless the machine, the setting, the shape or the numbers speak for another route. Says whether it
/// did.
pub(in crate::conv) fn grad_input<T: Pixel>(conv: &Conv2d, gy: Images<'_, T>, w: &[T], gx: &mut [T]) -> bool {
    if T::terms().is_none() || conv.groups != 1 || gx.is_empty() {
        return false;
    }
    // Of more phases than rows or columns, most are empty.
    if conv.stride[0] > conv.h || conv.stride[1] > conv.w {
        return false;
    }
    let [down, across] = [0, 1].map(|d| (0..conv.stride[d]).map(|phase| Part::of(conv, d, phase)).collect::<Vec<_>>());
    // Each phase splits all of the gradient.
    let uses = conv.c_in * conv.kh * conv.kw / (conv.stride[0] * conv.stride[1]);
    if !T::ONE_TERM && uses < USES[0] {
        return false;
    }
    if conv.stride == [1, 1] {
        let [Some(down), Some(across)] = [down[0], across[0]] else { return false };
        return part(conv, [down, across], gy, w, gx);
    }
    let pairs: Vec<_> = down.iter().flat_map(|down| across.iter().map(move |across| down.zip(*across))).collect();
    let len =
        |pair: &Option<(Part, Part)>| pair.map_or(0, |(down, across)| conv.n * conv.c_in * down.size * across.size);
    with_scratch(pairs.iter().map(len).sum(), |start: *mut T| {
        let mut parts = Vec::with_capacity(pairs.len());
        let mut next = start;
        for pair in &pairs {
            let Some((down, across)) = *pair else {
                parts.push(None);
                continue;
            };
            // SAFETY: the scratch has room for all parts.
            let to = unsafe { std::slice::from_raw_parts_mut(next, len(pair)) };
            next = next.wrapping_add(to.len());
            if !part(conv, [down, across], gy, w, to) {
                return false;
            }
            parts.push(Some(&*to));
        }
        let all = Disjoint::new(gx);
        let pixels = conv.h * conv.w;
        for_each(conv.n * conv.c_in, conv.n * conv.c_in * pixels / 8, |nth| {
            // SAFETY: each task has a channel of an image.
            let plane = unsafe { all.slice(nth * pixels..(nth + 1) * pixels) };
            dispatch(Interleave { conv, parts: &parts, nth, plane });
        });
        true
    })
}

/// Along one dimension, the elements of the kernel that meet a phase of the input.
#[derive(Clone, Copy)]
struct Part {
    /// The last of them, how far they are apart, and how many there are.
    last: usize,
    apart: usize,
    count: usize,
    /// Extent of the phase.
    size: usize,
    /// Between neighbours of the output's gradient that meet them.
    dilation: usize,
    /// Zeros in front of the gradient, or if negative how much of it is left out.
    padding: isize,
}

impl Part {
    /// `None` if there is none.
    fn of(conv: &Conv2d, d: usize, phase: usize) -> Option<Self> {
        let (stride, step, kernel) = (conv.stride[d], conv.dilation[d], [conv.kh, conv.kw][d]);
        let behind = phase + conv.padding[d];
        let mut meeting = (0..kernel).filter(|i| (i * step) % stride == behind % stride);
        let first = meeting.next()?;
        let (count, last) = meeting.fold((1, first), |(count, _), i| (count + 1, i));
        let apart = (last - first) / (count - 1).max(1);
        let size = [conv.h, conv.w][d].saturating_sub(phase).div_ceil(stride);
        let dilation = (apart * step / stride).max(1);
        let nearest = (behind.cast_signed() - (first * step).cast_signed()) / stride.cast_signed();
        Some(Self { last, apart, count, size, dilation, padding: ((count - 1) * dilation).cast_signed() - nearest })
    }
}

/// Computes one phase of the gradient.
fn part<T: Pixel>(conv: &Conv2d, parts: [Part; 2], gy: Images<'_, T>, w: &[T], to: &mut [T]) -> bool {
    let (oh, ow) = conv.out_size();
    let [down, across] = parts;
    if to.is_empty() {
        return true;
    }
    let turned = |part: Part| (0..part.count).map(move |nth| part.last - nth * part.apart);
    let places = turned(down).flat_map(|i| turned(across).map(move |j| i * conv.kw + j)).collect();
    let filters = Filters { w, output: conv.kh * conv.kw, input: conv.taps(), places };
    let padding = parts.map(|part| part.padding.max(0).unsigned_abs());
    let left_out = parts.map(|part| part.padding.min(0).unsigned_abs());
    let start: isize = (0..2).map(|d| left_out[d].cast_signed() * gy.strides[2 + d]).sum();
    let gy = Images { offset: gy.offset.wrapping_add_signed(start), ..gy };
    let turned = Conv2d {
        n: conv.n,
        c_in: conv.c_out,
        h: oh.saturating_sub(left_out[0]),
        w: ow.saturating_sub(left_out[1]),
        c_out: conv.c_in,
        kh: down.count,
        kw: across.count,
        stride: [1, 1],
        padding,
        dilation: [down.dilation, across.dilation],
        groups: 1,
    };
    convolve(&turned, [down.size, across.size], gy, &filters, None, to)
}

/// Brings the phases of a plane together.
struct Interleave<'a, T> {
    conv: &'a Conv2d,
    parts: &'a [Option<&'a [T]>],
    nth: usize,
    plane: &'a mut [T],
}

impl<T: Pixel> Kernel for Interleave<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { conv, parts, nth, plane } = self;
        let [down, across] = conv.stride;
        for (y, line) in plane.chunks_exact_mut(conv.w).enumerate() {
            let rows = (conv.h - y % down).div_ceil(down);
            let parts = &parts[y % down * across..][..across];
            if let [Some(left), Some(right)] = parts {
                let first = nth * rows + y / down;
                let (more, less) = (conv.w.div_ceil(2), conv.w / 2);
                let left = &left[first * more..][..more];
                let right = &right[first * less..][..less];
                let (pairs, last) = line.as_chunks_mut::<2>();
                for (i, pair) in pairs.iter_mut().enumerate() {
                    *pair = [left[i], right[i]];
                }
                last.copy_from_slice(&left[less..]);
                continue;
            }
            for (phase, part) in parts.iter().enumerate().take(conv.w) {
                let columns = (conv.w - phase).div_ceil(across);
                let from = (nth * rows + y / down) * columns;
                match part {
                    Some(part) => {
                        let from = &part[from..from + columns];
                        for (i, &x) in from.iter().enumerate() {
                            line[i * across + phase] = x;
                        }
                    }
                    None => {
                        for i in 0..columns {
                            line[i * across + phase] = T::ZERO;
                        }
                    }
                }
            }
        }
    }
}
