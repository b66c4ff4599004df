package dev.fathom.packageorder.view;

import dev.fathom.packageorder.text.Plain;

/// Breaks the order on purpose: `view` uses nothing.
record LooksUp(Plain plain) {}
