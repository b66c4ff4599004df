package dev.fathom.packageorder.stray;

/// Breaks the order on purpose: a package that nobody gave a place.
record Unplaced() {}
