/// Finding where bias lives in a model, and making it less: methods that are fitted on some items
/// and give a [Remedy], which is measured on others.
@NullMarked
package dev.fathom.align;

import org.jspecify.annotations.NullMarked;
