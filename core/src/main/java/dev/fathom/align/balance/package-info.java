/// Learning to find a stereotype as likely as its opposite, at the least cost to all other text.
///
/// [dev.fathom.align.balance.Balance] is the method:
///
/// ```java
/// Remedy remedy = Balance.standard().fit(fitting);
/// ```
///
/// Nothing is null. One thread.
@NullMarked
package dev.fathom.align.balance;

import org.jspecify.annotations.NullMarked;
