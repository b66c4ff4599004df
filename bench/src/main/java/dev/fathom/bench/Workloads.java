package dev.fathom.bench;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.attribute.Attribution;
import dev.fathom.explain.attribute.AttributionMethod;
import dev.fathom.explain.attribute.Filler;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.AblationResult;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.Patching;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.parts.TokenDecomposition;
import dev.fathom.model.Capture;
import dev.fathom.model.Captured;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generator;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// The timed work. Each method warms up and repeats exactly as its peer does, checks what was
/// computed, and returns seconds.
final class Workloads {
  private static final int NEW_TOKENS = 64;

  private final Subject subject;
  private final Transformer model;

  Workloads(Subject subject) {
    this.subject = subject;
    this.model = subject.model();
  }

  /// One row, logits of all positions.
  double forward() {
    Layout layout = Layout.single(subject.prompt().length());
    Runnable once =
        () -> {
          try (var scope = Scope.withoutGradients()) {
            model.forward(subject.promptIds(), Pass.over(layout));
          }
        };
    once.run();
    double seconds = Timing.best(10, once);
    try (var scope = Scope.withoutGradients()) {
      Tensor logits = model.forward(subject.promptIds(), Pass.over(layout));
      Tensor last = logits.narrow(0, layout.tokens() - 1L, 1);
      subject.requireAnswer(Task.FORWARD, (long) last.argmax(-1).item());
    }
    return seconds;
  }

  /// Many long rows, logits of the last position of each.
  double forwardMany() {
    Layout layout = rows(8, 256);
    double[] total = new double[1];
    double seconds =
        Timing.best(
            3,
            () -> {
              try (var scope = Scope.withoutGradients()) {
                Tensor ids = subject.randomIds(layout, 0);
                Tensor logits = model.forward(ids, Pass.over(layout).with(Wanted.LAST));
                logits.requireShape("the logits", 8, model.outputs());
                total[0] = logits.sum().item();
              }
            });
    requireFinite(Task.FORWARD_8X256, total[0]);
    return seconds;
  }

  /// Every layer read at every position: top 5, entropy, probability and rank of the answer.
  double lens() {
    var config = LogitLens.Config.standard().withTarget(subject.answerId());
    var found = new ArrayList<LensResult>(1);
    Runnable once =
        () -> {
          found.clear();
          found.add(LogitLens.run(model, subject.tokenizer(), subject.prompt(), config));
        };
    once.run();
    double seconds = Timing.best(5, once);
    LensResult result = found.getFirst();
    subject.requireAnswer(Task.LENS, result.top(result.rows() - 1, result.positions() - 1));
    if (result.rank() != 0) {
      throw new IllegalStateException(
          "lens: the answer's rank should be 0, found " + result.rank());
    }
    return seconds;
  }

  /// The stream after every block of every token, as arrays; all logits are computed too.
  double capture() {
    Layout layout = rows(8, 128);
    Site[] sites =
        IntStream.range(0, model.layers())
            .mapToObj(layer -> Site.of(Kind.RESID_POST, layer))
            .toArray(Site[]::new);
    var found = new ArrayList<Captured>();
    Runnable once =
        () -> {
          found.clear();
          try (var scope = Scope.withoutGradients()) {
            var capture = Capture.of(sites);
            model.forward(subject.randomIds(layout, 1), Pass.over(layout).with(capture));
            for (Site site : sites) {
              found.add(capture.get(site));
            }
          }
        };
    once.run();
    double seconds = Timing.best(3, once);
    for (Captured captured : found) {
      double sum = 0;
      for (float value : captured.values()) {
        sum += value;
      }
      requireFinite(Task.CAPTURE, sum);
    }
    long numbers = found.stream().mapToLong(captured -> captured.bytes() / Float.BYTES).sum();
    if (numbers != (long) model.layers() * layout.tokens() * model.dModel()) {
      throw new IllegalStateException("capture: %d numbers came back".formatted(numbers));
    }
    return seconds;
  }

  /// Greedy continuation of one row, with keys and values kept.
  double generate() {
    var found = new ArrayList<Integer>();
    Runnable once =
        () -> {
          found.clear();
          found.addAll(
              Generator.of(model)
                  .run(subject.prompt().ids(), Decoding.greedy(NEW_TOKENS))
                  .tokens());
        };
    once.run();
    double seconds = Timing.best(2, once);
    subject.requireAnswer(Task.GENERATE, found.getFirst());
    if (found.size() != NEW_TOKENS) {
      throw new IllegalStateException(
          "generate: expected %d tokens, found %d".formatted(NEW_TOKENS, found.size()));
    }
    return seconds;
  }

