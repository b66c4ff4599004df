package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.node.ObjectNode;

/// Writes a checkpoint in another format. One tensor is in memory at a time.
///
/// From GGUF to a directory and back as F32 every value returns as it was, except that a Gemma norm
/// below 0.5 may lose its last bits: GGUF holds `1 + w`, Hugging Face `w`.
public final class Conversion {
  /// Files beside the weights that belong to a model and are copied with it.
  private static final List<String> COMPANIONS =
      List.of(
          "tokenizer.json",
          "tokenizer.model",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "added_tokens.json",
          "vocab.json",
          "vocab.txt",
          "merges.txt",
          "chat_template.jinja",
          "generation_config.json");

  /// Files are split where they would become longer than this, as transformers does.
  private static final long SHARD_BYTES = 50_000_000_000L;

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Conversion() {}

  /// Told after each tensor.
  public interface Progress {
    /// @param done bytes of the result that are written
    /// @param total bytes of all its tensors
    void at(String tensor, long done, long total);

    /// Tells nobody.
    Progress NONE = (tensor, done, total) -> {};
  }

  /// What is to be different in what is written.
  public interface Revision {
    /// The configuration to write.
    ObjectNode config();

    /// Tensors that the checkpoint lacks, in the type they have unless another is asked for.
    List<TensorSpec> added();

    /// Whether [#write] gives this tensor of the checkpoint other values.
    boolean changes(String tensor);

    /// Writes a tensor that is added or changed.
    void write(TensorSpec spec, WeightWriter writer);

    /// Entries for the metadata of each file.
    Map<String, String> metadata();
  }

  /// A checkpoint as it is.
  private record Unrevised(Checkpoint checkpoint) implements Revision {
    @Override
    public ObjectNode config() {
      return checkpoint.config();
    }

    @Override
    public List<TensorSpec> added() {
      return List.of();
    }

    @Override
    public boolean changes(String tensor) {
      return false;
    }

    @Override
    public void write(TensorSpec spec, WeightWriter writer) {
      throw new IllegalStateException("nothing is changed");
    }

    @Override
    public Map<String, String> metadata() {
      return Map.of();
    }
  }

  /// Writes `config.json` and `model.safetensors` (in shards beyond 50 GB) into `directory`, which
  /// is made if needed, and copies the tokenizer's files if the source has them.
  ///
  /// @param type F32, F16 or BF16 for all weights, empty to keep each tensor as
  ///   [Checkpoint#read(String)] delivers it; integers stay integers
  /// @throws FathomException if the result cannot be written, or a weight is too large for F16
  public static void toSafetensors(
      Checkpoint checkpoint, Path directory, Optional<TensorType> type, Progress progress) {
    toSafetensors(checkpoint, directory, type, progress, SHARD_BYTES);
  }

  /// The same with some tensors changed or added.
  public static void toSafetensors(
      Checkpoint checkpoint,
      Revision revision,
      Path directory,
      Optional<TensorType> type,
      Progress progress) {
    toSafetensors(checkpoint, revision, directory, type, progress, SHARD_BYTES);
  }

  static void toSafetensors(
      Checkpoint checkpoint,
      Path directory,
      Optional<TensorType> type,
      Progress progress,
      long shardBytes) {
    toSafetensors(checkpoint, new Unrevised(checkpoint), directory, type, progress, shardBytes);
  }

