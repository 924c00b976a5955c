"""Model: cells, layers and the network. Tensors in, tensors out."""
