package dev.fathom.explain.causal;

import dev.fathom.data.Prompt;
import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.explain.Runs;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Slice;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Where is the information that makes the difference between two prompts? Both prompts have the
/// same length and differ in a few tokens. A value of one run is put into the other, and the cell
/// says how much of the difference it carries (Vig et al. 2020; Meng et al. 2022; Zhang and Nanda
/// 2024):
///
/// `recovery = (metric(patched) − metric(corrupt)) / (metric(clean) − metric(corrupt))`
///
/// Denoising puts clean values into the corrupt run and finds what suffices; noising puts corrupt
/// values into the clean run and finds what is needed.
///
/// It misleads where the prompts differ in more than is asked about, and where the clean and the
/// corrupt metric are close: then recovery divides by nearly nothing.
public final class Patching {
  private Patching() {}

  /// Which run is the base.
  public enum Direction {
    /// Clean values into the corrupt run.
    DENOISE,
    /// Corrupt values into the clean run.
    NOISE
  }

  /// What is put over.
  public enum Part {
    /// The stream after a block, at one position.
    STREAM("resid_post", Kind.RESID_POST, "the stream"),
    /// What attention adds, at one position.
    ATTENTION("attn_out", Kind.ATTN_OUT, "what attention adds"),
    /// What the MLP adds, at one position.
    MLP("mlp_out", Kind.MLP_OUT, "what the MLP adds"),
    /// A head's output, at all positions.
    HEAD("z", Kind.Z, "a head's output"),
    /// A head's queries, at all positions.
    QUERY("q", Kind.Q, "a head's queries"),
    /// A key/value head's keys, at all positions.
    KEY("k", Kind.K, "a head's keys"),
    /// A key/value head's values, at all positions.
    VALUE("v", Kind.V, "a head's values");

    private final String text;
    private final Kind kind;
    private final String title;

    Part(String text, Kind kind, String title) {
      this.text = text;
      this.kind = kind;
      this.title = title;
    }

    /// Its site's name: `attn_out`.
    public String text() {
      return text;
    }

    public String title() {
      return title;
    }

    Kind kind() {
      return kind;
    }

    boolean perHead() {
      return kind.perHead();
    }
  }

  /// @param parts what is put over, a map for each
  /// @param budget memory that changed runs may take at a time, in bytes
  /// @param progress told how many changed runs are done, again and again
  public record Config(Direction direction, Set<Part> parts, long budget, LongConsumer progress) {
    public Config {
      if (parts.isEmpty()) {
        throw new IllegalArgumentException("Nothing is to be put over: name at least one part.");
      }
      parts = Set.copyOf(parts);
    }

    /// Clean into corrupt; the stream, attention, the MLP and heads.
    public static Config standard() {
      return new Config(
          Direction.DENOISE,
          EnumSet.of(Part.STREAM, Part.ATTENTION, Part.MLP, Part.HEAD),
          Sweep.BUDGET,
          _ -> {});
    }

    public Config with(Direction direction) {
      return new Config(direction, parts, budget, progress);
    }

    public Config of(Part... parts) {
      return new Config(direction, Set.of(parts), budget, progress);
    }

    public Config within(long bytes) {
      return new Config(direction, parts, bytes, progress);
    }

    public Config telling(LongConsumer progress) {
      return new Config(direction, parts, budget, progress);
    }
  }

  /// Maps of one pair of prompts; `tokenizer` only names tokens.
  ///
  /// @param question about the clean prompt
  /// @throws IllegalArgumentException if the prompts have different lengths or are the same
  public static PatchingResult run(
      Transformer model, Tokenizer tokenizer, Question question, Prompt corrupt, Config config) {
    long start = System.nanoTime();
    var names = new Names(model, tokenizer);
    int[] clean = question.ids(model);
    int[] other = requireComparable(names, question, corrupt, clean);
    try (var scope = Scope.withoutGradients()) {
      Kind[] kept =
          config.parts.stream()
              .map(Part::kind)
              .filter(k -> k != Kind.RESID_POST)
              .toArray(Kind[]::new);
      Runs runs = Runs.of(model, List.of(clean, other), Tap.NONE, kept);
      int base = config.direction == Direction.DENOISE ? 1 : 0;
      var readout = new Readout(model, question, runs.last(0, question.position()));
      double[] ends =
          readout.values(
              Tensor.cat(
                  List.of(runs.last(0, question.position()), runs.last(1, question.position())),
                  0));
      var maps = new LinkedHashMap<Part, List<Sweep.Row>>();
      for (Part part : Part.values()) {
        if (config.parts.contains(part)) {
          maps.put(part, rows(model, runs, part, base));
        }
      }
      double[] measured =
          readout.values(
              new Sweep(model, runs, question.position())
                  .within(config.budget)
                  .telling(config.progress)
                  .run(maps.values().stream().flatMap(List::stream).toList()));
      List<String> tokens = names.tokens(question.prompt()).subList(0, clean.length);
      var patched = new LinkedHashMap<Part, Grid>();
      int from = 0;
      for (var map : maps.entrySet()) {
        float[] values = new float[map.getValue().size()];
        for (int i = 0; i < values.length; i++) {
          values[i] = (float) measured[from + i];
        }
        from += values.length;
        Axis across =
            map.getKey().perHead()
                ? Axis.index("head", values.length / model.layers())
                : Axis.of("position", tokens);
        patched.put(
            map.getKey(), Grid.real(List.of(Axis.index("layer", model.layers()), across), values));
      }
      return new PatchingResult(
          Provenances.of(
              model,
              question.prompt(),
              names.tokens(question.prompt()),
              (System.nanoTime() - start) / 1e9,
              "corrupt",
              corrupt.text(),
              "target",
              names.output(question.target()),
              "foil",
              question.foil().isPresent() ? names.output(question.foil().getAsInt()) : "none",
              "metric",
              question.metric().text(),
              "direction",
              config.direction.name().toLowerCase(Locale.ROOT)),
          question.metric(),
          config.direction,
          question.prompt().startToken(),
          ends[0],
          ends[1],
          patched);
    }
  }

