package dev.fathom.bench;

import com.sun.management.OperatingSystemMXBean;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.concepts.map.Neighbours;
import dev.fathom.concepts.map.Trust;
import dev.fathom.concepts.map.Umap;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Times a map of rows of a model's embedding, spread evenly over the vocabulary, and says how far
/// it and the map of bench/peer/umap.py can be trusted: `MODEL.safetensors TENSOR ROWS THREADS
/// THEIRS.f64 OUT.json`.
public final class MapSpeed {
  private static final int NEAREST = 15;

  private MapSpeed() {}

  public static void main(String[] words) throws IOException {
    if (words.length != 6) {
      System.err.println("usage: MODEL.safetensors TENSOR ROWS THREADS THEIRS.f64 OUT.json");
      System.exit(2);
    }
    Threads.set(Integer.parseInt(words[3]));
    int count = Integer.parseInt(words[2]);
    ObjectNode json = JsonMapper.shared().createObjectNode();
    try (var file = SafetensorsFile.open(Path.of(words[0]));
        var scope = Scope.withoutGradients()) {
      Tensor rows = rows(file, words[1], count);
      long began = System.nanoTime();
      long worked = cpu();
      double[][] map = Umap.of(rows, Umap.Config.standard());
      json.put("seconds", (System.nanoTime() - began) / 1e9);
      json.put("cpu_seconds", (cpu() - worked) / 1e9);
      json.put("peak_bytes", Memory.peakBytes());
      json.put("trust", trust(rows, map));
      json.put("trust_of_theirs", trust(rows, map(Path.of(words[4]), count)));
      json.put("same", Arrays.deepEquals(map, Umap.of(rows, Umap.Config.standard())));
    }
    Files.writeString(Path.of(words[5]), json.toString());
    System.out.println(json);
  }

  /// Nanoseconds that all threads have computed: not longer on a machine that others use, too.
  private static long cpu() {
    return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime();
  }

  private static double trust(Tensor rows, double[][] map) {
    return Trust.of(rows, map, NEAREST, Neighbours.Metric.COSINE);
  }

  private static Tensor rows(SafetensorsFile file, String name, int count) {
    TensorInfo info = file.tensors().get(name);
    if (info == null || info.shape().size() != 2) {
      throw new IllegalArgumentException("no matrix is called " + name);
    }
    DType dtype = info.type() == TensorType.BF16 ? DType.BF16 : DType.F32;
    long all = info.shape().getFirst();
    long[] chosen = new long[count];
    Arrays.setAll(chosen, i -> i * (all / count));
    return Tensor.borrow(file.bytes(name), dtype, all, info.shape().getLast())
        .indexSelect(0, chosen)
        .to(DType.F32);
  }

  private static double[][] map(Path file, int count) throws IOException {
    var numbers =
        ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN).asDoubleBuffer();
    double[][] map = new double[count][2];
    for (double[] point : map) {
      numbers.get(point);
    }
    return map;
  }
}
