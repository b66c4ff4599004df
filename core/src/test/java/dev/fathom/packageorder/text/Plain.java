package dev.fathom.packageorder.text;

/// Uses nothing: allowed.
public record Plain(String text) {}
