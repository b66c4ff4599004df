/// Methods of alignment against each other, on items none of them was fitted on; texts before and
/// after ([dev.fathom.align.study.Generations]); and the thesis' figures about bias.
@NullMarked
package dev.fathom.align.study;

import org.jspecify.annotations.NullMarked;
