package dev.fathom.packageorder.explain;

import dev.fathom.packageorder.arch.Family;

/// Breaks the order on purpose: a method names no family, although `arch` is below.
record NamesAFamily(Family family) {}
