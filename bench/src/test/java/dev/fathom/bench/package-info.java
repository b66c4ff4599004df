@org.jspecify.annotations.NullMarked
package dev.fathom.bench;
