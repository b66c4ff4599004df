/// Many vectors as points of a plane, near where they are near, and how far the plane can be
/// trusted.
@NullMarked
package dev.fathom.concepts.map;

import org.jspecify.annotations.NullMarked;
