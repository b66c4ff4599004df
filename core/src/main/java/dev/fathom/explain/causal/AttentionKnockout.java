package dev.fathom.explain.causal;

import dev.fathom.evaluate.Provenances;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.explain.Runs;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.List;

/// Which tokens must the answer be able to look at, and in which layers? In a window of layers the
/// scores of some queries for one key become −∞, so that nothing flows there directly; each cell is
/// `metric(clean) − metric(without)` (Geva et al. 2023).
///
/// The attention that is taken away goes to the other keys, as softmax renormalises. A query that
/// would have nothing left to look at keeps what it had. It misleads where information takes
/// another way round: through a token between, or before or after the window.
public final class AttentionKnockout {
  private AttentionKnockout() {}

  /// Which queries may not look.
  public enum Queries {
    /// Only the position in question.
    ASKED("last"),
    /// Every later position too (every other position in an encoder): the token is as good as
    /// unseen in these layers.
    ALL("all");

    private final String text;

    Queries(String text) {
      this.text = text;
    }

    public String text() {
      return text;
    }
  }

  /// @param window layers that are changed together, around the one in question
  public record Config(int window, Queries queries) {
    public Config {
      if (window < 1) {
        throw new IllegalArgumentException(
            "A window of layers has at least 1 layer, found " + window + ".");
      }
    }

    /// A fifth of the layers, and only the position in question.
    public static Config standard(Transformer model) {
      return new Config(Math.max(1, Math.round(model.layers() / 5f)), Queries.ASKED);
    }

    public Config withWindow(int layers) {
      return new Config(layers, queries);
    }

    public Config of(Queries queries) {
      return new Config(window, queries);
    }

    /// The first layer of the window around one.
    int first(int layer) {
      return Math.max(0, layer - window / 2);
    }

    /// One behind its last layer.
    int end(int layer, int layers) {
      return Math.min(layers, layer - window / 2 + window);
    }
  }

  /// The map of one prompt; `tokenizer` only names tokens.
  public static AttentionKnockoutResult run(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    long start = System.nanoTime();
    int[] ids = question.ids(model);
    try (var scope = Scope.withoutGradients()) {
      Runs runs = Runs.of(model, ids);
      var readout = new Readout(model, question, runs.last(0, question.position()));
      var rows = new ArrayList<Sweep.Row>();
      for (int layer = 0; layer < model.layers(); layer++) {
        for (int key = 0; key < ids.length; key++) {
          rows.add(row(model, question, config, layer, key));
        }
      }
      double[] values = readout.values(new Sweep(model, runs, question.position()).run(rows));
      float[] effects = new float[values.length];
      for (int i = 0; i < values.length; i++) {
        effects[i] = (float) question.metric().effect(readout.clean(), values[i]);
      }
      var names = new Names(model, tokenizer);
      List<String> tokens = names.tokens(question.prompt());
      return new AttentionKnockoutResult(
          Provenances.of(
              model,
              question.prompt(),
              tokens,
              (System.nanoTime() - start) / 1e9,
              "target",
              names.output(question.target()),
              "metric",
              question.metric().text(),
              "window",
              Integer.toString(config.window),
              "queries",
              config.queries.text()),
          question.metric(),
          readout.clean(),
          config.window,
          Grid.real(
              List.of(
                  Axis.index("layer", model.layers()),
                  Axis.of("position", tokens.subList(0, ids.length))),
              effects));
    }
  }

  /// The run in which `key` is hidden in the window around `layer`.
  static Sweep.Row row(Transformer model, Question question, Config config, int layer, int key) {
    boolean asked = config.queries == Queries.ASKED;
    int from = asked ? question.position() : model.card().causal() ? key : 0;
    var changes = new ArrayList<Intervention>();
    for (int l = config.first(layer); l < config.end(layer, model.layers()); l++) {
      Slice scores = Slice.of(Kind.SCORES, l);
      changes.add(
          new Intervention.Change(asked ? scores.at(from) : scores, part -> hidden(part, key)));
    }
    return new Sweep.Row(0, config.first(layer), from, changes);
  }

  /// Scores `[rows, heads, queries, keys]` with one key at −∞, except for queries that see no
  /// other.
  static Tensor hidden(Tensor scores, int key) {
    long keys = scores.size(3);
    long[] chosen = new long[(int) keys];
    chosen[key] = 1;
    Tensor mask = Tensor.of(chosen, 1, 1, 1, keys);
    Tensor one = Tensor.of(new long[] {1}, 1);
    Tensor rest = scores.maskedFill(mask.ge(one), Double.NEGATIVE_INFINITY).max(3, true);
    Tensor blind = rest.eq(Tensor.full(Double.NEGATIVE_INFINITY, rest.dtype(), 1));
    return scores.maskedFill(mask.sub(blind.to(DType.I64)).ge(one), Double.NEGATIVE_INFINITY);
  }
}
