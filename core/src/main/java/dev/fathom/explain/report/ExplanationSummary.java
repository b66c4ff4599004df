package dev.fathom.explain.report;

import dev.fathom.evaluate.RankCorrelation;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Metric;
import dev.fathom.explain.attribute.TokenAttribution;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.AblationResult;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.Patching;
import dev.fathom.explain.causal.PatchingResult;
import dev.fathom.explain.causal.TracingResult;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.parts.TokenDecompositionResult;
import dev.fathom.explain.report.Findings.Work;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.stream.IntStream;

/// The paragraph at the top of an [Explanation]: plain sentences, made from nothing but the numbers
/// of the sections below it.
final class ExplanationSummary {
  private final Findings found;
  private final List<String> tokens;
  private final boolean startToken;
  private final List<String> sentences = new ArrayList<>();

  private ExplanationSummary(Findings found) {
    this.found = found;
    this.tokens = found.lens().provenance().tokens();
    this.startToken = found.question.prompt().startToken() && tokens.size() > 1;
  }

  static String of(Findings found) {
    var summary = new ExplanationSummary(found);
    summary.said();
    summary.layers();
    summary.sublayers();
    summary.heads();
    summary.tokens();
    summary.patching();
    summary.tracing();
    return String.join(" ", summary.sentences);
  }

  private void say(String format, Object... values) {
    sentences.add(String.format(Locale.ROOT, format, values));
  }

  /// A token as it is named in a sentence; its number too where it stands more than once.
  private String token(int position) {
    String text = tokens.get(position);
    return tokens.stream().filter(text::equals).count() > 1
        ? "'%s' (token %d)".formatted(text, position)
        : "'%s'".formatted(text);
  }

  private void said() {
    LensResult lens = found.lens();
    int last = lens.rows() - 1;
    say(
        "%s the model says '%s' with probability %.2f.",
        lens.position() == lens.positions() - 1
            ? "After the last token"
            : "At token %d".formatted(lens.position()),
        lens.said(lens.position()),
        lens.topProbability().at(last, lens.position(), 0));
    if (lens.rank() > 0) {
      say(
          "The target '%s' has probability %.4f, rank %d.",
          lens.target(), lens.probability(), lens.rank());
    }
  }

  private void layers() {
    LensResult lens = found.lens();
    int blocks = lens.rows() - 1;
    if (lens.rank() == 0) {
      if (lens.settled() == blocks) {
        say("Only the last of %d layers puts the target first.", blocks);
      } else if (lens.settled() == 0) {
        say("Every layer puts the target first, the embedding included.");
      } else {
        say(
            "The target is the lens' first choice from layer %d of %d on, and stays it.",
            lens.settled(), blocks);
      }
    }
    say(
        "Over the whole prompt the next token is settled at layer %.1f of %d on average.",
        found.exit().meanCommitDepth(), blocks);
  }

  /// The cell of a grid `[layer, column]` with the largest number, the start token's column left
  /// out where it is one.
  private record Cell(int layer, int column, double value) {
    static Cell largest(Grid grid, int first) {
      int width = grid.shape()[1];
      return IntStream.range(0, grid.size())
          .filter(i -> i % width >= Math.min(first, width - 1))
          .mapToObj(i -> new Cell(i / width, i % width, grid.at(i / width, i % width)))
          .filter(cell -> !Double.isNaN(cell.value))
          .max(Comparator.comparingDouble(Cell::value))
          .orElseThrow();
    }
  }

  private int first() {
    return startToken ? 1 : 0;
  }

  private String loss(double value, double clean) {
    Metric metric = found.question.metric();
    return metric == Metric.KL
        ? "the prediction moves by %.2f nats".formatted(value)
        : "the answer loses %.2f of %.2f (%s)".formatted(value, clean, metric.unit());
  }

  private void sublayers() {
    if (!found.has(Work.SUBLAYERS)) {
      return;
    }
    AblationResult ablation = found.sublayers();
    Cell attention = Cell.largest(ablation.effect(Ablation.Part.ATTENTION), first());
    Cell mlp = Cell.largest(ablation.effect(Ablation.Part.MLP), first());
    Cell most = attention.value > mlp.value ? attention : mlp;
    if (most.value > 0) {
      say(
          "Of all sublayers at a token%s, %s of layer %d at %s is needed most: without it %s.",
          startToken ? " (the start token apart)" : "",
          most == attention ? "attention" : "the MLP",
          most.layer,
          token(most.column),
          loss(most.value, ablation.clean()));
    }
  }

  private void heads() {
    if (!found.has(Work.HEADS)) {
      return;
    }
    AblationResult ablation = found.heads();
    Cell needed = Cell.largest(ablation.effect(Ablation.Part.HEAD), 0);
    Cell writes = Cell.largest(found.direct().heads(), 0);
    var head = new HeadIndex(needed.layer, needed.column);
    if (needed.value > 0) {
      say(
          "Of the heads, %s is needed most: without it %s.",
          head, loss(needed.value, ablation.clean()));
    }
    if (writes.value > 0) {
      var writer = new HeadIndex(writes.layer, writes.column);
      say(
          writer.equals(head) && needed.value > 0
              ? "Head %s also writes most for the answer itself (%+.2f logits)."
              : "It is head %s that writes most for the answer itself (%+.2f logits).",
          writer,
          writes.value);
    }
  }

