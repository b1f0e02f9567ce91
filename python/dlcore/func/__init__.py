"""Functions that make functions: derivatives and batches, under the names of ``torch.func``.

Arguments and results are tensors, or dictionaries, lists and tuples of them, as a model's parameters by name.

There is no tracing: a function is called as it is, on tensors. `vmap` calls it once for each entry, so it saves writing
the loop and not its time; where that counts, write the function for batches, as most of dlcore's are.
"""

from __future__ import annotations

from dlcore.func.batches import vmap
from dlcore.func.derivatives import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp
from dlcore.func.modules import functional_call, stack_module_state

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]
