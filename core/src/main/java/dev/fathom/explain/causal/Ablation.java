package dev.fathom.explain.causal;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.explain.Runs;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;

/// Which part of the model does the answer need? Each cell is the effect of taking one part away,
/// `metric(clean) − metric(without)`: positive cells speak for the answer, negative ones against it
/// (thesis section 4.1.1, Fig 4.3; Zhang and Nanda 2024 for what to put in its place).
///
/// It misleads where parts stand in for each other: taking away one of two that do the same shows
/// nothing. A zero is no value that later layers have ever seen; a mean or another prompt's value
/// is closer to home.
public final class Ablation {
  private Ablation() {}

  /// What is taken away.
  public enum Part {
    /// What attention adds to the stream at a position, before the MLP of the block reads it.
    ATTENTION("attn", "attention"),
    /// What the MLP adds at a position.
    MLP("mlp", "the MLP"),
    /// Both: the block leaves the position as it was.
    BOTH("both", "the whole block"),
    /// The stream keeps what attention adds, but the MLP of the block does not see it.
    ATTENTION_TO_MLP("attn_to_mlp", "attention, but only in what the MLP reads"),
    /// One head at all positions.
    HEAD("head", "a head");

    private final String text;
    private final String title;

    Part(String text, String title) {
      this.text = text;
      this.title = title;
    }

    /// The end of the array's name: `ablate_attn`.
    public String text() {
      return text;
    }

    public String title() {
      return title;
    }
  }

  /// What stands in the place of a part that was taken away.
  public sealed interface Instead {
    /// Zero.
    record Zero() implements Instead {}

    /// One number everywhere.
    record Value(double value) implements Instead {
      public Value {
        if (!Double.isFinite(value)) {
          throw new IllegalArgumentException(
              "What stands in the place of a part must be a number, found %s.".formatted(value));
        }
      }
    }

    /// The mean over reference prompts: at each position of its own, which takes prompts of one
    /// length, or over all positions but a start token's.
    record Mean(List<Prompt> prompts, boolean perPosition) implements Instead {
      public Mean {
        prompts = List.copyOf(prompts);
        if (prompts.isEmpty()) {
          throw new IllegalArgumentException("A mean needs at least one reference prompt.");
        }
      }
    }

    /// What another prompt of the same length has there.
    record Resample(Prompt prompt) implements Instead {}

    /// The control of a resampling: a value as far from the part's own as the other prompt's is, in
    /// a random direction.
    record RandomDirection(Prompt prompt, long seed) implements Instead {}

    /// In words, for people and for provenance.
    default String words() {
      return switch (this) {
        case Zero() -> "zero";
        case Value(double value) -> "value " + value;
        case Mean(List<Prompt> prompts, boolean perPosition) ->
            "mean of %d prompts, %s"
                .formatted(prompts.size(), perPosition ? "each position its own" : "global");
        case Resample(Prompt prompt) -> "resample: " + prompt.text();
        case RandomDirection(Prompt prompt, long _) ->
            "in a random direction, as far as: " + prompt.text();
      };
    }
  }

  /// @param parts what is taken away, a map for each
  /// @param positions where something is taken away, ascending; empty for everywhere. Maps have a
  ///   column for each; a head is taken away at all of them at once
  /// @param budget memory that changed runs may take at a time, in bytes
  /// @param progress told how many changed runs are done, again and again
  public record Config(
      Set<Part> parts,
      Instead instead,
      List<Integer> positions,
      long budget,
      LongConsumer progress) {
    public Config {
      parts = parts.isEmpty() ? Set.of() : Set.copyOf(EnumSet.copyOf(parts));
      positions = List.copyOf(new TreeSet<>(positions));
      if (parts.isEmpty()) {
        throw new IllegalArgumentException("Nothing is to be taken away: name at least one part.");
      }
    }

    /// Everything, with zero instead.
    public static Config standard() {
      return new Config(
          EnumSet.allOf(Part.class), new Instead.Zero(), List.of(), Sweep.BUDGET, _ -> {});
    }

    public Config of(Part... parts) {
      return new Config(Set.of(parts), instead, positions, budget, progress);
    }

    public Config with(Instead instead) {
      return new Config(parts, instead, positions, budget, progress);
    }

    /// Only at these positions: columns of a map, or where heads are taken away.
    public Config atPositions(List<Integer> positions) {
      return new Config(parts, instead, positions, budget, progress);
    }

    public Config within(long bytes) {
      return new Config(parts, instead, positions, bytes, progress);
    }

    public Config telling(LongConsumer progress) {
      return new Config(parts, instead, positions, budget, progress);
    }
  }

