package dev.fathom.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A site as people write it: `site.LAYER[.hHEAD|.nNEURON][@POSITIONS]`.
///
/// ```
/// resid_post.10        mlp_act.10.n4311     resid_post.all@subject
/// z.-1.h7@last         attn_out.4-9@last    mlp_out.late:4@3-5
/// ```
///
/// LAYER is a number from 0 (negative counts from the last layer), a range `4-9`, `all`, or
/// `late:4` (the last four); sites without layers (`embed`, `final_norm`, `logits`, …) have none.
/// POSITIONS are as in [PositionSpan], or `subject` or `subject.last` (the tokens of the prompt's
/// subject, or its last one); without them all are meant. `result` is understood for `head_out`.
///
/// An address is checked against a model by [#slices(Transformer)].
///
/// @param unit head or neuron, -1 for all
public record SiteAddress(Kind kind, Layers layers, int unit, Where where) {
  private static final Pattern LAYER = Pattern.compile("-?\\d{1,6}");
  private static final Pattern RANGE = Pattern.compile("(\\d{1,6})-(\\d{1,6})");
  private static final Pattern LATE = Pattern.compile("late:(\\d{1,6})");
  private static final Pattern UNIT = Pattern.compile("([hn])(\\d{1,9})");

  /// Which layers an address names.
  public sealed interface Layers {
    /// The site has no layers.
    record None() implements Layers {
      @Override
      public String toString() {
        return "";
      }
    }

    /// Negative counts from the last layer, -1.
    record One(int layer) implements Layers {
      @Override
      public String toString() {
        return Integer.toString(layer);
      }
    }

    /// Both ends included.
    record Range(int first, int last) implements Layers {
      @Override
      public String toString() {
        return first + "-" + last;
      }
    }

    record All() implements Layers {
      @Override
      public String toString() {
        return "all";
      }
    }

    /// The last `count` layers.
    record Late(int count) implements Layers {
      @Override
      public String toString() {
        return "late:" + count;
      }
    }
  }

  /// Which positions an address names.
  public sealed interface Where {
    record Positions(PositionSpan span) implements Where {
      @Override
      public String toString() {
        return span.toString();
      }
    }

    /// The tokens of the prompt's subject, or its last one.
    record Subject(boolean lastOnly) implements Where {
      @Override
      public String toString() {
        return lastOnly ? "subject.last" : "subject";
      }
    }
  }

  /// One address.
  ///
  /// @throws IllegalArgumentException if it is not of the form above; the message names the nearest
  ///   site
  public static SiteAddress parse(String text) {
    String[] halves = text.strip().split("@", -1);
    if (halves.length > 2) {
      throw malformed(text, "it has more than one @");
    }
    String left = halves[0];
    Where where =
        halves.length == 1 ? new Where.Positions(PositionSpan.ALL) : where(text, halves[1]);
    Kind kind = kind(text, left);
    String stem = left.startsWith(kind.text()) ? kind.text() : "result";
    String[] rest =
        left.length() == stem.length()
            ? new String[0]
            : left.substring(stem.length() + 1).split("\\.", -1);
    if (!kind.layered()) {
      if (rest.length > 0) {
        throw malformed(text, kind.text() + " has no layer: write " + kind.text());
      }
      return new SiteAddress(kind, new Layers.None(), -1, where);
    }
    if (rest.length == 0) {
      throw malformed(
          text,
          "it needs a layer: %1$s.0, %1$s.-1, %1$s.4-9, %1$s.all or %1$s.late:4"
              .formatted(kind.text()));
    }
    if (rest.length > 2) {
      throw malformed(text, "it has too many parts");
    }
    return new SiteAddress(
        kind, layers(text, rest[0]), rest.length == 2 ? unit(text, kind, rest[1]) : -1, where);
  }

  /// A list of addresses, separated by commas.
  public static List<SiteAddress> parseAll(String text) {
    return Arrays.stream(text.split(",", -1)).map(SiteAddress::parse).toList();
  }

