package dev.fathom.concepts;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.concepts.Dictionary.Measure;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// Puts lots of concepts that were read into one dictionary, behind what is there already, a layer
/// at a time; and finds how well held-out texts are told from those about all other concepts.
///
/// The index is written last, so that until then the former dictionary holds.
///
/// @param there what the folder has
/// @param lots in order
/// @param entries of all concepts, old and new
record Binding(
    Optional<Dictionary> there,
    List<SafetensorsFile> lots,
    List<Dictionary.Entry> entries,
    Compilation.Config config,
    Card card) {
  void write(Path folder) {
    for (int layer : config.layers()) {
      write(folder, layer);
    }
    JsonFiles.write(
        folder.resolve(Dictionary.INDEX),
        Dictionary.index(config.site(), config.layers(), entries));
    there.ifPresent(former -> former.files().forEach(Binding::remove));
  }

  private static void remove(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new FathomException(file + ": cannot be removed (" + e.getMessage() + ")", e);
    }
  }

  private void write(Path folder, int layer) {
    try (var scope = Scope.withoutGradients()) {
      int count = entries.size();
      Tensor directions = rows(layer, Dictionary.DIRECTION);
      int width = Math.toIntExact(directions.size(1));
      Tensor ranks = ranks(layer, directions); // [new, 3]
      List<TensorSpec> specs = Dictionary.specs(count, width);
      Path path = Dictionary.layerFile(folder, layer, count);
      try (var writer = SafetensorsWriter.create(path, specs, card.toMetadata())) {
        writer.append(Dictionary.DIRECTION, directions.memory());
        writer.append(Dictionary.MEAN, rows(layer, Dictionary.MEAN).memory());
        for (Measure measure : Measure.values()) {
          int found = List.of(Measure.RANK, Measure.TOP1, Measure.TOP5).indexOf(measure);
          Tensor values =
              found < 0
                  ? rows(layer, measure.tensor())
                  : Tensor.cat(unknown(ranks.select(1, found)), 0);
          writer.append(measure.tensor(), values.contiguous().memory());
        }
        writer.commit();
      }
    }
  }

  /// Ranks that old concepts had among fewer are no longer known; then these.
  private List<Tensor> unknown(Tensor ranks) {
    long old = there.map(Dictionary::count).orElse(0);
    return List.of(Tensor.full(Double.NaN, DType.F32, old), ranks);
  }

  /// Old rows of a tensor, then these.
  private List<Tensor> former(int layer, String tensor, Tensor... more) {
    var all = new ArrayList<Tensor>();
    there.ifPresent(former -> all.add(former.tensor(layer, tensor)));
    all.addAll(List.of(more));
    return all;
  }

  /// A tensor of all concepts.
  private Tensor rows(int layer, String tensor) {
    return Tensor.cat(
        former(
            layer,
            tensor,
            lots.stream().map(lot -> part(lot, layer, tensor)).toArray(Tensor[]::new)),
        0);
  }

  private static Tensor part(SafetensorsFile lot, int layer, String tensor) {
    String name = Compilation.name(layer, tensor);
    long[] shape = info(lot, name).shape().stream().mapToLong(Long::longValue).toArray();
    return Tensor.borrow(lot.bytes(name), DType.F32, shape);
  }

  /// Of each new concept the mean of one over its rank, and how often it was first and among the
  /// first five, `[new, 3]`.
  private Tensor ranks(int layer, Tensor directions) {
    Tensor means = rows(layer, Dictionary.MEAN);
    Tensor spreads = rows(layer, Measure.SPREAD.tensor());
    Tensor turned = directions.transpose(0, 1); // [width, concepts]
    Tensor centre = means.mean(0, true);
    Tensor off = means.sub(centre);
    Tensor covariance = off.transpose(0, 1).matmul(off).div(off.size(0)); // [width, width]
    Tensor between = directions.matmul(covariance).mul(directions).sum(1, false);
    Tensor scale = between.add(spreads.square()).add(1e-30).rsqrt(); // [concepts]
    var found = new ArrayList<double[]>();
    int own = entries.size() - lots.stream().mapToInt(lot -> count(lot, layer)).sum();
    for (SafetensorsFile lot : lots) {
      Tensor held = part(lot, layer, Compilation.HELD);
      long at = 0;
      for (int i = 0; i < count(lot, layer); i++, own++) {
        int texts = entries.get(own).held();
        found.add(ranks(held.narrow(0, at, texts).sub(centre).matmul(turned).mul(scale), own));
        at += texts;
      }
    }
    return Tensor.ofRows(found).to(DType.F32);
  }

  private static int count(SafetensorsFile lot, int layer) {
    String name = Compilation.name(layer, Dictionary.DIRECTION);
    return Math.toIntExact(info(lot, name).shape().getFirst());
  }

  private static TensorInfo info(SafetensorsFile lot, String name) {
    return Objects.requireNonNull(lot.tensors().get(name), name); // as it was declared
  }

  /// @param scores `[texts, concepts]`
  private static double[] ranks(Tensor scores, int own) {
    long texts = scores.size(0);
    if (texts == 0) {
      return new double[] {Double.NaN, Double.NaN, Double.NaN};
    }
    Tensor mine = scores.narrow(1, own, 1);
    double[] higher = scores.gt(mine).to(DType.F64).sum(1, false).toDoubles();
    double[] alike = scores.eq(mine).to(DType.F64).sum(1, false).toDoubles(); // itself, too
    double[] sums = new double[3];
    for (int t = 0; t < texts; t++) {
      sums[0] += 1 / (1 + higher[t] + (alike[t] - 1) / 2) / texts;
      sums[1] += Math.clamp((1 - higher[t]) / alike[t], 0, 1) / texts; // ties by chance
      sums[2] += Math.clamp((5 - higher[t]) / alike[t], 0, 1) / texts;
    }
    return sums;
  }
}
