package dev.fathom.packageorder.arch;

/// Stands for a model family: allowed.
public record Family(String name) {}
