package dev.fathom.explain.parts;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.lens.TopTokens;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// What does one part of the model say? The logit lens of what a sublayer or a head adds to the
/// stream, instead of the stream itself: `p = softmax(W_U N(x))` (Geva et al. 2022 of MLPs; spec
/// explain.md section 1).
///
/// A part is not a stream, so there is a choice of its norm. *Own*: the final norm is applied to
/// the part itself, which shows the direction it writes in, however little it writes. *Frozen*: the
/// part is divided by the divisor of the true last stream at its position, and then its logits are
/// what it adds to the model's; parts add up.
///
/// It misleads twice over: early parts write in directions that the head was not trained to read,
/// and most parts write for later parts, not for the head.
public final class ComponentLens {
  /// What can be read.
  private static final Set<Kind> READABLE =
      EnumSet.of(
          Kind.RESID_PRE,
          Kind.HEAD_OUT,
          Kind.ATTN_OUT,
          Kind.RESID_MID,
          Kind.MLP_OUT,
          Kind.RESID_POST);

  private ComponentLens() {}

  /// Which norm a part is read with.
  public enum Normalization {
    OWN("own"),
    FROZEN("frozen");

    private final String text;

    Normalization(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }
  }

  /// @param topK best tokens kept for each cell
  public record Config(Normalization normalization, int topK) {
    public Config {
      if (topK < 1 || topK > 1000) {
        throw new IllegalArgumentException("top k must be 1 to 1000, found " + topK);
      }
    }

    /// Own norm, five best tokens.
    public static Config standard() {
      return new Config(Normalization.OWN, 5);
    }

    public Config with(Normalization normalization) {
      return new Config(normalization, topK);
    }

    public Config keeping(int topK) {
      return new Config(normalization, topK);
    }
  }

  /// One vector a position.
  ///
  /// @param head -1 for the whole value
  private record Part(Site site, int head) {
    @Override
    public String toString() {
      return head < 0 ? site.toString() : site + ".h" + head;
    }
  }

  /// A part's vectors, `[positions, dModel]`: as they were added, and what is left of them in the
  /// last stream, which only post-norm blocks make another thing.
  private static final class Read {
    final Tensor own;
    Tensor last;

    Read(Tensor own) {
      this.own = own;
      this.last = own;
    }
  }

  /// The lens of chosen parts at all positions, one row a part, ordered by layer.
  ///
  /// @param parts streams, sublayers or heads, such as `attn_out.all` or `head_out.10.h7` of
  ///   [dev.fathom.model.SiteAddress]; their positions are not looked at
  /// @throws IllegalArgumentException if the model has no such part, or it is not one that is added
  ///   to the stream
  public static ComponentLensResult run(
      Transformer model, Tokenizer tokenizer, Question question, List<Slice> parts, Config config) {
    long start = System.nanoTime();
    List<Part> rows = parts(model, parts);
    int[] ids = question.prompt().ids();
    var names = new Names(model, tokenizer);
    List<String> tokens = names.tokens(question.prompt());
    boolean layers =
        rows.stream().allMatch(p -> p.head < 0)
            && rows.stream().map(p -> p.site.kind()).distinct().count() == 1;
    Axis axis =
        layers
            ? Axis.of("layer", rows.stream().map(p -> Integer.toString(p.site.layer())).toList())
            : Axis.of("part", rows.stream().map(Part::toString).toList());
    String what =
        layers
            ? rows.getFirst().site.kind().text()
            : rows.size() == 1 ? rows.getFirst().toString() : rows.size() + " parts of the model";
    return read(
        names,
        question,
        rows,
        config,
        0,
        ids.length,
        List.of(axis, Axis.of("position", tokens)),
        what,
        start);
  }

  /// The lens of all heads at the question's position: layers by heads.
  public static ComponentLensResult heads(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    long start = System.nanoTime();
    var all = new ArrayList<Slice>();
    for (int layer = 0; layer < model.layers(); layer++) {
      all.add(Slice.of(Kind.HEAD_OUT, layer));
    }
    var names = new Names(model, tokenizer);
    List<Part> rows = parts(model, all);
    return read(
        names,
        question,
        rows,
        config,
        question.position(),
        1,
        List.of(
            Axis.index("layer", model.layers()), Axis.index("head", rows.size() / model.layers())),
        "every head",
        start);
  }

