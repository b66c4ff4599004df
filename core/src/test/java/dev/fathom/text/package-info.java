@NullMarked
package dev.fathom.text;

import org.jspecify.annotations.NullMarked;
