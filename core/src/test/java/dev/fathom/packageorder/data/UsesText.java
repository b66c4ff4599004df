package dev.fathom.packageorder.data;

import dev.fathom.packageorder.text.Plain;

/// Looks down: allowed.
record UsesText(Plain plain) {}
