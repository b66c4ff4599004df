/// Weight files.
@NullMarked
package dev.fathom.checkpoint;

import org.jspecify.annotations.NullMarked;