  /// The ablation maps of one prompt; `tokenizer` only names tokens.
  ///
  /// @throws IllegalArgumentException if a reference prompt has another length where that matters
  public static AblationResult run(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    try (var scope = Scope.withoutGradients()) {
      return run(model, tokenizer, question, Runs.of(model, question.ids(model)), config);
    }
  }

  /// The maps for an answer of several tokens, by the log probability of all of them one after
  /// another: `ln p(y₁ … yₖ) = Σ ln p(yᵢ | prompt, y₁ … yᵢ₋₁)`, and effects add up likewise. Heads
  /// are taken away at the answer's tokens too; k tokens cost k maps.
  ///
  /// @param question about the first token, by [Metric#LOG_PROB], at the prompt's end
  /// @param more the tokens after it
  /// @throws IllegalArgumentException if the question is another, or the model reads both ways
  public static AblationResult run(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      List<Integer> more,
      Config config) {
    boolean several =
        question.metric() == Metric.LOG_PROB
            && model.card().causal()
            && question.position() == question.prompt().length() - 1;
    if (!more.isEmpty() && !several) {
      throw new IllegalArgumentException(
          "An answer of several tokens is asked by logprob, of a causal model, after the prompt's last token: use its first token otherwise.");
    }
    AblationResult sum = run(model, tokenizer, question, config);
    Question step = question;
    for (int next : more) {
      step = step.then(tokenizer, next);
      sum = sum.plus(run(model, tokenizer, step, config));
    }
    return sum;
  }

  /// The same over a run that others use too, of the question's tokens.
  public static AblationResult run(
      Transformer model, Tokenizer tokenizer, Question question, Runs runs, Config config) {
    long start = System.nanoTime();
    int[] ids = question.ids(model);
    List<Integer> columns = columns(config.positions, ids.length);
    try (var scope = Scope.withoutGradients()) {
      var readout = new Readout(model, question, runs.last(0, question.position()));
      Values values = Values.of(model, question, config.instead, KEPT);
      var maps = new LinkedHashMap<Part, List<Sweep.Row>>();
      for (Part part : Part.values()) {
        if (config.parts.contains(part)) {
          maps.put(part, rows(model, runs, values, part, config.positions, columns));
        }
      }
      double[] measured =
          readout.values(
              new Sweep(model, runs, question.position())
                  .within(config.budget)
                  .telling(config.progress)
                  .run(maps.values().stream().flatMap(List::stream).toList()));
      var names = new Names(model, tokenizer);
      List<String> tokens = names.tokens(question.prompt());
      var effects = new LinkedHashMap<Part, Grid>();
      int from = 0;
      for (var map : maps.entrySet()) {
        float[] effect = new float[map.getValue().size()];
        for (int i = 0; i < effect.length; i++) {
          effect[i] = (float) question.metric().effect(readout.clean(), measured[from + i]);
        }
        from += effect.length;
        Axis across =
            map.getKey() == Part.HEAD
                ? Axis.index("head", effect.length / model.layers())
                : Axis.of("position", columns.stream().map(tokens::get).toList());
        effects.put(
            map.getKey(), Grid.real(List.of(Axis.index("layer", model.layers()), across), effect));
      }
      return new AblationResult(
          Provenances.of(
              model,
              question.prompt(),
              tokens,
              (System.nanoTime() - start) / 1e9,
              "target",
              names.output(question.target()),
              "foil",
              question.foil().isPresent() ? names.output(question.foil().getAsInt()) : "none",
              "metric",
              question.metric().text(),
              "instead",
              config.instead.words()),
          question.metric(),
          question.prompt().startToken() && columns.getFirst() == 0,
          readout.clean(),
          effects);
    }
  }