  private static List<Sweep.Row> rows(Transformer model, Runs runs, Part part, int base) {
    int from = 1 - base;
    var rows = new ArrayList<Sweep.Row>();
    for (int layer = 0; layer < model.layers(); layer++) {
      if (part.perHead()) {
        var attention = model.blocks().get(layer).attention();
        boolean shared = part == Part.KEY || part == Part.VALUE;
        for (int head = 0; head < (shared ? attention.kvHeads() : attention.heads()); head++) {
          rows.add(
              Sweep.Row.of(
                  base,
                  0,
                  new Intervention.Replace(
                      Slice.of(part.kind, layer).heads(head),
                      runs.at(part.kind, layer, from).narrow(1, head, 1))));
        }
        continue;
      }
      for (int p = 0; p < runs.length(); p++) {
        rows.add(
            part == Part.STREAM
                ? stream(model, runs, layer, p, base)
                : Sweep.Row.of(
                    base,
                    p,
                    new Intervention.Replace(
                        Slice.of(part.kind, layer).at(p), runs.at(part.kind, layer, from, p))));
      }
    }
    return rows;
  }

  /// The stream after a block is what enters the next.
  private static Sweep.Row stream(Transformer model, Runs runs, int layer, int position, int base) {
    boolean last = layer == model.layers() - 1;
    Slice slice =
        (last ? Slice.of(Kind.RESID_POST, layer) : Slice.of(Kind.RESID_PRE, layer + 1))
            .at(position);
    return Sweep.Row.of(
        base,
        position,
        new Intervention.Replace(
            slice,
            runs.stream(layer + 1).narrow(0, (long) (1 - base) * runs.length() + position, 1)));
  }

  /// The corrupt prompt's tokens, as many as the clean one's.
  public static int[] requireComparable(
      Names names, Question question, Prompt corrupt, int[] clean) {
    int[] whole = corrupt.ids();
    if (whole.length != question.prompt().length()) {
      throw new IllegalArgumentException(
          "The prompts must have the same number of tokens to be compared position by position: '%s' has %d (%s), '%s' has %d (%s)."
              .formatted(
                  question.prompt().text(),
                  question.prompt().length(),
                  different(names, question.prompt(), corrupt),
                  corrupt.text(),
                  whole.length,
                  different(names, corrupt, question.prompt())));
    }
    int[] other = Arrays.copyOf(whole, clean.length);
    if (Arrays.equals(other, clean)) {
      throw new IllegalArgumentException(
          "The prompts are the same up to the position that is read: change what the question is about.");
    }
    return other;
  }

  /// The tokens of one prompt between what both have in common at the start and at the end.
  private static String different(Names names, Prompt prompt, Prompt other) {
    int[] a = prompt.ids();
    int[] b = other.ids();
    int from = 0;
    while (from < Math.min(a.length, b.length) && a[from] == b[from]) {
      from++;
    }
    int end = 0;
    while (end < Math.min(a.length, b.length) - from
        && a[a.length - 1 - end] == b[b.length - 1 - end]) {
      end++;
    }
    List<String> tokens = names.tokens(prompt);
    return IntStream.range(from, a.length - end)
        .mapToObj(i -> "'" + tokens.get(i) + "'")
        .collect(Collectors.joining(" ", "", ""))
        .transform(text -> text.isEmpty() ? "nothing of its own" : text);
  }
}
