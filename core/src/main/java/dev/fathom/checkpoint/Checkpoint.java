package dev.fathom.checkpoint;

import dev.fathom.FathomException;
import dev.fathom.Sha256;
import dev.fathom.text.Vocabulary;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/// A model on disk, whatever its format, in Hugging Face's terms: its configuration, and its
/// tensors by the names and in the layout that transformers gives them.
///
/// ```java
/// try (var checkpoint = Checkpoint.open(Path.of("model"))) {
///   ObjectNode config = checkpoint.config();
///   MemorySegment embedding = checkpoint.read("model.embed_tokens.weight");
/// }
/// ```
///
/// Weights are mapped, not copied, wherever the file holds them as they are wanted; what is
/// quantised, permuted or unaligned is computed anew by each [#read(String)]. Safe for use by
/// several threads; segments die with [#close()].
public final class Checkpoint implements AutoCloseable {
  static final String CONFIG = "config.json";
  static final String SINGLE = "model.safetensors";
  private static final long LONGEST_CONFIG = 16L << 20;

  /// Where a presented tensor lies and what is to be done to it.
  private record Entry(TensorInfo info, WeightFile file, TensorInfo stored, Arrangement layout) {
    boolean mapped() {
      return layout.same(stored.shape())
          && stored.type() == info.type()
          && (stored.offset() % stored.type().blockBytes()) == 0;
    }
  }

  private final Path path;
  private final @Nullable Path directory;
  private final String format;
  private final ObjectNode config;
  private final List<WeightFile> files;
  private final SequencedMap<String, Entry> entries;
  private final SequencedMap<String, TensorInfo> tensors;
  private final Arena arena;
  private String name;
  private @Nullable String sha256;

  @SuppressWarnings("MustBeClosedChecker") // the arena is closed with the checkpoint
  private Checkpoint(
      Path path,
      @Nullable Path directory,
      String format,
      ObjectNode config,
      List<WeightFile> files,
      SequencedMap<String, Entry> entries) {
    this.path = path;
    this.name = path.toString();
    this.directory = directory;
    this.format = format;
    this.config = config;
    this.files = files;
    this.entries = entries;
    var infos = new LinkedHashMap<String, TensorInfo>();
    entries.forEach((name, entry) -> infos.put(name, entry.info));
    this.tensors = Collections.unmodifiableSequencedMap(infos);
    this.arena = Arena.ofShared();
  }

  /// Opens a directory with `config.json` and `model.safetensors` (or the shards that
  /// `model.safetensors.index.json` names), a `.gguf` file, or a directory that holds just one.
  ///
  /// @throws FathomException if there is no such model or it is not sound
  public static Checkpoint open(Path path) {
    if (Files.isDirectory(path)) {
      return openDirectory(path);
    }
    if (!Files.exists(path)) {
      throw new FathomException(
          path + ": no such model; expected a directory with config.json or a .gguf file");
    }
    if (GgufFile.looksLike(path)) {
      return openGguf(path, null);
    }
    Path parent = path.toAbsolutePath().getParent();
    if (parent != null && path.toString().endsWith(".safetensors")) {
      throw new FathomException(
          "%s: a safetensors file alone is not a model; name its directory, %s, with config.json in it"
              .formatted(path, parent));
    }
    throw new FathomException(path + ": not a model; expected a directory or a .gguf file");
  }

