//! The gradient of the input at unit steps: a convolution of the output's gradient with the weights turned round.
//!
//! Every element of the input then gathers what its windows give back, in one product that is stored once; nothing is
//! added up in memory as in [`fold`](super::fold), which is for steps of more than one pixel.

use super::{Conv2d, Images};
use crate::gemm::GemmFloat;
use crate::memory::Buffer;
use crate::parallel::{Disjoint, for_each};

/// Input channels of a group that make a product worth it: fewer rows than this leave registers empty.
const CHANNELS: usize = 12;

/// Whether the gradient of the input can be had, and well, by turning the weights.
pub(super) fn suits(conv: &Conv2d) -> bool {
    let (reach, (oh, ow)) = (conv.reach(), conv.out_size());
    // Windows over the edge multiply zeros: beside the image, where they are multiplied in place, and above and below it
    // as well otherwise. To fold takes twice the time of the products.
    let pixels = [conv.h * conv.w, oh * ow];
    let few_beside = !is_in_terms() && 10 * conv.w <= 17 * ow && 2 * pixels[0] <= 5 * pixels[1];
    let few_zeros = few_beside || 4 * pixels[0] <= 5 * pixels[1];
    few_zeros
        && conv.stride == [1, 1]
        && conv.taps() > 0
        && conv.c_in / conv.groups >= CHANNELS
        && (0..2).all(|d| conv.padding[d] <= reach[d])
}

/// Whether convolutions of float32 are products in terms here, which fold quicker.
fn is_in_terms() -> bool {
    #[cfg(target_arch = "x86_64")]
    return crate::gemm::terms().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

pub(super) fn grad_input<T: GemmFloat>(conv: &Conv2d, gy: Images<'_, T>, w: &[T], gx: &mut [T]) {
    let ((oh, ow), reach) = (conv.out_size(), conv.reach());
    let padding = [reach[0] - conv.padding[0], reach[1] - conv.padding[1]];
    let turned = Conv2d { c_in: conv.c_out, h: oh, w: ow, c_out: conv.c_in, padding, ..*conv };
    #[cfg(target_arch = "x86_64")]
    if super::sliding::forward_turned(&turned, gy, w, gx) {
        return;
    }
    turned.forward(gy, turn(conv, w).as_slice::<T>(), None, gx);
}

/// The weights turned round.
fn turn<T: GemmFloat>(conv: &Conv2d, w: &[T]) -> Buffer {
    let taps = conv.kh * conv.kw;
    let (inputs, outputs) = (conv.c_in / conv.groups, conv.c_out / conv.groups);
    let mut buffer = Buffer::uninit(size_of_val(w));
    let parts = Disjoint::new(buffer.as_mut_slice::<T>());
    for_each(conv.c_in, w.len(), |channel| {
        // SAFETY: each task has the weights of its channel.
        let to = unsafe { parts.slice(channel * outputs * taps..(channel + 1) * outputs * taps) };
        let (group, input) = (channel / inputs, channel % inputs);
        for (output, to) in to.chunks_exact_mut(taps).enumerate() {
            let from = &w[((group * outputs + output) * inputs + input) * taps..][..taps];
            for (to, &x) in to.iter_mut().zip(from.iter().rev()) {
                *to = x;
            }
        }
    });
    buffer
}
