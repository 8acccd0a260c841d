"""The certificate: bounds that no composition and no dispatch policy can beat (docs/proofs.md)."""
