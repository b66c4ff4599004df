package dev.fathom.explain.report;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.Runs;
import dev.fathom.explain.attention.AttentionPatterns;
import dev.fathom.explain.attention.AttentionPatternsResult;
import dev.fathom.explain.attention.TokenMixing;
import dev.fathom.explain.attention.TokenMixingResult;
import dev.fathom.explain.attribute.Attribution;
import dev.fathom.explain.attribute.AttributionMethod;
import dev.fathom.explain.attribute.AttributionResult;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.AblationResult;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.Patching;
import dev.fathom.explain.causal.PatchingResult;
import dev.fathom.explain.causal.PathPatching;
import dev.fathom.explain.causal.PathPatchingResult;
import dev.fathom.explain.causal.TracingResult;
import dev.fathom.explain.lens.ExitProfile;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.neurons.NeuronContributionResult;
import dev.fathom.explain.neurons.NeuronContributions;
import dev.fathom.explain.parts.DirectLogitAttribution;
import dev.fathom.explain.parts.DirectLogitResult;
import dev.fathom.explain.parts.TokenDecomposition;
import dev.fathom.explain.parts.TokenDecompositionResult;
import dev.fathom.model.Transformer;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Grid;
import dev.fathom.view.Result;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// What the sections of an [Explanation] are made from: each result is computed when the first one
/// asks for it, and once. All runs of the unchanged model that sweeps depart from are one.
///
/// Lives in the scope that is open while it is asked.
final class Findings {
  /// Heads whose patterns are drawn, of those that write most and of those that are needed most.
  private static final int HEADS = 2;

  /// A computation, and what it costs in block-tokens ([Pace]). Constants are measured.
  enum Work {
    LENS {
      @Override
      double cost(Size s) {
        return s.run() + (s.layers + 1) * s.tokens * s.head;
      }
    },
    SUBLAYERS {
      @Override
      double cost(Size s) {
        return PARTS.length * s.map();
      }
    },
    HEADS {
      @Override
      double cost(Size s) {
        return s.heads * s.layers * s.run() / 2;
      }
    },
    DIRECT {
      @Override
      double cost(Size s) {
        return 4 * s.run();
      }
    },
    DECOMPOSITION {
      @Override
      double cost(Size s) {
        return (s.tokens + 1) * (s.run() / 2 + (s.layers + 1) * s.head);
      }
    },
    GRADIENTS {
      @Override
      double cost(Size s) {
        return 3 * s.run() * (INTEGRATED.steps() + 1);
      }
    },
    PATTERNS {
      @Override
      double cost(Size s) {
        return s.run();
      }
    },
    ROLLOUT {
      @Override
      double cost(Size s) {
        return s.run();
      }
    },
    NEURONS {
      @Override
      double cost(Size s) {
        return 2 * s.run() + 20 * s.head;
      }
    },
    TRACE {
      @Override
      double cost(Size s) {
        return 3 * SAMPLES * s.map();
      }
    },
    SHAP {
      @Override
      double cost(Size s) {
        double subsets =
            s.tokens <= AttributionMethod.Shap.MOST_EXACT
                ? Math.pow(2, s.tokens)
                : AttributionMethod.Shap.standard().samples();
        return subsets * s.run() / 3;
      }
    },
    PATCH {
      @Override
      double cost(Size s) {
        return 3 * s.map() + HEADS.cost(s);
      }
    },
    PATH {
      @Override
      double cost(Size s) {
        return HEADS.cost(s) / 2;
      }
    };

    /// In block-tokens.
    abstract double cost(Size size);
  }

  /// Everything that the cost depends on.
  ///
  /// @param tokens of the prompt
  /// @param head one row of the head in block-tokens
  /// @param backward whether positions see those after them, so that no prefix is shared
  record Size(int layers, int heads, double tokens, double head, boolean backward) {
    /// One run of the model.
    double run() {
      return layers * tokens;
    }

    /// A changed run for each layer and position.
    double map() {
      return run() * run() / (backward ? 2 : 4);
    }
  }

