//! The limits of this machine, printed.

use dlcore_kernels::roofline::{flops, read_bandwidth};

fn main() {
    println!("{:>10.1} GFLOP/s", flops() / 1e9);
    for kib in [16, 256, 1024, 16 << 10, 256 << 10] {
        println!("{:>10.1} GB/s read of {kib} KiB", read_bandwidth(kib << 10) / 1e9);
    }
}
