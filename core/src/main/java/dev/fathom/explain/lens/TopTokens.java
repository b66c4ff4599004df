package dev.fathom.explain.lens;

import dev.fathom.explain.Names;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/// What each of many vectors says when it is read as logits: its best outputs with their
/// probabilities, and one output's. A chunk of logits is held at a time.
///
/// @param ids the best outputs, best first, with a last axis `rank`
/// @param probability theirs
/// @param tokens theirs as text, in the order of `ids`
/// @param target probability of the output that is followed
public record TopTokens(Grid ids, Grid probability, List<String> tokens, Grid target) {
  /// Logits held at a time.
  private static final long CHUNK_BYTES = 16 << 20;

  public TopTokens {
    tokens = List.copyOf(tokens);
  }

  /// Logits of some of the vectors, `[count, outputs]`, made in the scope of the call.
  public interface Reader {
    Tensor logits(int from, int count);
  }

  /// Reads as many vectors as the axes have cells, in their order.
  public static TopTokens of(Names names, List<Axis> axes, int target, int topK, Reader reader) {
    int outputs = names.model().outputs();
    int k = Math.min(topK, outputs);
    int cells = axes.stream().mapToInt(Axis::size).reduce(1, Math::multiplyExact);
    var ids = new long[cells * k];
    var best = new float[cells * k];
    var followed = new float[cells];
    int chunk = (int) Math.max(1, CHUNK_BYTES / ((long) outputs * Float.BYTES));
    for (int from = 0; from < cells; from += chunk) {
      int first = from;
      int count = Math.min(chunk, cells - from);
      try (var scope = Scope.withoutGradients()) {
        Tensor logP = reader.logits(from, count).to(DType.F32).logSoftmax(-1).contiguous();
        MemorySegment memory = logP.memory();
        IntStream.range(0, count)
            .parallel()
            .forEach(i -> {
              long offset = (long) i * outputs * Float.BYTES;
              var top = new RowTop(k);
              top.scan(memory, offset, outputs);
              for (int r = 0; r < k; r++) {
                ids[(first + i) * k + r] = top.ids[r];
                best[(first + i) * k + r] = (float) Math.exp(top.values[r]);
              }
              followed[first + i] =
                  (float) Math.exp(memory.get(ValueLayout.JAVA_FLOAT, offset + 4L * target));
            });
      }
    }
    var withRank = new ArrayList<>(axes);
    withRank.add(Axis.index("rank", k));
    return new TopTokens(
        Grid.integer(withRank, ids),
        Grid.real(withRank, best),
        Arrays.stream(ids).mapToObj(id -> names.output((int) id)).toList(),
        Grid.real(axes, followed));
  }

  int columns() {
    return ids.shape()[1];
  }

  int kept() {
    return ids.shape()[2];
  }

  /// The text of a cell's best outputs.
  String token(int row, int column, int rank) {
    return tokens.get((row * columns() + column) * kept() + rank);
  }

  double probability(int row, int column) {
    return probability.at(row, column, 0);
  }

  /// The probability of each cell's best output.
  public Grid best() {
    return probability.select(2, 0);
  }

  /// The best output of each cell where it is likelier than [LensResult#LABELLED].
  public List<List<String>> labels() {
    return IntStream.range(0, ids.shape()[0])
        .mapToObj(row ->
            IntStream.range(0, columns())
                .mapToObj(column ->
                    probability(row, column) > LensResult.LABELLED ? token(row, column, 0) : "")
                .toList())
        .toList();
  }

  /// One line for each of a cell's best outputs.
  public List<String> details(int row, int column) {
    return IntStream.range(0, kept())
        .mapToObj(r ->
            String.format(
                Locale.ROOT, "%.3f %s", probability.at(row, column, r), token(row, column, r)))
        .toList();
  }
}
