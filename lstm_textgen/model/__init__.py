"""The network: cells, layers, the stack. Tensors in, tensors out."""