  /// What a list of addresses means on a model; none may name the subject.
  public static List<Slice> slices(String addresses, Transformer model) {
    return parseAll(addresses).stream().flatMap(a -> a.slices(model).stream()).toList();
  }

  /// The slices this means on a model, one a layer.
  ///
  /// @throws IllegalArgumentException if the model has no such site, layer, head or neuron, or the
  ///   address names the subject
  public List<Slice> slices(Transformer model) {
    return slices(model, null);
  }

  /// The same, with the positions of the prompt's subject, which may be null if none is named.
  public List<Slice> slices(Transformer model, @Nullable PositionSpan subject) {
    PositionSpan span = span(subject);
    var slices = new ArrayList<Slice>();
    for (int layer : layerNumbers(model)) {
      Site site = Site.of(kind, layer);
      model
          .refusal(site)
          .ifPresent(reason -> {
            throw new IllegalArgumentException(
                "%s: this %s model has no %s: %s; its sites are %s"
                    .formatted(this, model.card().family(), site, reason, siblings(model)));
          });
      requireUnit(model, site);
      slices.add(new Slice(site, List.of(), unit < 0 ? List.of() : List.of(unit), span));
    }
    return List.copyOf(slices);
  }

  /// Whether [#slices(Transformer, PositionSpan)] needs the subject's positions.
  public boolean namesSubject() {
    return where instanceof Where.Subject;
  }

  private PositionSpan span(@Nullable PositionSpan subject) {
    return switch (where) {
      case Where.Positions(PositionSpan span) -> span;
      case Where.Subject(boolean lastOnly) -> {
        if (subject == null) {
          throw new IllegalArgumentException(
              "%s: the prompt has no subject: name one, or write positions as numbers"
                  .formatted(this));
        }
        yield lastOnly ? PositionSpan.at(subject.last()) : subject;
      }
    };
  }

  private int[] layerNumbers(Transformer model) {
    int n = model.layers();
    return switch (layers) {
      case Layers.None _ -> new int[] {-1};
      case Layers.All _ -> IntStream.range(0, n).toArray();
      case Layers.One(int layer) -> {
        requireLayer(n, layer < -n || layer >= n);
        yield new int[] {layer < 0 ? n + layer : layer};
      }
      case Layers.Range(int first, int last) -> {
        requireLayer(n, last >= n);
        yield IntStream.rangeClosed(first, last).toArray();
      }
      case Layers.Late(int count) -> {
        requireLayer(n, count > n);
        yield IntStream.range(n - count, n).toArray();
      }
    };
  }

  private void requireLayer(int n, boolean missing) {
    if (missing) {
      throw new IllegalArgumentException(
          "%s: this model has layers 0 to %d (-%d to -1 from the end)".formatted(this, n - 1, n));
    }
  }

  private void requireUnit(Transformer model, Site site) {
    if (unit < 0) {
      return;
    }
    Block block = model.blocks().get(site.layer());
    boolean neurons = Slice.perNeuron(kind);
    boolean keys = kind == Kind.K || kind == Kind.V || kind == Kind.K_ROT;
    long units =
        neurons
            ? block.mlp().out().in()
            : keys ? block.attention().kvHeads() : block.attention().heads();
    if (unit >= units) {
      throw new IllegalArgumentException(
          "%s: %s has %s %s to %d"
              .formatted(
                  this,
                  site,
                  neurons ? "neurons" : keys ? "key/value heads" : "heads",
                  neurons ? "n0" : "h0",
                  units - 1));
    }
  }

  private static String siblings(Transformer model) {
    return Arrays.stream(Kind.values())
        .filter(k -> model.refusal(Site.of(k, 0)).isEmpty())
        .map(Kind::text)
        .collect(Collectors.joining(", "));
  }

  private static Kind kind(String text, String left) {
    if (left.equals("result") || left.startsWith("result.")) {
      return Kind.HEAD_OUT;
    }
    return Arrays.stream(Kind.values())
        .filter(k -> left.equals(k.text()) || left.startsWith(k.text() + "."))
        .max(Comparator.comparingInt(k -> k.text().length()))
        .orElseThrow(() -> unknown(text, left));
  }

