//! Tensors from nothing: filled, counted, random.
