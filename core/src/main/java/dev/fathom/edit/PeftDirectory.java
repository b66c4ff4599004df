package dev.fathom.edit;

import dev.fathom.FathomException;
import dev.fathom.checkpoint.Card;
import dev.fathom.checkpoint.Dequantizer;
import dev.fathom.checkpoint.JsonFiles;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.SafetensorsWriter;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/// LoRA adapters as the Python package PEFT keeps them (Hu et al. 2022): a directory with
/// `adapter_config.json` and `adapter_model.safetensors`.
///
/// ```java
/// Edit edit = PeftDirectory.read(Path.of("adapter"), model);
/// try (Transformer adapted = Edits.apply(model, List.of(edit.at(0.5)))) { … }
/// PeftDirectory.write(edit, model, Path.of("copy"));
/// ```
///
/// For each adapted weight `<path>.weight` there are tensors
/// `base_model.model.<path>.lora_A.weight` `[r, in]` and `base_model.model.<path>.lora_B.weight`
/// `[out, r]`, and `W += α/r · B A` (`α/√r` with `use_rslora`); `rank_pattern` and `alpha_pattern`
/// give r and α by the end of `<path>`. Axes are those of the map, for GPT-2's `[in, out]` weights
/// too; a fused q/k/v is one map.
///
/// PEFT names the base model by a path or a name only, so an adapter made for another model of the
/// same shapes is read without complaint; one that Fathom wrote carries a card and is refused.
public final class PeftDirectory {
  private static final String WEIGHTS = "adapter_model.safetensors";
  private static final String PICKLED = "adapter_model.bin";
  private static final String PREFIX = "base_model.model.";
  private static final String WEIGHT = ".weight";
  private static final String A = ".lora_A.weight";
  private static final String B = ".lora_B.weight";

  /// A copy of the model's own weight, which PEFT adds for an adapted head.
  private static final String COPY = ".base_layer.weight";

  /// As a name goes on after the path of a module, and as it does today: older versions left the
  /// adapter's name in.
  private static final Map<String, String> ENDS =
      Map.of(
          ".lora_A.weight",
          A,
          ".lora_A.default.weight",
          A,
          ".lora_B.weight",
          B,
          ".lora_B.default.weight",
          B,
          COPY,
          COPY);

  private PeftDirectory() {}

  /// Whether a path is a directory with an adapter.
  public static boolean is(Path path) {
    return Files.isRegularFile(path.resolve(PeftConfig.FILE));
  }

  /// Reads an adapter as an edit of `base`, called as the directory is. Its card has the method
  /// `peft` and, as parameters, what the adapter says about itself.
  ///
  /// @throws FathomException if there is none, it is not sound or not a plain LoRA, or it does not
  ///   fit the model
  public static Edit read(Path directory, Transformer base) {
    Path path = directory.resolve(WEIGHTS);
    PeftConfig config = PeftConfig.read(directory.resolve(PeftConfig.FILE));
    if (!Files.exists(path) && Files.exists(directory.resolve(PICKLED))) {
      throw new FathomException(
          "%s: holds pickled Python objects, which Fathom does not read; save the adapter as %s"
              .formatted(directory.resolve(PICKLED), WEIGHTS));
    }
    try (var file = SafetensorsFile.open(path)) {
      Card card = card(config, file, base);
      List<Change> changes = new Reader(path, file, config, base).changes();
      return new Edit(name(directory), card, changes, 1);
    }
  }

  private static String name(Path directory) {
    return String.valueOf(directory.toAbsolutePath().normalize().getFileName());
  }

  private static Card card(PeftConfig config, SafetensorsFile file, Transformer base) {
    String sha256 = base.card().sha256().get();
    Card card =
        Card.of(Edit.KIND, "peft", base.card().name(), sha256)
            .with("base_model_name_or_path", config.base())
            .with("r", Integer.toString(config.rank()))
            .with("lora_alpha", Edit.plain(config.alpha()));
    if (!Card.isIn(file.metadata())) {
      return card;
    }
    Card own = Card.fromMetadata(file.metadata(), file.path()).requireKind(Edit.KIND, file.path());
    var _ = own.requireBase(base.card().name(), sha256, file.path());
    return card.with("method", own.method()).withData(own.data());
  }

  /// Writes an edit as an adapter, its scale included.
  ///
  /// @throws FathomException as [#write(List, Transformer, Path)]
  public static void write(Edit edit, Transformer base, Path directory) {
    write(List.of(edit), base, directory);
  }

