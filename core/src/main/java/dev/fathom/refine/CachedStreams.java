package dev.fathom.refine;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.checkpoint.WeightWriter;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Packed;
import dev.fathom.train.Row;
import dev.fathom.train.TrainingSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/// The streams of a frozen model's late layers over rows, computed once and kept in a file, so that
/// learning a mixture of them takes no forward pass at all. The file is mapped: what a step reads
/// is in memory, no more.
///
/// It holds `(late + 1) · dModel` numbers a label token, in the type the model computes in, and is
/// made again when it belongs to other weights or other rows. One tensor a row, named by its
/// number, `[targets, late + 1, dModel]`.
public final class CachedStreams implements AutoCloseable {
  /// Tokens of a forward pass.
  private static final int PASS_TOKENS = 2048;

  private final SafetensorsFile file;
  private final DType dtype;
  private final int firstRow;
  private final Map<int[], Integer> numbers;

  private CachedStreams(
      SafetensorsFile file, DType dtype, int firstRow, Map<int[], Integer> numbers) {
    this.file = file;
    this.dtype = dtype;
    this.firstRow = firstRow;
    this.numbers = numbers;
  }

  /// The streams of `late + 1` rows of the residual stream, up to the last, before each label
  /// token.
  ///
  /// @param path of the file, made if it is not there or of something else
  /// @param progress is told how many rows are done
  /// @throws FathomException if the file cannot be written
  public static CachedStreams of(
      Transformer model, List<Row> rows, int late, Path path, IntConsumer progress) {
    String fingerprint =
        "%s %s %d %s"
            .formatted(
                model.card().sha256().get(), TrainingSet.digest(rows), late, model.card().dtype());
    int firstRow = model.layers() - late;
    if (!holds(path, fingerprint)) {
      write(model, rows, firstRow, path, fingerprint, progress);
    }
    var numbers = new IdentityHashMap<int[], Integer>();
    for (int r = 0; r < rows.size(); r++) {
      numbers.put(rows.get(r).ids(), r);
    }
    return new CachedStreams(SafetensorsFile.open(path), model.card().dtype(), firstRow, numbers);
  }

  private static boolean holds(Path path, String fingerprint) {
    if (!Files.exists(path)) {
      return false;
    }
    try (var file = SafetensorsFile.open(path)) {
      return fingerprint.equals(file.metadata().get("streams"));
    } catch (FathomException e) {
      return false;
    }
  }

  private static void write(
      Transformer model,
      List<Row> rows,
      int firstRow,
      Path path,
      String fingerprint,
      IntConsumer progress) {
    TensorType type =
        switch (model.card().dtype()) {
          case F32 -> TensorType.F32;
          case F64 -> TensorType.F64;
          default -> TensorType.BF16;
        };
    createFolder(path);
    int streams = model.layers() - firstRow + 1;
    var specs = new ArrayList<TensorSpec>();
    for (int r = 0; r < rows.size(); r++) {
      Row row = rows.get(r);
      specs.add(
          TensorSpec.of(
              Integer.toString(r),
              type,
              row.ids().length - row.learnFrom(),
              streams,
              model.dModel()));
    }
    var metadata = new LinkedHashMap<String, String>();
    metadata.put("streams", fingerprint);
    try (var writer = SafetensorsWriter.create(path, specs, metadata)) {
      int done = 0;
      while (done < rows.size()) {
        int end = done + 1;
        int tokens = rows.get(done).ids().length;
        while (end < rows.size() && tokens + rows.get(end).ids().length <= PASS_TOKENS) {
          tokens += rows.get(end++).ids().length;
        }
        append(model, rows.subList(done, end), firstRow, done, writer);
        done = end;
        progress.accept(done);
      }
      writer.commit();
    }
  }

  private static void createFolder(Path path) {
    Path folder = path.toAbsolutePath().getParent();
    try {
      if (folder != null) {
        Files.createDirectories(folder);
      }
    } catch (IOException e) {
      throw new FathomException(folder + ": cannot be made (" + e.getMessage() + ")", e);
    }
  }

  private static void append(
      Transformer model, List<Row> rows, int firstRow, int number, WeightWriter writer) {
    Packed packed = Packed.of(rows);
    try (var scope = Scope.withoutGradients()) {
      var kept = new ArrayList<Tensor>();
      model.stream(
          packed.tokens(),
          Pass.over(packed.layout()),
          (row, stream) -> {
            if (row >= firstRow) {
              kept.add(scope.keep(packed.reading(stream)));
            }
          });
      Tensor all = Tensor.stack(kept, 1); // [targets, streams, dModel]
      int from = 0;
      for (int r = 0; r < rows.size(); r++) {
        int targets = rows.get(r).ids().length - rows.get(r).learnFrom();
        writer.append(
            Integer.toString(number + r), all.narrow(0, from, targets).contiguous().memory());
        from += targets;
      }
    }
  }

  /// The streams of these rows, one after another: for each row of the stream from `first` to
  /// `last`, `[targets, dModel]`.
  ///
  /// @throws IllegalArgumentException if a row is not among those it was made of
  List<Tensor> of(List<Row> rows, int first, int last) {
    var parts = new ArrayList<Tensor>();
    for (Row row : rows) {
      Integer number = numbers.get(row.ids());
      if (number == null) {
        throw new IllegalArgumentException("the streams of a row are not cached");
      }
      String name = Integer.toString(number);
      long[] shape =
          Objects.requireNonNull(file.tensors().get(name)).shape().stream()
              .mapToLong(Long::longValue)
              .toArray();
      parts.add(Tensor.borrow(file.bytes(name), dtype, shape));
    }
    Tensor all = Tensor.cat(parts, 0); // [targets, streams, dModel]
    return IntStream.rangeClosed(first, last)
        .mapToObj(row -> all.select(1, row - firstRow).contiguous())
        .toList();
  }

  /// Unmaps the file, which stays.
  @Override
  public void close() {
    file.close();
  }
}