  private static IllegalArgumentException unknown(String text, String left) {
    Optional<Site> foreign = SiteNames.find(left);
    if (foreign.isPresent()) {
      return malformed(text, "that is another tool's name for " + foreign.get());
    }
    String stem = left.startsWith("norm_scale") ? left : left.split("\\.", 2)[0];
    Kind nearest =
        Arrays.stream(Kind.values())
            .min(Comparator.comparingInt(k -> distance(stem, k.text())))
            .orElseThrow();
    String known = Arrays.stream(Kind.values()).map(Kind::text).collect(Collectors.joining(", "));
    return malformed(
        text,
        distance(stem, nearest.text()) <= Math.max(2, nearest.text().length() / 3)
            ? "there is no site '%s', did you mean %s?".formatted(stem, nearest.text())
            : "there is no site '%s', only %s".formatted(stem, known));
  }

  private static Layers layers(String text, String part) {
    if (part.equals("all")) {
      return new Layers.All();
    }
    if (LAYER.matcher(part).matches()) {
      return new Layers.One(Integer.parseInt(part));
    }
    Matcher late = LATE.matcher(part);
    if (late.matches()) {
      int count = Integer.parseInt(late.group(1));
      if (count == 0) {
        throw malformed(text, "late:0 names no layer");
      }
      return new Layers.Late(count);
    }
    Matcher range = RANGE.matcher(part);
    if (!range.matches()) {
      throw malformed(
          text,
          "'%s' is not a layer: expected a number such as 4 or -1, a range such as 4-9, all, or late:4"
              .formatted(part));
    }
    int first = Integer.parseInt(range.group(1));
    int last = Integer.parseInt(range.group(2));
    if (first > last) {
      throw malformed(text, "a range of layers goes upwards: write %d-%d".formatted(last, first));
    }
    return new Layers.Range(first, last);
  }

  private static int unit(String text, Kind kind, String part) {
    Matcher matcher = UNIT.matcher(part);
    if (!matcher.matches()) {
      throw malformed(
          text, "'%s' is neither a head such as h7 nor a neuron such as n4311".formatted(part));
    }
    boolean head = matcher.group(1).equals("h");
    if (head && !kind.perHead()) {
      throw malformed(
          text,
          kind == Kind.ATTN_OUT || kind == Kind.ATTN_RAW
              ? kind.text() + " is the sum over heads: one head's part is head_out"
              : kind.text()
                  + " has no heads: q, k, v, q_rot, k_rot, scores, pattern, z and head_out have");
    }
    if (!head && !Slice.perNeuron(kind)) {
      throw malformed(text, kind.text() + " has no neurons: mlp_gate, mlp_up and mlp_act have");
    }
    return Integer.parseInt(matcher.group(2));
  }

  private static Where where(String text, String part) {
    return switch (part) {
      case "subject" -> new Where.Subject(false);
      case "subject.last" -> new Where.Subject(true);
      default -> {
        try {
          yield new Where.Positions(PositionSpan.parse(part));
        } catch (IllegalArgumentException e) {
          throw malformed(text, e.getMessage() + ", subject or subject.last");
        }
      }
    };
  }

  private static IllegalArgumentException malformed(String text, String reason) {
    return new IllegalArgumentException("site address '%s': %s".formatted(text, reason));
  }

  /// Levenshtein's distance.
  private static int distance(String a, String b) {
    int[] row = IntStream.rangeClosed(0, b.length()).toArray();
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substituted = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substituted, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }

  /// The canonical text, which [#parse] reads back.
  @Override
  public String toString() {
    var text = new StringBuilder(kind.text());
    if (!(layers instanceof Layers.None)) {
      text.append('.').append(layers);
    }
    if (unit >= 0) {
      text.append(kind.perHead() ? ".h" : ".n").append(unit);
    }
    if (!where.equals(new Where.Positions(PositionSpan.ALL))) {
      text.append('@').append(where);
    }
    return text.toString();
  }
}
