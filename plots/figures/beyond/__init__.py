"""Beyond the paper: figures of experiments that the paper does not have."""