  private static List<Integer> columns(List<Integer> positions, int length) {
    for (int position : positions) {
      if (position < 0 || position >= length) {
        throw new IllegalArgumentException(
            "There is no position %d to take anything away at: the answer depends on positions 0 to %d."
                .formatted(position, length - 1));
      }
    }
    return positions.isEmpty() ? IntStream.range(0, length).boxed().toList() : positions;
  }

  /// @param chosen where heads are taken away; empty for everywhere
  /// @param columns of the maps
  private static List<Sweep.Row> rows(
      Transformer model,
      Runs runs,
      Values values,
      Part part,
      List<Integer> chosen,
      List<Integer> columns) {
    var rows = new ArrayList<Sweep.Row>();
    for (int layer = 0; layer < model.layers(); layer++) {
      if (part == Part.HEAD) {
        for (int head = 0; head < model.blocks().get(layer).attention().heads(); head++) {
          Slice z = Slice.of(Kind.Z, layer).heads(head);
          rows.add(
              chosen.isEmpty()
                  ? Sweep.Row.of(0, 0, values.instead(z))
                  : new Sweep.Row(
                      0,
                      layer,
                      chosen.getFirst(),
                      chosen.stream().map(at -> values.instead(z.at(at))).toList()));
        }
      } else {
        for (int position : columns) {
          rows.add(
              new Sweep.Row(
                  0, layer, position, changes(model, runs, values, part, layer, position)));
        }
      }
    }
    return rows;
  }

  private static List<Intervention> changes(
      Transformer model, Runs runs, Values values, Part part, int layer, int position) {
    Intervention attention = values.instead(Slice.of(Kind.ATTN_OUT, layer).at(position));
    Intervention mlp = values.instead(Slice.of(Kind.MLP_OUT, layer).at(position));
    return switch (part) {
      case ATTENTION -> List.of(attention);
      case MLP -> List.of(mlp);
      case BOTH -> List.of(attention, mlp);
      case ATTENTION_TO_MLP -> {
        Tensor stream = runs.stream(layer).narrow(0, position, 1);
        Tensor added =
            attention instanceof Intervention.Replace(_, Tensor value) ? stream.add(value) : stream;
        yield List.of(
            new Intervention.Replace(
                Slice.of(Kind.MLP_IN, layer).at(position),
                model.blocks().get(layer).steps().mlpReads(stream, added)));
      }
      case HEAD -> throw new AssertionError("heads are taken away at all positions");
    };
  }

  private static final Kind[] KEPT = {Kind.ATTN_OUT, Kind.MLP_OUT, Kind.Z};

  /// What is put where something was taken away.
  record Values(Function<Slice, Intervention> make) {
    Intervention instead(Slice slice) {
      return make.apply(slice);
    }

