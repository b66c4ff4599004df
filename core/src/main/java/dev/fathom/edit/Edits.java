package dev.fathom.edit;

import dev.fathom.FathomException;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Applies edits to a model, as a scope:
///
/// ```java
/// try (Transformer edited = Edits.apply(model, List.of(edit.at(0.5)))) {
///   LogitLens.run(edited, tokenizer, prompt, config);
/// }
/// ```
///
/// The model itself never changes. The edited one shares every tensor that no edit touches, needs
/// the model to stay open, and frees what was made for it when it is closed. It is called after the
/// model and its edits, and has a fingerprint of its own, so results tell what they were measured
/// on. Touched matrices have prepared copies of their own.
public final class Edits {
  private Edits() {}

  /// The model with these edits, made one after another.
  ///
  /// @throws FathomException if an edit was made from another model, or does not fit this one. Each
  ///   must have been made from `model`, or from `model` with the edits before it
  public static Transformer apply(Transformer model, List<Edit> edits) {
    Identity identity = Identity.of(model, edits);
    Map<String, Stored> maps = Stored.of(model);
    edits.forEach(edit -> Stored.requireFits(edit, maps));
    var made = new Made();
    try {
      Map<Linear, Linear> changed = new IdentityHashMap<>();
      for (Linear linear : Linears.of(model)) {
        changed.put(linear, made.changed(linear, edits));
      }
      Transformer.Card old = model.card();
      long added = made.biases;
      if (unties(model, edits)) {
        added += model.head().out().weight().values().elements();
      }
      var card =
          new Transformer.Card(
              old.family(),
              identity.name,
              () -> identity.sha256,
              old.context(),
              old.parameters() + added,
              old.dtype(),
              old.causal(),
              old.labels());
      return Linears.replaced(
          model, card, linear -> Objects.requireNonNull(changed.get(linear)), made);
    } catch (RuntimeException | Error e) {
      made.close();
      throw e;
    }
  }

  /// What a reader should know about applying these edits to a model, one sentence each.
  public static List<String> notes(Transformer model, List<Edit> edits) {
    var notes = new LinkedHashSet<String>();
    if (unties(model, edits)) {
      notes.add(
          "The head of %s reads with its embedding table; edited, it has a matrix of its own (%s),"
                  .formatted(model.card().name(), model.head().out().origin().tensor())
              + " and the embedding stays as it was.");
    }
    return List.copyOf(notes);
  }

  private static boolean unties(Transformer model, List<Edit> edits) {
    Linear.Origin head = model.head().out().origin();
    return head.tied()
        && acting(edits)
            .flatMap(edit -> edit.changes().stream())
            .anyMatch(change ->
                change instanceof Change.OfMap map
                    && !(map instanceof Change.Bias)
                    && map.tensor().equals(head.tensor()));
  }

  private static Stream<Edit> acting(List<Edit> edits) {
    return edits.stream().filter(Edit::acts);
  }

  /// Name and fingerprint of a model with edits.
  record Identity(String name, String sha256) {
    /// @throws FathomException if an edit belongs to another model
    static Identity of(Transformer model, List<Edit> edits) {
      String base = model.card().sha256().get();
      String name = model.card().name();
      String sha256 = base;
      for (Edit edit : edits) {
        if (!edit.card().baseSha256().equals(base)) {
          var _ = edit.card().requireBase(name, sha256, Path.of(edit.name()));
        }
        name = name + " + " + edit.title();
        sha256 = edit.acts() ? edit.fingerprint(sha256) : sha256;
      }
      return new Identity(name, sha256);
    }

    /// Names of edits, for people.
    static String names(List<Edit> edits) {
      return edits.stream().map(Edit::title).collect(Collectors.joining(" + "));
    }
  }

  /// The tensors and weights made for an edited model.
  private static final class Made implements AutoCloseable {
    private final List<Tensor> tensors = new ArrayList<>();
    private final List<Weight> weights = new ArrayList<>();
    private long biases;

    Linear changed(Linear linear, List<Edit> edits) {
      try (var scope = Scope.withoutGradients()) {
        Tensor values = linear.weight().values();
        Tensor bias = linear.bias();
        for (Edit edit : edits) {
          for (Change change : edit.acts() ? edit.changes() : List.<Change>of()) {
            switch (change) {
              case Change.OfMap map when map.tensor().equals(linear.origin().tensor()) -> {
                values = Application.weight(values, linear.origin(), map, edit.scale());
                bias = Application.bias(bias, values.dtype(), linear.origin(), map, edit.scale());
              }
              case Change.OfMap _ -> {}
            }
          }
        }
        return replaced(linear, values, bias);
      }
    }

    private Linear replaced(Linear linear, Tensor values, @Nullable Tensor bias) {
      if (values == linear.weight().values() && bias == linear.bias()) {
        return linear;
      }
      if (bias != null && linear.bias() == null) {
        biases += bias.elements();
      }
      return new Linear(
          values == linear.weight().values() ? linear.weight() : weight(values),
          bias == null || bias == linear.bias() ? bias : own(bias),
          values == linear.weight().values() ? linear.origin() : untied(linear.origin()));
    }

    private static Linear.Origin untied(Linear.Origin origin) {
      return new Linear.Origin(origin.tensor(), origin.from(), origin.to(), origin.transposed());
    }

    private Weight weight(Tensor values) {
      Weight weight = Weight.of(own(values));
      weights.add(weight);
      return weight;
    }

    private Tensor own(Tensor tensor) {
      Tensor kept = tensor.keep();
      tensors.add(kept);
      return kept;
    }

    @Override
    public void close() {
      weights.forEach(Weight::unpack);
      tensors.forEach(Tensor::free);
      weights.clear();
      tensors.clear();
    }
  }
}
