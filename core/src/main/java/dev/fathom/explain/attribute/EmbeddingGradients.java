package dev.fathom.explain.attribute;

import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.Readout;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Site;
import dev.fathom.model.Slice;
import dev.fathom.model.Taps;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.train.Workers;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;

/// A question's metric and its gradient as functions of the token embeddings, at many points at
/// once. Weights require no gradients: the graph holds what leads from the embeddings to the
/// metric, and of the last block and the head only the position in question.
///
/// Lives in the scope it is made in.
final class EmbeddingGradients {
  /// Memory that the graph of one batch may take, in bytes.
  private static final long BUDGET = 768L << 20;

  private final Transformer model;
  private final int[] ids;
  private final int position;
  private final Tensor embeddings;
  private final Tensor clean;
  private final Readout readout;

  EmbeddingGradients(Transformer model, Question question) {
    if (question.metric() == Metric.KL) {
      throw new IllegalArgumentException(
          "The metric kl is 0 at the prompt itself, and so is its gradient: choose logprob, logit,"
              + " logitdiff or prob.");
    }
    this.model = model;
    this.ids = question.ids(model);
    this.position = question.position();
    this.embeddings =
        model
            .embedding()
            .table()
            .embedding(Tensor.of(ids, ids.length))
            .mul(model.embedding().scale());
    try (var scope = Scope.withoutGradients()) {
      this.clean = scope.escape(streams(embeddings, 1));
    }
    this.readout = new Readout(model, question, clean);
  }

  int tokens() {
    return ids.length;
  }

  /// The prompt's own point, `[tokens, dModel]`.
  Tensor embeddings() {
    return embeddings;
  }

  /// The metric there.
  double clean() {
    return readout.clean();
  }

  /// Points that fit into memory at once.
  int atOnce() {
    var block = model.blocks().getFirst();
    long each =
        10L * model.dModel()
            + 5 * block.mlp().out().in()
            + 8L * block.attention().heads() * block.attention().width();
    long bytes = model.card().dtype().bytes() * each * model.layers() * ids.length;
    return (int) Math.clamp(BUDGET / Math.max(1, bytes), 1, 64);
  }

  /// The metric at a point, `[tokens, dModel]`.
  double value(Tensor point) {
    try (var scope = Scope.withoutGradients()) {
      return readout.of(streams(point, 1)).item();
    }
  }

  /// The gradient at points, `[points, tokens, dModel]`, at most [#atOnce] of them. Points are
  /// shared out among workers, each with one kernel thread: products of matrices with a graph run
  /// on one.
  Tensor at(Tensor points) {
    int n = (int) points.size(0);
    int parts = Math.min(n, Threads.get());
    if (parts == 1) {
      return part(points);
    }
    var tasks = new ArrayList<Callable<Tensor>>();
    for (int i = 0; i < parts; i++) {
      long from = (long) n * i / parts;
      long to = (long) n * (i + 1) / parts;
      tasks.add(() -> {
        try (var scope = Scope.open()) {
          return part(points.narrow(0, from, to - from))
              .keep(); // of no scope: the workers' are gone
        }
      });
    }
    try (var workers = new Workers(parts)) {
      List<Tensor> gradients = workers.all(tasks);
      Tensor all = Tensor.cat(gradients, 0);
      gradients.forEach(Tensor::free);
      return all;
    }
  }

  private Tensor part(Tensor points) {
    int n = (int) points.size(0);
    try (var scope = Scope.withGradients()) {
      Tensor leaf = points.flatten(0, 1).detach().copy().requireGradient();
      readout.of(streams(leaf, n)).sum().backward();
      Tensor gradient = Objects.requireNonNull(leaf.gradient());
      return scope.escape(gradient.view(n, ids.length, model.dModel()));
    }
  }

  /// The last block's streams at the position in question, `[points · tokens, dModel] -> [points,
  /// dModel]`.
  private Tensor streams(Tensor points, int n) {
    boolean causal = model.card().causal();
    int[] lengths = new int[n];
    Arrays.fill(lengths, ids.length);
    int[] all = new int[n * ids.length];
    for (int i = 0; i < all.length; i++) {
      all[i] = ids[i % ids.length];
    }
    Pass pass =
        Pass.over(Layout.rows(lengths))
            .with(Taps.set(Slice.of(Site.of(Kind.EMBED)), points))
            .with(causal ? Wanted.LAST : Wanted.ALL);
    Tensor x = model.stream(Tensor.of(all, all.length), pass);
    if (causal) {
      return x;
    }
    long[] read = new long[n];
    Arrays.setAll(read, i -> (long) i * ids.length + position);
    return x.indexSelect(0, read);
  }
}
