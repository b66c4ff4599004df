/// Learning to find a stereotype as likely as its opposite, at the least cost to all other text.
@NullMarked
package dev.fathom.align.balance;

import org.jspecify.annotations.NullMarked;
