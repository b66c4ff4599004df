/// Methods of alignment against each other, on items none of them was fitted on.
@NullMarked
package dev.fathom.align.study;

import org.jspecify.annotations.NullMarked;
