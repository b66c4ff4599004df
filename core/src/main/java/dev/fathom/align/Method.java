package dev.fathom.align;

import java.util.SequencedMap;

/// A way to make a model less biased, with all its settings: fitted on some items, it gives a
/// [Remedy]. Equal methods give equal remedies on the same [Fitting].
///
/// What a method does is described where it is implemented; whether it helps, only a comparison
/// with others on items it was not fitted on can say.
public interface Method {
  /// What it is called on the command line and in tables.
  String name();

  /// What it was set to, by name; empty where there is nothing to set.
  SequencedMap<String, String> settings();

  /// Finds what is to be done to the model of a fitting.
  ///
  /// @throws IllegalArgumentException if the fitting has too little of what the method needs
  Remedy fit(Fitting fitting);
}
