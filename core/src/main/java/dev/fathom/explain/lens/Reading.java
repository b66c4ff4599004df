package dev.fathom.explain.lens;

import dev.fathom.tensor.Tensor;

/// What a lens makes of the streams before the head reads them: nothing, or the translation that a
/// [TunedLens] has learnt.
public sealed interface Reading permits TunedLens, Reading.Logit {
  /// The logit lens: streams as they are.
  Reading LOGIT = new Logit();

  /// How people call it.
  String name();

  /// Streams `[layers + 1, positions, dModel]` as the head is to read them, in the current scope.
  Tensor of(Tensor streams);

  /// The logit lens.
  record Logit() implements Reading {
    @Override
    public String name() {
      return "logit lens";
    }

    @Override
    public Tensor of(Tensor streams) {
      return streams;
    }
  }
}
