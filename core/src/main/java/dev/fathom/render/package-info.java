/// Draws views.
@NullMarked
package dev.fathom.render;

import org.jspecify.annotations.NullMarked;