  private static Checkpoint openDirectory(Path directory) {
    Path config = directory.resolve(CONFIG);
    if (!Files.exists(config)) {
      if (Files.exists(directory.resolve("training").resolve("state.safetensors"))) {
        throw new FathomException(
            directory
                + ": holds a training run that is not finished, not yet a model; give the command that"
                + " began it again, and it goes on where it was saved");
      }
      List<Path> ggufs = list(directory, ".gguf");
      if (ggufs.size() == 1) {
        return openGguf(ggufs.getFirst(), directory);
      }
      throw new FathomException(
          ggufs.isEmpty()
              ? directory + ": no config.json and no .gguf file in it, so it is not a model"
              : "%s: holds %d .gguf files; name the one to open"
                  .formatted(directory, ggufs.size()));
    }
    ObjectNode content = JsonFiles.read(config, LONGEST_CONFIG);
    if (Files.exists(directory.resolve(SINGLE))) {
      return openFiles(directory, content, List.of(directory.resolve(SINGLE)), Map.of());
    }
    Path index = directory.resolve(ShardIndex.NAME);
    if (Files.exists(index)) {
      Map<String, String> map = ShardIndex.read(index).files();
      List<Path> shards =
          map.values().stream().distinct().sorted().map(directory::resolve).toList();
      return openFiles(directory, content, shards, map);
    }
    if (!list(directory, ".bin").isEmpty() || !list(directory, ".pth").isEmpty()) {
      throw new FathomException(
          directory
              + ": its weights are Python pickles, which are programs; convert them to safetensors");
    }
    throw new FathomException(
        "%s: has a config.json but neither %s nor %s"
            .formatted(directory, SINGLE, ShardIndex.NAME));
  }