    /// @param kinds sites that something is taken away from
    static Values of(Transformer model, Question question, Instead instead, Kind... kinds) {
      return switch (instead) {
        case Instead.Zero() -> new Values(Intervention.Zero::new);
        case Instead.Value(double value) -> {
          Tensor number = Tensor.full(value, model.card().dtype(), 1, 1);
          yield new Values(slice -> new Intervention.Replace(slice, shaped(slice, number)));
        }
        case Instead.Resample(Prompt prompt) -> {
          Runs other = Runs.of(model, sameLength(model, prompt, question), kinds);
          yield new Values(slice ->
              new Intervention.Replace(
                  slice, partOf(slice, other.at(slice.site().kind(), slice.site().layer(), 0))));
        }
        case Instead.RandomDirection(Prompt prompt, long seed) -> {
          Runs other = Runs.of(model, sameLength(model, prompt, question), kinds);
          Runs own = Runs.of(model, question.ids(model), kinds);
          var bearings = new Bearings(seed);
          yield new Values(slice -> {
            Kind kind = slice.site().kind();
            int layer = slice.site().layer();
            return new Intervention.Replace(
                slice,
                bearings.away(
                    partOf(slice, own.at(kind, layer, 0)),
                    partOf(slice, other.at(kind, layer, 0))));
          });
        }
        case Instead.Mean(List<Prompt> prompts, boolean perPosition) ->
            new Values(Means.of(model, prompts, perPosition, question, kinds)::instead);
      };
    }

    /// A number as wide as the slice has axes.
    private static Tensor shaped(Slice slice, Tensor number) {
      return slice.site().kind().perHead() ? number.unsqueeze(0) : number;
    }

    /// The tokens of another prompt that can matter.
    private static int[] sameLength(Transformer model, Prompt other, Question question) {
      int expected = question.prompt().length();
      if (other.length() != expected) {
        throw new IllegalArgumentException(
            "The other prompt has %d tokens, this one %d: values are taken position by position, so choose one of the same length."
                .formatted(other.length(), expected));
      }
      return question.about(other).ids(model);
    }
  }

  /// The slice's part of a whole site's value `[length, …]`.
  private static Tensor partOf(Slice slice, Tensor value) {
    Tensor positions =
        slice.positions().first() == slice.positions().last()
            ? value.narrow(0, slice.positions().first(), 1)
            : value;
    return slice.units().isEmpty() ? positions : positions.narrow(1, slice.units().getFirst(), 1);
  }

  /// Means over reference prompts, layer by layer.
  private record Means(Map<Kind, List<Tensor>> layers) {
    /// Summed in 32 bits or more: a long sum in 16 stops growing.
    static Means of(
        Transformer model,
        List<Prompt> prompts,
        boolean perPosition,
        Question question,
        Kind... kinds) {
      Scope home = Scope.current();
      var sums = new EnumMap<Kind, List<Tensor>>(Kind.class);
      for (Kind kind : kinds) {
        sums.put(kind, new ArrayList<>());
      }
      long count = 0;
      for (Prompt prompt : prompts) {
        int[] own = perPosition ? Values.sameLength(model, prompt, question) : prompt.ids();
        int first = !perPosition && prompt.startToken() && own.length > 1 ? 1 : 0;
        try (var scope = Scope.withoutGradients()) {
          Runs runs = Runs.of(model, own, kinds);
          for (var sum : sums.entrySet()) {
            for (int layer = 0; layer < model.layers(); layer++) {
              Tensor value = runs.at(sum.getKey(), layer, 0).wide();
              Tensor part =
                  perPosition ? value : value.narrow(0, first, own.length - first).sum(0, true);
              if (sum.getValue().size() <= layer) {
                sum.getValue().add(home.keep(part.copy()));
              } else {
                sum.getValue().get(layer).addInPlace(part);
              }
            }
          }
        }
        count += perPosition ? 1 : own.length - first;
      }
      double share = 1.0 / count;
      sums.values()
          .forEach(layers -> layers.replaceAll(sum -> sum.mul(share).to(model.card().dtype())));
      return new Means(sums);
    }

    Intervention instead(Slice slice) {
      Tensor value =
          Objects.requireNonNull(layers.get(slice.site().kind())).get(slice.site().layer());
      boolean global = value.size(0) == 1;
      if (!global) {
        return new Intervention.Replace(slice, partOf(slice, value));
      }
      return new Intervention.Replace(
          slice, slice.units().isEmpty() ? value : value.narrow(1, slice.units().getFirst(), 1));
    }
  }
}