  /// The sentences tokenized and scored, rows of like length together.
  double stereoset(Sentences sentences) {
    var found = new ArrayList<float[]>();
    double seconds =
        Timing.best(
            1,
            () -> {
              found.clear();
              found.addAll(Likelihood.of(model, ids(sentences), Likelihood.Config.standard()));
            });
    for (float[] values : found) {
      double sum = Likelihood.sum(values);
      requireFinite(Task.STEREOSET, sum);
      if (sum >= 0) {
        throw new IllegalStateException("stereoset: a sentence has the log-probability " + sum);
      }
    }
    return seconds;
  }

  /// Zero ablation, four kinds at every layer and position, the answer's logit.
  double ablation() {
    var config =
        Ablation.Config.standard()
            .of(
                Ablation.Part.ATTENTION,
                Ablation.Part.MLP,
                Ablation.Part.BOTH,
                Ablation.Part.ATTENTION_TO_MLP);
    return ablated(Task.ABLATION, config);
  }

  /// Zero ablation of every head.
  double heads() {
    return ablated(Task.HEADS, Ablation.Config.standard().of(Ablation.Part.HEAD));
  }

  private double ablated(Task task, Ablation.Config config) {
    Question question = Question.of(subject.prompt(), subject.answerId());
    var found = new ArrayList<AblationResult>(1);
    double seconds =
        Timing.best(
            2,
            () -> {
              found.clear();
              found.add(Ablation.run(model, subject.tokenizer(), question, config));
            });
    for (var effect : found.getFirst().effects().values()) {
      for (float value : effect.values()) {
        requireFinite(task, value);
      }
    }
    return seconds;
  }

  /// Stream, attention and MLP patched at every layer and position.
  double patch() {
    Question question = Question.of(subject.prompt(), subject.answerId());
    int[] ids = subject.prompt().ids();
    int[] other = ids.clone();
    other[1] = ids[2];
    other[2] = ids[1];
    var corrupt = Prompt.ofIds(subject.tokenizer(), other);
    var config =
        Patching.Config.standard()
            .of(Patching.Part.STREAM, Patching.Part.ATTENTION, Patching.Part.MLP);
    return Timing.best(
        2,
        () ->
            requireFinite(
                Task.PATCH,
                Patching.run(model, subject.tokenizer(), question, corrupt, config).corrupt()));
  }

  /// Integrated gradients of the answer's log probability from the end token, 64 steps.
  double integratedGradients() {
    Question question =
        Question.of(subject.prompt(), subject.answerId()).measuredBy(Metric.LOG_PROB);
    var method =
        new AttributionMethod.IntegratedGradients(Filler.EOS, AttributionMethod.Path.MIDPOINT, 64);
    return Timing.best(
        2,
        () ->
            requireFinite(
                Task.IG,
                Attribution.run(model, subject.tokenizer(), question, List.of(method))
                    .attributions()
                    .getFirst()
                    .scores()
                    .values()[0]));
  }

  /// Token decomposition of the whole prompt.
  double decompose() {
    Question question = Question.of(subject.prompt(), subject.answerId());
    return Timing.best(
        2,
        () ->
            requireFinite(
                Task.DECOMPOSE,
                TokenDecomposition.run(
                        model, subject.tokenizer(), question, TokenDecomposition.Config.standard())
                    .logit()));
  }

  /// Causal tracing of three kinds of state with ten noise samples.
  double trace() {
    Question question =
        Question.of(subject.prompt(), subject.answerId()).measuredBy(Metric.PROBABILITY);
    return Timing.best(
        1,
        () ->
            requireFinite(
                Task.TRACE,
                CausalTracing.run(
                        model,
                        subject.tokenizer(),
                        question,
                        new TokenSpan(1, 3),
                        CausalTracing.Config.standard(model))
                    .low()));
  }

  /// The token ids of the sentences.
  List<int[]> ids(Sentences sentences) {
    return sentences.texts().stream().map(text -> subject.tokenizer().encode(text).ids()).toList();
  }

  private static Layout rows(int rows, int length) {
    return Layout.rows(IntStream.generate(() -> length).limit(rows).toArray());
  }

  private static void requireFinite(Task task, double value) {
    if (!Double.isFinite(value)) {
      throw new IllegalStateException("%s: computed %s".formatted(task, value));
    }
  }
}