  private static List<Path> list(Path directory, String ending) {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.filter(file -> file.toString().endsWith(ending)).sorted().toList();
    } catch (IOException e) {
      throw new FathomException(directory + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  /// @param map which tensor lies in which file; empty for a single file
  private static Checkpoint openFiles(
      Path directory, ObjectNode config, List<Path> paths, Map<String, String> map) {
    var files = new ArrayList<WeightFile>();
    try {
      var entries = new LinkedHashMap<String, Entry>();
      for (Path path : paths) {
        WeightFile file = SafetensorsFile.open(path);
        files.add(file);
        String name = String.valueOf(path.getFileName());
        file.tensors()
            .forEach((tensor, info) -> {
              if (map.getOrDefault(tensor, name).equals(name)
                  && entries.put(tensor, new Entry(info, file, info, Arrangement.SAME)) != null) {
                throw new FathomException(
                    "%s: tensor '%s' lies in several files and %s does not say which counts"
                        .formatted(directory, tensor, ShardIndex.NAME));
              }
            });
      }
      List<String> absent = map.keySet().stream().filter(t -> !entries.containsKey(t)).toList();
      if (!absent.isEmpty()) {
        throw new FathomException(
            "%s: %d tensors are not in the files that %s names, such as %s in %s"
                .formatted(
                    directory,
                    absent.size(),
                    ShardIndex.NAME,
                    absent.getFirst(),
                    map.get(absent.getFirst())));
      }
      return new Checkpoint(directory, directory, "safetensors", config, files, entries);
    } catch (Throwable e) {
      files.forEach(WeightFile::close);
      throw e;
    }
  }

  private static Checkpoint openGguf(Path path, @Nullable Path directory) {
    GgufFile file = GgufFile.open(path);
    try {
      String label = String.valueOf(path.getFileName());
      if (!(file.metadata().get("general.architecture") instanceof String architecture)) {
        throw new FathomException(label + ": the metadata lack general.architecture");
      }
      if (file.metadata().get("split.count") instanceof Long parts && parts > 1) {
        throw new FathomException(
            "%s: is one of %d parts of a model; merge them first (llama-gguf-split --merge)"
                .formatted(label, parts));
      }
      GgufFamily family = GgufFamily.ofGguf(architecture, label);
      ObjectNode config = GgufConfig.of(family, file);
      return new Checkpoint(
          path, directory, "gguf", config, List.of(file), present(file, family, config, label));
    } catch (Throwable e) {
      file.close();
      throw e;
    }
  }

  /// Constants that files carry along: rotary factors (read with the configuration), and the
  /// inverse frequencies of very old ones.
  private static boolean constant(String name) {
    return name.equals(GgufConfig.FREQUENCIES)
        || name.equals(GgufConfig.SHORT_FACTORS)
        || name.equals(GgufConfig.LONG_FACTORS)
        || name.endsWith(".attn_rot_embd.weight");
  }

  private static SequencedMap<String, Entry> present(
      GgufFile file, GgufFamily family, ObjectNode config, String label) {
    var entries = new LinkedHashMap<String, Entry>();
    var unknown = new ArrayList<String>();
    Heads heads = Heads.of(family, config);
    boolean twoNorms = file.tensors().containsKey("blk.0.attn_norm_2.weight");
    for (TensorInfo stored : file.tensors().values()) {
      if (constant(stored.name())) {
        continue;
      }
      var match = family.fromGguf(stored.name(), twoNorms).orElse(null);
      if (match == null) {
        unknown.add(stored.name());
        continue;
      }
      Arrangement layout = heads.layout(match.rule().kind());
      if (!layout.fits(stored.shape())) {
        throw new FathomException(
            "%s: tensor '%s' of shape %s does not divide into %d heads with %d key heads"
                .formatted(label, stored.name(), stored.shape(), heads.heads(), heads.keyHeads()));
      }
      boolean computed = stored.type().quantized() || layout.kind() == Arrangement.Kind.PLUS_ONE;
      TensorType type = computed ? TensorType.F32 : stored.type();
      var info =
          new TensorInfo(
              match.other(),
              type,
              layout.shape(stored.shape()),
              stored.offset(),
              type.bytesFor(stored.elements()));
      entries.put(match.other(), new Entry(info, file, stored, layout));
    }
    if (!unknown.isEmpty()) {
      throw new FathomException(
          "%s: %d tensors not understood for architecture %s\n  unknown: %s"
              .formatted(
                  label,
                  unknown.size(),
                  family.architecture(),
                  String.join("\n  unknown: ", unknown.subList(0, Math.min(20, unknown.size())))));
    }
    return entries;
  }

  /// Query and key heads of a model, from its configuration.
  record Heads(int heads, int keyHeads) {
    static Heads of(GgufFamily family, ObjectNode config) {
      int heads = Math.max(1, first(config, "num_attention_heads", "n_head"));
      int keyHeads = first(config, "num_key_value_heads", "num_kv_heads");
      if (family.modelType().equals("falcon")
          && !config.path("new_decoder_architecture").asBoolean(false)) {
        keyHeads = config.path("multi_query").asBoolean(true) ? 1 : heads;
      }
      return new Heads(heads, keyHeads < 1 ? heads : keyHeads);
    }

    private static int first(ObjectNode config, String... names) {
      for (String name : names) {
        if (config.path(name).isIntegralNumber()) {
          return config.path(name).asInt(0);
        }
      }
      return 0;
    }

    Arrangement layout(Arrangement.Kind kind) {
      return new Arrangement(kind, heads, keyHeads);
    }
  }

  /// The configuration, as in `config.json`; for GGUF the one that the metadata stand for. A copy.
  public ObjectNode config() {
    return config.deepCopy();
  }

  /// The tensors by Hugging Face's names, with the type in which [#read(String)] delivers them:
  /// quantised ones as F32.
  public SequencedMap<String, TensorInfo> tensors() {
    return tensors;
  }

  /// The values of a tensor, row major, encoded as [#tensors()] says: the mapped file itself where
  /// possible, else a new segment that lives as long as the checkpoint.
  ///
  /// @throws IllegalArgumentException if there is no tensor of this name
  public MemorySegment read(String name) {
    return read(name, arena);
  }

  /// As [#read(String)], with new segments from `allocator`: so that they can be freed before the
  /// checkpoint is closed. Use an allocator that many threads may use if several do.
  public MemorySegment read(String name, SegmentAllocator allocator) {
    Entry entry = entry(name);
    MemorySegment source = entry.file.bytes(entry.stored.name());
    if (entry.mapped()) {
      return source;
    }
    TensorInfo stored = entry.stored;
    MemorySegment values = allocator.allocate(entry.info.bytes(), 64);
    if (stored.type() == entry.info.type()) {
      entry.layout.toHuggingFace(stored.shape(), stored.type().blockBytes(), source, values);
    } else if (entry.layout.same(stored.shape())) {
      Dequantizer.toF32(stored.type(), source, stored.elements(), values);
    } else if (entry.layout.permutesRows() && stored.shape().size() == 2) {
      long rows = stored.shape().getFirst();
      Dequantizer.rowsToF32(
          stored, source, values, row -> entry.layout.rowInHuggingFace(row, rows));
    } else {
      try (Arena scratch = Arena.ofShared()) {
        MemorySegment plain = scratch.allocate(entry.info.bytes(), 64);
        Dequantizer.toF32(stored.type(), source, stored.elements(), plain);
        entry.layout.toHuggingFace(stored.shape(), 4, plain, values);
      }
    }
    if (source.isMapped()) {
      source.unload(); // its values are elsewhere now: no need to keep these pages too
    }
    return values;
  }

  /// Whether [#read(String)] hands out the mapped file without computing or copying.
  public boolean mapped(String name) {
    return entry(name).mapped();
  }

  private Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new IllegalArgumentException(
          "%s has no tensor '%s'%s".formatted(path, name, Suggestion.of(name, entries.keySet())));
    }
    return entry;
  }

