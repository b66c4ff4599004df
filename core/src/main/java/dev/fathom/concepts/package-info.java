/// Concepts as directions of a model's stream: how they are read, what they tell, what they are
/// worth.
@NullMarked
package dev.fathom.concepts;

import org.jspecify.annotations.NullMarked;
