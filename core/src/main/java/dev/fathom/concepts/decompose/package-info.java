/// An activation as a sum of few concepts' directions.
@NullMarked
package dev.fathom.concepts.decompose;

import org.jspecify.annotations.NullMarked;