  /// The type in which the file holds a tensor, quantised or not.
  public TensorType storedType(String name) {
    return entry(name).stored.type();
  }

  /// The directory with the model's other files (tokenizer, generation settings), if it is one.
  public Optional<Path> directory() {
    return Optional.ofNullable(directory);
  }

  /// What was opened: the directory, or the GGUF file.
  public Path path() {
    return path;
  }

  /// What results call it: where it lies, unless it was given a name.
  public String name() {
    return name;
  }

  /// Gives it a name, and returns it.
  Checkpoint named(String name) {
    this.name = name;
    return this;
  }

  /// `safetensors` or `gguf`.
  public String format() {
    return format;
  }

  /// Bytes of all weight files.
  public long storedBytes() {
    return files.stream()
        .flatMap(file -> file.tensors().values().stream())
        .mapToLong(TensorInfo::bytes)
        .sum();
  }

  /// The vocabulary inside a GGUF file; empty for safetensors and for files without one.
  ///
  /// @throws FathomException if the vocabulary's entries are not sound
  public Optional<Vocabulary> vocabulary() {
    return GgufVocabulary.read(tokenizerMetadata());
  }

  /// The tokenizer's metadata of a GGUF file (`tokenizer.*`), in the file's order; empty for
  /// safetensors, whose tokenizer lies in files of its own.
  public Map<String, GgufValue> tokenizerMetadata() {
    var found = new LinkedHashMap<String, GgufValue>();
    for (WeightFile file : files) {
      if (file instanceof GgufFile gguf) {
        gguf.fields()
            .forEach((key, value) -> {
              if (key.startsWith("tokenizer.")) {
                found.put(key, value);
              }
            });
      }
    }
    return Collections.unmodifiableMap(found);
  }

  /// The fingerprint of the weights, 64 hexadecimal digits.
  ///
  /// It is the SHA-256 of one line a tensor, sorted by name: name, type, shape and SHA-256 of its
  /// bytes, all as stored, the fields separated by tabs, the sizes of the shape by commas, each
  /// line ended by a line feed, in UTF-8. So it does not depend on the order, the sharding or the
  /// metadata of the files, and differs between a GGUF file and what is converted from it. Computed
  /// once, reading every weight.
  public synchronized String sha256() {
    String known = sha256;
    if (known == null) {
      known = fingerprint();
      sha256 = known;
    }
    return known;
  }

  private String fingerprint() {
    List<String> lines =
        entries.values().parallelStream()
            .map(entry -> {
              TensorInfo info = entry.stored;
              MessageDigest digest = Sha256.begin();
              MemorySegment bytes = entry.file.bytes(info.name());
              for (long from = 0; from < bytes.byteSize(); from += 1 << 20) {
                long length = Math.min(1 << 20, bytes.byteSize() - from);
                digest.update(bytes.asSlice(from, length).asByteBuffer());
              }
              if (bytes.isMapped()) {
                bytes.unload(); // the pages come back when somebody reads the values
              }
              String shape = String.join(",", info.shape().stream().map(String::valueOf).toList());
              return "%s\t%s\t%s\t%s\n"
                  .formatted(info.name(), info.type(), shape, Sha256.hex(digest));
            })
            .sorted()
            .toList();
    MessageDigest all = Sha256.begin();
    lines.forEach(line -> all.update(ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8))));
    return Sha256.hex(all);
  }

  /// Unmaps the files and frees what [#read(String)] computed.
  @Override
  public void close() {
    files.forEach(WeightFile::close);
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