  private static final Ablation.Part[] PARTS = {
    Ablation.Part.ATTENTION, Ablation.Part.MLP, Ablation.Part.BOTH
  };
  private static final int SAMPLES = 10;

  /// Half the usual steps, as it is one of many sections; its note names their number.
  private static final AttributionMethod.IntegratedGradients INTEGRATED =
      AttributionMethod.IntegratedGradients.standard().withSteps(32);

  /// Told that a computation has come this far, 0 to 1.
  interface Watcher {
    void at(Work work, double share);
  }

  final Transformer model;
  final Tokenizer tokenizer;
  final Question question;
  final Optional<Prompt> corrupt;
  final Optional<TokenSpan> subject;
  private final long budget;
  private final Watcher watcher;
  private final Map<Work, Result> known = new EnumMap<>(Work.class);
  private @Nullable Runs runs;

  Findings(
      Transformer model,
      Tokenizer tokenizer,
      Question question,
      Explanation.Config config,
      Watcher watcher) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.question = question;
    this.corrupt = config.corrupt();
    this.subject = config.subject();
    this.budget = config.budget();
    this.watcher = watcher;
  }

  /// Tokens that can matter.
  int tokens() {
    return question.ids(model).length;
  }

  boolean has(Work work) {
    return known.containsKey(work);
  }

  private <T extends Result> T once(Work work, Class<T> type, Supplier<T> make) {
    Result result = known.get(work);
    if (result == null) {
      watcher.at(work, 0);
      result = make.get();
      watcher.at(work, 1);
      known.put(work, result);
    }
    return type.cast(result);
  }

  /// Counts changed runs of which `all` are to come.
  private LongConsumer counting(Work work, long all) {
    long[] done = {0};
    return rows -> {
      done[0] += rows;
      watcher.at(work, Math.min(1, (double) done[0] / Math.max(1, all)));
    };
  }

  private Runs runs() {
    Runs before = runs;
    if (before == null) {
      before = Runs.of(model, question.ids(model));
      runs = before;
    }
    return before;
  }

  private int headCount() {
    return model.blocks().getFirst().attention().heads();
  }

  /// The same where the prompt itself must not be the zero of the metric.
  private Question attributable() {
    return question.metric() == Metric.KL ? question.measuredBy(Metric.LOG_PROB) : question;
  }

  LensResult lens() {
    var config = LogitLens.Config.standard().withTarget(question.target()).at(question.position());
    return once(
        Work.LENS,
        LensResult.class,
        () -> LogitLens.run(model, tokenizer, question.prompt(), config));
  }

  ExitProfile exit() {
    return ExitProfile.of(lens(), model.card().causal());
  }

  AblationResult sublayers() {
    return ablation(Work.SUBLAYERS, (long) PARTS.length * model.layers() * tokens(), PARTS);
  }

  AblationResult heads() {
    return ablation(Work.HEADS, (long) model.layers() * headCount(), Ablation.Part.HEAD);
  }

  private AblationResult ablation(Work work, long rows, Ablation.Part... parts) {
    return once(
        work,
        AblationResult.class,
        () ->
            Ablation.run(
                model,
                tokenizer,
                question,
                runs(),
                Ablation.Config.standard().of(parts).within(budget).telling(counting(work, rows))));
  }

  DirectLogitResult direct() {
    return once(
        Work.DIRECT,
        DirectLogitResult.class,
        () -> DirectLogitAttribution.run(model, tokenizer, question.linear()));
  }

  TokenDecompositionResult decomposition() {
    return once(
        Work.DECOMPOSITION,
        TokenDecompositionResult.class,
        () ->
            TokenDecomposition.run(
                model, tokenizer, question.linear(), TokenDecomposition.Config.standard()));
  }

  AttributionResult gradients() {
    return attribution(Work.GRADIENTS, new AttributionMethod.GradientTimesInput(), INTEGRATED);
  }

  AttributionResult shapley() {
    return attribution(Work.SHAP, AttributionMethod.Shap.standard());
  }

  private AttributionResult attribution(Work work, AttributionMethod... methods) {
    return once(
        work,
        AttributionResult.class,
        () -> Attribution.run(model, tokenizer, attributable(), List.of(methods)));
  }

  /// Patterns of the strongest heads: those that write most for or against the answer, and where
  /// heads were taken away those that are needed most.
  AttentionPatternsResult patterns() {
    return once(
            Work.PATTERNS,
            AttentionPatternsResult.class,
            () -> AttentionPatterns.run(model, tokenizer, question.prompt()))
        .showing(strongest());
  }

  private List<HeadIndex> strongest() {
    var heads = new ArrayList<>(strongest(direct().heads(), 0, HEADS));
    if (has(Work.HEADS)) {
      for (HeadIndex head : strongest(heads().effect(Ablation.Part.HEAD), 0, HEADS)) {
        if (!heads.contains(head)) {
          heads.add(head);
        }
      }
    }
    return heads;
  }

  /// The heads with the largest numbers of a grid `[layer, head]`, from a layer on.
  private static List<HeadIndex> strongest(Grid grid, int layer, int count) {
    int width = grid.shape()[1];
    return IntStream.range(layer * width, grid.size())
        .mapToObj(i -> new HeadIndex(i / width, i % width))
        .sorted(Comparator.comparingDouble(h -> -Math.abs(grid.at(h.layer(), h.head()))))
        .limit(count)
        .toList();
  }

  TokenMixingResult rollout() {
    return once(
        Work.ROLLOUT,
        TokenMixingResult.class,
        () ->
            TokenMixing.run(
                model,
                tokenizer,
                question.prompt(),
                question.position(),
                TokenMixing.Method.ROLLOUT));
  }

  NeuronContributionResult neurons() {
    return once(
        Work.NEURONS,
        NeuronContributionResult.class,
        () ->
            NeuronContributions.run(
                model, tokenizer, question.linear(), NeuronContributions.Config.standard()));
  }

  /// Of the probability, unless another metric than the logit was asked for.
  TracingResult trace() {
    TokenSpan span = subject.orElseThrow();
    long rows =
        (long) CausalTracing.State.values().length
            * model.layers()
            * Math.max(1, tokens() - span.first())
            * SAMPLES;
    return once(
        Work.TRACE,
        TracingResult.class,
        () ->
            CausalTracing.run(
                model,
                tokenizer,
                question.metric() == Metric.LOGIT
                    ? question.measuredBy(Metric.PROBABILITY)
                    : question,
                span,
                CausalTracing.Config.standard(model)
                    .withSamples(SAMPLES)
                    .within(budget)
                    .telling(counting(Work.TRACE, rows))));
  }

  PatchingResult patch() {
    long rows = (long) model.layers() * (3L * tokens() + headCount());
    return once(
        Work.PATCH,
        PatchingResult.class,
        () ->
            Patching.run(
                model,
                tokenizer,
                question,
                corrupt.orElseThrow(),
                Patching.Config.standard().within(budget).telling(counting(Work.PATCH, rows))));
  }

  /// To queries, keys and values of the head that writes most, among those that others can reach.
  PathPatchingResult path() {
    List<PathPatching.Receiver> receivers = new ArrayList<>();
    if (model.layers() == 1) {
      receivers.add(new PathPatching.Receiver.Logits());
    } else {
      HeadIndex head = strongest(direct().heads(), 1, 1).getFirst();
      for (PathPatching.Input input : PathPatching.Input.values()) {
        receivers.add(new PathPatching.Receiver.Head(input, head.layer(), head.head()));
      }
    }
    return once(
        Work.PATH,
        PathPatchingResult.class,
        () ->
            PathPatching.run(
                model,
                tokenizer,
                question,
                corrupt.orElseThrow(),
                receivers,
                budget,
                counting(Work.PATH, (long) model.layers() * headCount())));
  }
}