  private static List<Part> parts(Transformer model, List<Slice> slices) {
    var parts = new ArrayList<Part>();
    for (Slice slice : slices) {
      Site site = slice.site();
      if (!READABLE.contains(site.kind())) {
        throw new IllegalArgumentException(
            "%s is neither a stream nor added to one: the lens reads %s."
                .formatted(
                    site, String.join(", ", READABLE.stream().map(kind -> kind.text()).toList())));
      }
      model
          .refusal(site)
          .ifPresent(reason -> {
            throw new IllegalArgumentException(
                "This %s model has no %s: %s.".formatted(model.card().family(), site, reason));
          });
      if (site.kind() == Kind.HEAD_OUT) {
        int heads = model.blocks().get(site.layer()).attention().heads();
        IntStream chosen =
            slice.units().isEmpty()
                ? IntStream.range(0, heads)
                : slice.units().stream().mapToInt(Integer::intValue);
        chosen.forEach(head -> {
          if (head >= heads) {
            throw new IllegalArgumentException(
                "%s has heads 0 to %d, not %d".formatted(site, heads - 1, head));
          }
          parts.add(new Part(site, head));
        });
      } else {
        parts.add(new Part(site, -1));
      }
    }
    if (parts.isEmpty()) {
      throw new IllegalArgumentException("No part of the model is named to be read.");
    }
    parts.sort(Comparator.comparingInt(part -> part.site.layer()));
    return parts;
  }

  private static ComponentLensResult read(
      Names names,
      Question question,
      List<Part> parts,
      Config config,
      int from,
      int count,
      List<Axis> axes,
      String what,
      long start) {
    Transformer model = names.model();
    int[] ids = question.prompt().ids();
    try (var scope = Scope.withoutGradients()) {
      var run = FrozenRun.path(model, ids, Kind.Z);
      var read = new ArrayList<Read>();
      for (int layer = 0; layer < model.layers(); layer++) {
        try (var inner = Scope.open()) {
          FrozenBlock block = run.next();
          for (Read earlier : read) {
            earlier.last =
                kept(scope, earlier.last, rest(block, Kind.RESID_PRE, earlier.last, from));
          }
          int now = layer;
          for (Part part : parts.stream().filter(p -> p.site.layer() == now).toList()) {
            Tensor own = vectors(block, part, run.stream(), from, count);
            var found = new Read(scope.keep(own.copy()));
            found.last = kept(scope, found.own, rest(block, part.site.kind(), found.own, from));
            read.add(found);
          }
        }
      }
      var head = new FrozenHead(model.head(), run.stream().narrow(0, from, count));
      Tensor last = Tensor.stack(read.stream().map(r -> r.last).toList(), 1); // [count, parts, d]
      Tensor logits = head.measure(last, false, question.measuredBy(Metric.LOGIT));
      long cells = (long) count * parts.size();
      Tensor flat =
          config.normalization == Normalization.OWN
              ? Tensor.stack(read.stream().map(r -> r.own).toList(), 0)
                  .reshape(cells, model.dModel())
              : head.read(last, false).transpose(0, 1).reshape(cells, model.dModel());
      TopTokens top =
          TopTokens.of(
              names,
              axes,
              question.target(),
              config.topK,
              (first, n) -> {
                Tensor some = flat.narrow(0, first, n);
                return config.normalization == Normalization.OWN
                    ? model.head().of(some.to(model.card().dtype()))
                    : head.ofRead(some);
              });
      List<String> tokens = names.tokens(question.prompt());
      String target = names.output(question.target());
      return new ComponentLensResult(
          Provenances.of(
              model,
              question.prompt(),
              tokens,
              (System.nanoTime() - start) / 1e9,
              "component",
              what,
              "norm",
              config.normalization.text(),
              "target",
              target,
              "position",
              count == 1 ? Integer.toString(from) : "all"),
          what,
          config.normalization,
          target,
          question.prompt().startToken() && axes.get(1).name().equals("position"),
          top,
          Grid.real(axes, logits.transpose(0, 1).contiguous().toFloats()));
    }
  }

  private static Tensor vectors(FrozenBlock block, Part part, Tensor after, int from, int count) {
    return switch (part.site.kind()) {
      case RESID_PRE -> block.before().narrow(0, from, count);
      case RESID_POST -> after.narrow(0, from, count);
      case HEAD_OUT ->
          block.headsOut(block.at(Kind.Z).narrow(0, from, count), from, part.head).select(1, 0);
      default -> block.at(part.site.kind()).narrow(0, from, count);
    };
  }

  /// What the rest of a block leaves of a vector that is added at one of its sites.
  private static Tensor rest(FrozenBlock block, Kind kind, Tensor x, int from) {
    Tensor parts = x.unsqueeze(1);
    return switch (kind) {
      case RESID_POST -> x;
      case RESID_MID, MLP_OUT -> block.afterMlp(parts, from, false).squeeze(1);
      default -> block.afterMlp(block.afterAttention(parts, from, false), from, false).squeeze(1);
    };
  }

  /// Keeps a vector that has changed.
  private static Tensor kept(Scope home, Tensor before, Tensor now) {
    return now.address() == before.address() ? before : home.keep(now);
  }
}
