//! Convolution of bfloat16: summed in float32 and rounded once, where windows can be multiplied as they lie, or groups
//! have one input channel.
//!
//! AMX takes subnormal numbers for zero. Each function says whether it did what it is for; what they leave, for the
//! machine or the shape, is for float32.

#[cfg(target_arch = "x86_64")]
use super::terms;
use super::{Conv2d, Images, depthwise};
use crate::half::Bf16;
use crate::stored::Stored;

fn widened(numbers: &[Bf16]) -> Vec<f32> {
    numbers.iter().map(|x| x.load()).collect()
}

impl Conv2d {
    /// As [`Self::forward`].
    ///
    /// # Panics
    /// If a slice does not fit the shape.
    #[must_use]
    pub fn forward_bfloat16(&self, x: Images<'_, Bf16>, w: &[Bf16], bias: Option<&[Bf16]>, y: &mut [Bf16]) -> bool {
        self.check(&x, w.len(), y.len());
        assert!(bias.is_none_or(|bias| bias.len() == self.c_out), "bias per output channel");
        let bias = bias.map(widened);
        if self.is_depthwise() {
            depthwise::forward(self, x, &widened(w), bias.as_deref(), y);
            return true;
        }
        #[cfg(target_arch = "x86_64")]
        {
            terms::forward(self, x.bits(), Bf16::bits(w), bias.as_deref(), Bf16::bits_mut(y))
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// As [`Self::grad_input`].
    ///
    /// # Panics
    /// If a slice does not fit the shape.
    #[must_use]
    pub fn grad_input_bfloat16(&self, gy: Images<'_, Bf16>, w: &[Bf16], gx: &mut [Bf16]) -> bool {
        self.check_output(&gy, w.len());
        assert_eq!(gx.len(), self.n * self.c_in * self.h * self.w, "gradient of the input");
        if self.is_depthwise() {
            depthwise::grad_input(self, gy, &widened(w), gx);
            return true;
        }
        #[cfg(target_arch = "x86_64")]
        {
            terms::grad_input(self, gy.bits(), Bf16::bits(w), Bf16::bits_mut(gx))
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// As [`Self::grad_weight`].
    ///
    /// # Panics
    /// If a slice does not fit the shape.
    #[must_use]
    pub fn grad_weight_bfloat16(&self, gy: Images<'_, Bf16>, x: Images<'_, Bf16>, gw: &mut [Bf16]) -> bool {
        self.check_output(&gy, gw.len());
        x.check([self.n, self.c_in, self.h, self.w]);
        if self.is_depthwise() {
            depthwise::grad_weight(self, gy, x, gw);
            return true;
        }
        #[cfg(target_arch = "x86_64")]
        {
            terms::grad_weight(self, gy.bits(), x.bits(), Bf16::bits_mut(gw))
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

#[cfg(target_arch = "x86_64")]
impl<'a> Images<'a, Bf16> {
    fn bits(&self) -> Images<'a, u16> {
        Images { data: Bf16::bits(self.data), offset: self.offset, strides: self.strides }
    }
}