  /// Writes edits as one adapter, their scales included. What several steps do to one weight is
  /// joined: their ranks add up, and a step of a part of a fused weight gets zeros elsewhere. Where
  /// the factor of a weight is no α/r with a whole α, it is multiplied into B.
  ///
  /// @param directory made where it does not exist; an adapter in it is replaced
  /// @throws FathomException if an edit was made from another model or does not fit, changes
  ///   something by other than low-rank steps, or nothing at all, or if the files cannot be written
  public static void write(List<Edit> edits, Transformer base, Path directory) {
    var _ = Edits.Identity.of(base, edits);
    Map<String, Stored> maps = Stored.of(base);
    edits.forEach(edit -> Stored.requireFits(edit, maps));
    List<Joined> steps = joined(edits, maps);
    ObjectNode config = config(steps, maps, base);
    var specs = new ArrayList<TensorSpec>();
    var contents = new LinkedHashMap<String, MemorySegment>();
    for (Joined step : steps) {
      String path = PREFIX + module(step.tensor);
      add(specs, contents, path + A, step.a);
      add(specs, contents, path + B, step.b);
    }
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new FathomException(directory + ": cannot be made (" + e.getMessage() + ")", e);
    }
    Map<String, String> metadata = card(edits, base).toMetadata();
    try (var writer = SafetensorsWriter.create(directory.resolve(WEIGHTS), specs, metadata)) {
      contents.forEach(writer::append);
      writer.commit();
    }
    JsonFiles.write(directory.resolve(PeftConfig.FILE), config);
  }

  private static void add(
      List<TensorSpec> specs, Map<String, MemorySegment> contents, String name, Values values) {
    specs.add(new TensorSpec(name, values.type(), values.shape()));
    contents.put(name, values.bytes());
  }

  private static Card card(List<Edit> edits, Transformer base) {
    Edit first = edits.getFirst();
    if (edits.size() == 1 && first.scale() == 1) {
      return first.card();
    }
    String titles = edits.stream().map(Edit::title).collect(Collectors.joining(" + "));
    return Card.of(Edit.KIND, "joined", base.card().name(), base.card().sha256().get())
        .with("edits", titles);
  }

  /// The path of a weight's module.
  private static String module(String tensor) {
    return tensor.endsWith(WEIGHT)
        ? tensor.substring(0, tensor.length() - WEIGHT.length())
        : tensor;
  }

  /// All that happens to one weight: `W += alpha/rank · b a`.
  ///
  /// @param a `[rank, in]`
  /// @param b `[out, rank]`
  private record Joined(String tensor, boolean transposed, Values a, Values b, int alpha) {
    int rank() {
      return Math.toIntExact(a.shape().getFirst());
    }
  }

  /// A step with the factor that it and its edit's scale make.
  private record Part(Change.LowRank step, double factor) {}

  private static List<Joined> joined(List<Edit> edits, Map<String, Stored> maps) {
    SequencedMap<String, List<Part>> parts = new LinkedHashMap<>();
    maps.keySet().forEach(tensor -> parts.put(tensor, new ArrayList<>()));
    for (Edit edit : edits) {
      for (Change change : edit.acts() ? edit.changes() : List.<Change>of()) {
        switch (change) {
          case Change.LowRank step ->
              Objects.requireNonNull(parts.get(step.tensor()))
                  .add(new Part(step, edit.scale() * step.factor()));
          case Change.Rows _, Change.Bias _ ->
              throw new FathomException(
                  "%s: changes %s, and PEFT adapters hold low-rank steps only; fathom merge writes any edit into a checkpoint"
                      .formatted(edit.name(), change.summary()));
        }
      }
    }
    parts.values().removeIf(List::isEmpty);
    if (parts.isEmpty()) {
      throw new FathomException(
          "%s: changes nothing, and an adapter of nothing cannot be written"
              .formatted(Edits.Identity.names(edits)));
    }
    return parts.entrySet().stream()
        .map(entry -> join(Objects.requireNonNull(maps.get(entry.getKey())), entry.getValue()))
        .toList();
  }

  private static Joined join(Stored map, List<Part> parts) {
    long rank = parts.stream().mapToLong(part -> part.step.rank()).sum();
    double factor = parts.getFirst().factor;
    boolean alike = parts.stream().allMatch(part -> part.factor == factor);
    int alpha = alike ? alpha(factor, rank) : 0;
    Change.LowRank first = parts.getFirst().step;
    if (parts.size() == 1 && alpha > 0 && first.b().shape().getFirst() == map.out()) {
      return new Joined(
          first.tensor(), map.origin().transposed(), first.a(), first.b(), alpha); // as it is
    }
    boolean wide =
        parts.stream()
            .anyMatch(part ->
                part.step.a().type() == TensorType.F64 || part.step.b().type() == TensorType.F64);
    DType dtype = wide ? DType.F64 : DType.F32;
    try (var scope = Scope.withoutGradients()) {
      Tensor a = Tensor.zeros(DType.F64, rank, map.in());
      Tensor b = Tensor.zeros(DType.F64, map.out(), rank);
      long at = 0;
      for (Part part : parts) {
        Change.LowRank step = part.step;
        Tensor values = step.b().tensor(DType.F64);
        Tensor _ = a.narrow(0, at, step.rank()).copyInPlace(step.a().tensor(DType.F64));
        Tensor _ =
            b.narrow(0, step.from(), values.size(0))
                .narrow(1, at, step.rank())
                .copyInPlace(alpha > 0 ? values : values.mul(part.factor));
        at += step.rank();
      }
      return new Joined(
          first.tensor(),
          map.origin().transposed(),
          Values.of(a.to(dtype)),
          Values.of(b.to(dtype)),
          alpha > 0 ? alpha : Math.toIntExact(rank));
    }
  }

  /// The whole number α with `α / rank == factor`, 0 if there is none.
  private static int alpha(double factor, long rank) {
    double alpha = Math.rint(factor * rank);
    return alpha >= 1 && alpha <= Integer.MAX_VALUE && alpha / rank == factor ? (int) alpha : 0;
  }

  private static ObjectNode config(List<Joined> steps, Map<String, Stored> maps, Transformer base) {
    ObjectNode config = JsonNodeFactory.instance.objectNode();
    int rank = mostOften(steps, Joined::rank);
    int alpha = mostOften(steps, Joined::alpha);
    config.put("peft_type", "LORA");
    config.put(
        "task_type", base.card().causal() && base.card().labels().isEmpty() ? "CAUSAL_LM" : null);
    config.put("base_model_name_or_path", base.card().name());
    config.put("inference_mode", true);
    config.put("r", rank).put("lora_alpha", alpha).put("lora_dropout", 0.0);
    config.put("bias", "none");
    config.put("use_rslora", false).put("use_dora", false);
    config.put("fan_in_fan_out", steps.stream().anyMatch(Joined::transposed));
    config.put("init_lora_weights", true);
    config.putNull("modules_to_save").putNull("layers_to_transform").putNull("layers_pattern");
    ArrayNode targets = config.putArray("target_modules");
    targets(steps, maps).forEach(targets::add);
    ObjectNode ranks = config.putObject("rank_pattern");
    ObjectNode alphas = config.putObject("alpha_pattern");
    for (Joined step : steps) {
      if (step.rank() != rank) {
        ranks.put(module(step.tensor), step.rank());
      }
      if (step.alpha != alpha) {
        alphas.put(module(step.tensor), step.alpha);
      }
    }
    return config;
  }

  private static int mostOften(List<Joined> steps, Function<Joined, Integer> value) {
    Map<Integer, Long> counts = new LinkedHashMap<>();
    steps.forEach(step -> counts.merge(value.apply(step), 1L, Long::sum));
    long most = counts.values().stream().mapToLong(Long::longValue).max().orElseThrow();
    return counts.entrySet().stream()
        .filter(entry -> entry.getValue() == most)
        .findFirst()
        .orElseThrow()
        .getKey();
  }

  /// Last words of the modules' paths where these name just those modules, else the whole paths.
  private static Set<String> targets(List<Joined> steps, Map<String, Stored> maps) {
    var paths = new LinkedHashSet<String>();
    var words = new LinkedHashSet<String>();
    for (Joined step : steps) {
      paths.add(module(step.tensor));
      words.add(lastWord(step.tensor));
    }
    boolean all =
        maps.keySet().stream()
            .filter(tensor -> words.contains(lastWord(tensor)))
            .allMatch(tensor -> paths.contains(module(tensor)));
    return all ? words : paths;
  }

  private static String lastWord(String tensor) {
    String path = module(tensor);
    return path.substring(path.lastIndexOf('.') + 1);
  }

  /// One reading of a file from strangers: everything is checked before it is believed.
  private static final class Reader {
    private final Path path;
    private final SafetensorsFile file;
    private final PeftConfig config;
    private final Transformer base;
    private final Map<String, Map<String, TensorInfo>> found = new HashMap<>(); // by module, end

    Reader(Path path, SafetensorsFile file, PeftConfig config, Transformer base) {
      this.path = path;
      this.file = file;
      this.config = config;
      this.base = base;
    }

    List<Change> changes() {
      SequencedMap<String, Stored> maps = Stored.of(base);
      var modules = new HashSet<String>();
      maps.keySet().forEach(tensor -> modules.add(module(tensor)));
      file.tensors().values().forEach(info -> sort(info, modules));
      var changes = new ArrayList<Change>();
      maps.forEach((tensor, map) -> {
        if (found.containsKey(module(tensor))) {
          changes.add(change(map));
        } else if (config.targets().isPresent() && config.targets(module(tensor))) {
          throw wrong(
              "lacks the LoRA of %s, which target_modules in %s names"
                  .formatted(module(tensor), PeftConfig.FILE));
        }
      });
      if (changes.isEmpty()) {
        throw wrong("holds no LoRA");
      }
      return changes;
    }

    private void sort(TensorInfo info, Set<String> modules) {
      String name = info.name();
      @Nullable String end = ENDS.keySet().stream().filter(name::endsWith).findFirst().orElse(null);
      if (!name.startsWith(PREFIX) || end == null) {
        throw wrong(
            "its tensor '%s' is not understood: expected %s<module>%s and %s"
                .formatted(name, PREFIX, A, B));
      }
      int to = Math.max(PREFIX.length(), name.length() - end.length());
      String module = name.substring(PREFIX.length(), to);
      if (!modules.contains(module)) {
        throw wrong("holds a LoRA of '%s', which is no linear map of this model".formatted(module));
      }
      if (!config.targets(module)) {
        throw wrong(
            "holds a LoRA of %s, which %s leaves out by target_modules, exclude_modules or layers_to_transform"
                .formatted(module, PeftConfig.FILE));
      }
      Map<String, TensorInfo> parts = found.computeIfAbsent(module, _ -> new HashMap<>());
      if (parts.put(Objects.requireNonNull(ENDS.get(end)), info) != null) {
        throw wrong("its tensor '%s' has a second name in the file".formatted(name));
      }
    }

    private Change change(Stored map) {
      String tensor = map.origin().tensor();
      Map<String, TensorInfo> parts = Objects.requireNonNull(found.get(module(tensor)));
      TensorInfo a = parts.get(A);
      TensorInfo b = parts.get(B);
      if (a == null || b == null) {
        throw wrong(
            "lacks %s%s%s, a half of a LoRA".formatted(PREFIX, module(tensor), a == null ? A : B));
      }
      TensorInfo copy = parts.get(COPY);
      if (copy != null) {
        requireOwn(copy, map);
      }
      long rank = config.rankOf(module(tensor));
      requireShape(a, List.of(rank, map.in()), rank);
      requireShape(b, List.of(map.out(), rank), rank);
      return new Change.LowRank(tensor, 0, values(a), values(b), config.factorOf(module(tensor)));
    }

    private void requireShape(TensorInfo info, List<Long> shape, long rank) {
      if (!info.shape().equals(shape)) {
        throw wrong(
            "its tensor '%s' is %s; with rank %d, as %s says, this model needs %s"
                .formatted(info.name(), info.shape(), rank, PeftConfig.FILE, shape));
      }
    }

    /// Refuses a copy of a weight that is not this model's.
    private void requireOwn(TensorInfo copy, Stored map) {
      boolean same = copy.shape().equals(List.of(map.size(0), map.size(1)));
      try (var scope = Scope.withoutGradients()) {
        Tensor all = same ? values(copy).tensor(DType.F32) : Tensor.zeros(DType.F32, 0);
        for (Linear linear : same ? Linears.of(base) : List.<Linear>of()) {
          Linear.Origin origin = linear.origin();
          if (origin.tensor().equals(map.origin().tensor())) {
            Tensor own = linear.weight().values();
            Tensor part =
                (origin.transposed() ? all.transpose(0, 1) : all)
                    .narrow(0, origin.from(), origin.to() - origin.from());
            double gap = part.to(own.dtype()).sub(own).abs().max().item();
            same &= gap == 0;
          }
        }
      }
      if (!same) {
        throw wrong(
            "its tensor '%s' is another weight than this model's; Fathom reads adapters that leave the model's own weights as they are"
                .formatted(copy.name()));
      }
    }

    private Values values(TensorInfo info) {
      if (info.type().quantized() || !info.type().floating()) {
        throw wrong(
            "its tensor '%s' is of type %s; expected F32, F16, BF16 or F64"
                .formatted(info.name(), info.type()));
      }
      if (info.elements() > Integer.MAX_VALUE / 8) {
        throw wrong("its tensor '%s' exceeds 1 GB".formatted(info.name()));
      }
      MemorySegment bytes = file.bytes(info.name());
      TensorType type = info.type() == TensorType.F64 ? TensorType.F64 : TensorType.F32;
      if (info.type() != type) {
        MemorySegment wide = MemorySegment.ofArray(new float[Math.toIntExact(info.elements())]);
        Dequantizer.toF32(info.type(), bytes, info.elements(), wide);
        bytes = wide;
      }
      Values values = Values.read(bytes, type, info.shape());
      if (!values.isFinite()) {
        throw wrong("its tensor '%s' is not all numbers".formatted(info.name()));
      }
      return values;
    }

    private FathomException wrong(String what) {
      return new FathomException(path + ": " + what);
    }
  }
}
