/// Fathom: explains, refines and aligns transformer language models.
@org.jspecify.annotations.NullMarked
package dev.fathom;