  private static void toSafetensors(
      Checkpoint checkpoint,
      Revision revision,
      Path directory,
      Optional<TensorType> type,
      Progress progress,
      long shardBytes) {
    if (type.isPresent() && (type.get().quantized() || !type.get().floating())) {
      throw new IllegalArgumentException(
          "safetensors can be written as F32, F16 or BF16, not as " + type.get());
    }
    refuseOverwriting(checkpoint, directory);
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new FathomException(directory + ": cannot be made (" + e.getMessage() + ")", e);
    }
    var specs = new ArrayList<TensorSpec>();
    for (TensorInfo info : checkpoint.tensors().values()) {
      TensorType target = info.type().floating() ? type.orElse(info.type()) : info.type();
      specs.add(new TensorSpec(info.name(), target, info.shape()));
    }
    for (TensorSpec added : revision.added()) {
      specs.add(new TensorSpec(added.name(), type.orElse(added.type()), added.shape()));
    }
    Map<String, String> metadata = new LinkedHashMap<>(revision.metadata());
    metadata.put("format", "pt");
    var tally = new Tally(progress, specs);
    List<List<TensorSpec>> shards = shards(specs, shardBytes);
    ObjectNode index = JsonFiles.object();
    index.putObject("metadata").put("total_size", tally.total);
    ObjectNode map = index.putObject("weight_map");
    for (int i = 0; i < shards.size(); i++) {
      String name =
          shards.size() == 1
              ? Checkpoint.SINGLE
              : "model-%05d-of-%05d.safetensors".formatted(i + 1, shards.size());
      try (var writer =
          SafetensorsWriter.create(directory.resolve(name), shards.get(i), metadata)) {
        for (TensorSpec spec : shards.get(i)) {
          if (!checkpoint.tensors().containsKey(spec.name()) || revision.changes(spec.name())) {
            revision.write(spec, writer);
          } else {
            write(checkpoint, spec.name(), spec, Arrangement.SAME, writer);
          }
          map.put(spec.name(), name);
          tally.add(spec);
        }
        writer.commit();
      }
    }
    if (shards.size() > 1) {
      JsonFiles.write(directory.resolve(ShardIndex.NAME), index);
    }
    removeStale(directory, shards.size() > 1);
    ObjectNode config = revision.config();
    type.ifPresent(
        t -> config.put(config.has("torch_dtype") ? "torch_dtype" : "dtype", t.torchName()));
    JsonFiles.write(directory.resolve(Checkpoint.CONFIG), config);
    copyCompanions(checkpoint, directory);
  }

  /// Writes one GGUF file that llama.cpp understands.
  ///
  /// Vectors (norms and biases) and learned positions stay F32; with Q8_0 a matrix whose rows are
  /// not whole blocks of 32 becomes F16.
  ///
  /// @param type F32, F16, BF16 or Q8_0, for the matrices
  /// @param tokenizer the `tokenizer.*` metadata (see [GgufVocabulary#write]); empty to take the
  ///   checkpoint's own. Without any, the file holds a model that cannot read text
  /// @throws FathomException if the architecture has no GGUF form or its configuration has settings
  ///   that GGUF cannot express, naming them all; or if the file cannot be written
  public static void toGguf(
      Checkpoint checkpoint,
      Path file,
      TensorType type,
      Map<String, GgufValue> tokenizer,
      Progress progress) {
    switch (type) {
      case F32, F16, BF16, Q8_0 -> {}
      default ->
          throw new IllegalArgumentException(
              "GGUF files can be written as F32, F16, BF16 or Q8_0, not as " + type);
    }
    refuseOverwriting(checkpoint, file);
    ObjectNode config = checkpoint.config();
    GgufFamily family = GgufFamily.ofModelType(config.path("model_type").asString(""));
    var metadata = GgufMetadata.of(family, config, checkpoint);
    Checkpoint.Heads heads = Checkpoint.Heads.of(family, config);
    var specs = new LinkedHashMap<String, TensorSpec>();
    var layouts = new LinkedHashMap<String, Arrangement>();
    var unknown = new ArrayList<String>();
    for (TensorInfo info : checkpoint.tensors().values()) {
      var match = family.fromHuggingFace(canonical(family, info.name())).orElse(null);
      if (match == null) {
        if (!GgufMetadata.constant(info.name())) {
          unknown.add(info.name());
        }
        continue;
      }
      if (metadata.tied() && match.rule().gguf().equals("output")) {
        continue;
      }
      Arrangement layout = heads.layout(match.rule().kind());
      if (!layout.fits(info.shape())) {
        throw new FathomException(
            "%s: tensor '%s' of shape %s does not divide into %d heads with %d key heads"
                .formatted(
                    checkpoint.path(), info.name(), info.shape(), heads.heads(), heads.keyHeads()));
      }
      List<Long> shape = layout.shape(info.shape());
      specs.put(
          info.name(), new TensorSpec(match.other(), typeFor(match.other(), shape, type), shape));
      layouts.put(info.name(), layout);
    }
    if (!unknown.isEmpty()) {
      throw new FathomException(
          "%s: %d tensors have no place in a GGUF file of architecture %s, such as %s"
              .formatted(
                  checkpoint.path(), unknown.size(), family.architecture(), unknown.getFirst()));
    }
    var all = new ArrayList<>(specs.values());
    metadata
        .factors()
        .forEach((name, values) -> all.add(TensorSpec.of(name, TensorType.F32, values.length)));
    var fields = new LinkedHashMap<>(metadata.fields());
    fields.put("general.file_type", GgufValue.uint32(fileType(type)));
    fields.putAll(tokenizer.isEmpty() ? checkpoint.tokenizerMetadata() : tokenizer);
    var tally = new Tally(progress, all);
    try (var writer = GgufWriter.create(file, all, fields)) {
      specs.forEach((name, spec) -> {
        write(checkpoint, name, spec, layouts.getOrDefault(name, Arrangement.SAME), writer);
        tally.add(spec);
      });
      metadata.factors().forEach(writer::append);
      writer.commit();
    }
  }

  /// Bare models on the hub lack the prefix of the model with a head.
  private static String canonical(GgufFamily family, String name) {
    for (GgufFamily.Rule rule : family.tensors()) {
      int dot = rule.huggingFace().indexOf('.');
      String prefix = dot < 0 ? "" : rule.huggingFace().substring(0, dot + 1);
      if (!prefix.isEmpty()
          && !name.startsWith(prefix)
          && family.fromHuggingFace(prefix + name).isPresent()
          && family.fromHuggingFace(name).isEmpty()) {
        return prefix + name;
      }
    }
    return name;
  }

  private static TensorType typeFor(String gguf, List<Long> shape, TensorType wanted) {
    if (shape.size() < 2 || gguf.equals("position_embd.weight") || gguf.contains("_norm.")) {
      return TensorType.F32;
    }
    return shape.getLast() % wanted.blockSize() == 0 ? wanted : TensorType.F16;
  }

  /// llama.cpp's number for what most tensors of a file are.
  private static int fileType(TensorType type) {
    return switch (type) {
      case F32 -> 0;
      case F16 -> 1;
      case Q8_0 -> 7;
      case BF16 -> 32;
      default -> throw new IllegalArgumentException("no file type for " + type);
    };
  }

  /// Reads one tensor, rearranges it for GGUF where the layout says so, and writes it as `spec`
  /// asks.
  private static void write(
      Checkpoint checkpoint,
      String name,
      TensorSpec spec,
      Arrangement layout,
      WeightWriter writer) {
    TensorInfo info = checkpoint.tensors().get(name);
    if (info == null) {
      throw new IllegalStateException("no tensor " + name);
    }
    // Shared, because large tensors are converted by several threads.
    try (Arena arena = Arena.ofShared()) {
      MemorySegment values = checkpoint.read(name, arena);
      TensorType type = info.type();
      boolean adds = layout.kind() == Arrangement.Kind.PLUS_ONE;
      if (type != spec.type() || adds) {
        long elements = info.elements();
        if (type != TensorType.F32) {
          MemorySegment floats = arena.allocate(4 * elements, 64);
          Dequantizer.toF32(type, values, elements, floats);
          values = floats;
          type = TensorType.F32;
        }
      }
      if (!layout.same(info.shape())) {
        MemorySegment arranged = arena.allocate(values.byteSize(), 64);
        layout.toGguf(info.shape(), type.blockBytes(), values, arranged);
        values = arranged;
      }
      if (type != spec.type()) {
        MemorySegment encoded = arena.allocate(spec.bytes(), 64);
        long overflows = Quantizer.fromF32(spec.type(), values, info.elements(), encoded);
        if (overflows > 0) {
          throw new FathomException(
              "%s: tensor '%s' has %d weights beyond the range of %s (the first elements start with %s); write BF16 or F32 instead"
                  .formatted(
                      checkpoint.path(),
                      name,
                      overflows,
                      spec.type(),
                      String.format(Locale.ROOT, "%.3g", values.get(FLOAT, 0))));
        }
        values = encoded;
      }
      writer.append(spec.name(), values);
    }
  }

  private static List<List<TensorSpec>> shards(List<TensorSpec> specs, long most) {
    var shards = new ArrayList<List<TensorSpec>>();
    shards.add(new ArrayList<>());
    long bytes = 0;
    for (TensorSpec spec : specs) {
      if (bytes > 0 && bytes + spec.bytes() > most) {
        shards.add(new ArrayList<>());
        bytes = 0;
      }
      shards.getLast().add(spec);
      bytes += spec.bytes();
    }
    return shards;
  }

  private static void refuseOverwriting(Checkpoint checkpoint, Path target) {
    try {
      if (Files.exists(target) && Files.isSameFile(checkpoint.path(), target)) {
        throw new IllegalArgumentException(
            target + " is the model that is being converted; choose another place");
      }
    } catch (IOException e) {
      throw new FathomException(target + ": cannot be examined (" + e.getMessage() + ")", e);
    }
  }

  /// Takes away the weights that an earlier conversion left in another arrangement, so that they
  /// are not mistaken for these.
  private static void removeStale(Path directory, boolean sharded) {
    Path stale = directory.resolve(sharded ? Checkpoint.SINGLE : ShardIndex.NAME);
    try {
      Files.deleteIfExists(stale);
    } catch (IOException e) {
      throw new FathomException(stale + ": cannot be removed (" + e.getMessage() + ")", e);
    }
  }

  private static void copyCompanions(Checkpoint checkpoint, Path directory) {
    Path source = checkpoint.directory().orElse(null);
    if (source == null) {
      return;
    }
    for (String name : COMPANIONS) {
      Path from = source.resolve(name);
      Path to = directory.resolve(name);
      try {
        if (Files.isRegularFile(from) && !(Files.exists(to) && Files.isSameFile(from, to))) {
          Files.copy(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
      } catch (IOException e) {
        throw new FathomException(to + ": cannot be written (" + e.getMessage() + ")", e);
      }
    }
  }

  /// Adds up what is written.
  private static final class Tally {
    private final Progress progress;
    private final long total;
    private long done;

    Tally(Progress progress, List<TensorSpec> specs) {
      this.progress = progress;
      this.total = specs.stream().mapToLong(TensorSpec::bytes).sum();
    }

    void add(TensorSpec spec) {
      done += spec.bytes();
      progress.at(spec.name(), done, total);
    }
  }
}