  /// Which tokens carry the answer, by every method that says so, and whether the methods agree.
  private void tokens() {
    var methods = new LinkedHashMap<String, Grid>();
    if (found.has(Work.DECOMPOSITION)) {
      methods.put("decomposition", decomposed());
    }
    if (found.has(Work.GRADIENTS)) {
      found.gradients().attributions().forEach(a -> methods.put(a.title(), a.scores()));
    }
    if (found.has(Work.SHAP)) {
      found.shapley().attributions().forEach(a -> methods.put("Shapley values", a.scores()));
    }
    if (methods.isEmpty()) {
      return;
    }
    methods.forEach((method, scores) -> carried(method, scores));
    if (methods.size() > 1) {
      agreement(methods);
    }
    if (found.has(Work.GRADIENTS)) {
      for (TokenAttribution attribution : found.gradients().attributions()) {
        if (!attribution.converged()) {
          say(
              "%s have not converged (their sum is off by %.0f %%): trust them less.",
              capital(attribution.title()), 100 * attribution.gap().orElse(0));
        }
      }
    }
  }

  /// What the decomposition gives to each token, without the slot of the biases.
  private Grid decomposed() {
    TokenDecompositionResult result = found.decomposition();
    int length = result.tokens();
    float[] scores = new float[length];
    for (int t = 0; t < length; t++) {
      scores[t] = (float) result.score(t);
    }
    return Grid.vector(Axis.index("position", length), scores);
  }

  private List<Integer> order(Grid scores) {
    return IntStream.range(Math.min(first(), scores.size() - 1), scores.size())
        .filter(t -> !Double.isNaN(scores.at(t)))
        .boxed()
        .sorted(Comparator.comparingDouble(t -> -scores.at(t)))
        .toList();
  }

  private void carried(String method, Grid scores) {
    List<String> named =
        order(scores).stream()
            .limit(2)
            .filter(t -> scores.at(t) > 0)
            .map(t -> String.format(Locale.ROOT, "%s (%+.2f)", token(t), scores.at(t)))
            .toList();
    if (named.isEmpty()) {
      say("By %s no token speaks for the answer.", method);
    } else {
      say("By %s the answer comes most from %s.", method, String.join(" and ", named));
    }
  }

  private void agreement(SequencedMap<String, Grid> methods) {
    var best = new LinkedHashMap<Integer, List<String>>();
    methods.forEach((method, scores) -> {
      List<Integer> order = order(scores);
      if (!order.isEmpty()) {
        best.computeIfAbsent(order.getFirst(), _ -> new ArrayList<>()).add(method);
      }
    });
    if (best.size() == 1) {
      say("These methods agree that %s counts most.", token(best.sequencedKeySet().getFirst()));
    } else if (best.size() > 1) {
      say(
          "These methods disagree about the token that counts most (their rank correlation goes down"
              + " to %.2f): read none of them alone.",
          lowest(List.copyOf(methods.values()), first()));
    }
  }

  /// The lowest rank correlation of two scores of the tokens, from the token `first` on.
  static double lowest(List<Grid> scores, int first) {
    double lowest = 1;
    for (int i = 0; i < scores.size(); i++) {
      for (int j = 0; j < i; j++) {
        double r = RankCorrelation.of(from(first, scores.get(i)), from(first, scores.get(j)));
        lowest = Double.isNaN(r) ? lowest : Math.min(lowest, r);
      }
    }
    return lowest;
  }

  private static float[] from(int first, Grid scores) {
    float[] values = scores.values();
    return Arrays.copyOfRange(values, Math.min(first, values.length - 1), values.length);
  }

  private static String capital(String text) {
    return Character.toUpperCase(text.charAt(0)) + text.substring(1);
  }

  private void patching() {
    if (!found.has(Work.PATCH)) {
      return;
    }
    PatchingResult patch = found.patch();
    Cell attention = Cell.largest(patch.recovery(Patching.Part.ATTENTION), first());
    Cell mlp = Cell.largest(patch.recovery(Patching.Part.MLP), first());
    Cell head = Cell.largest(patch.recovery(Patching.Part.HEAD), 0);
    Cell most = attention.value > mlp.value ? attention : mlp;
    say(
        "Put alone into the corrupt prompt's run, %s of layer %d at %s brings back %.2f of the"
            + " difference, head %s %.2f.",
        most == attention ? "attention" : "the MLP",
        most.layer,
        token(most.column),
        most.value,
        new HeadIndex(head.layer, head.column),
        head.value);
  }

  private void tracing() {
    if (!found.has(Work.TRACE)) {
      return;
    }
    TracingResult trace = found.trace();
    Cell mlp = Cell.largest(trace.indirectEffect(CausalTracing.State.MLP), first());
    Cell attention = Cell.largest(trace.indirectEffect(CausalTracing.State.ATTENTION), first());
    Cell most = attention.value > mlp.value ? attention : mlp;
    String noise =
        trace.metric() == Metric.KL
            ? String.format(Locale.ROOT, "prediction moves by %.2f nats", trace.low())
            : String.format(
                Locale.ROOT,
                "answer falls from %.2f to %.2f (%s)",
                trace.high(),
                trace.low(),
                trace.metric().unit());
    say(
        "With the subject drowned in noise the %s; putting back %s around layer %d at %s restores"
            + " %.2f.",
        noise,
        most == attention ? "attention" : "the MLPs",
        most.layer,
        token(most.column),
        most.value);
  }
}
