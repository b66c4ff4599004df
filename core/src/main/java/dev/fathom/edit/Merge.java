package dev.fathom.edit;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.Conversion;
import dev.fathom.checkpoint.TensorInfo;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.checkpoint.WeightWriter;
import dev.fathom.model.Linear;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/// Writes a model with edits as an ordinary checkpoint, which transformers reads and which knows
/// nothing of Fathom. One tensor is in memory at a time.
public final class Merge {
  private static final String WEIGHT = ".weight";
  private static final String BIAS = ".bias";

  /// Attributes of a config.json that give maps a bias.
  private static final List<String> BIASES =
      List.of("mlp_bias", "attention_bias", "use_qkv_bias", "use_bias", "enable_bias", "bias");

  private Merge() {}

  /// Writes `config.json` and `model.safetensors` into `directory`, and copies the tokenizer's
  /// files.
  ///
  /// @param type F32, F16 or BF16 for all weights, empty to keep each tensor's own (F32 where it
  ///   was quantised), to which the edited numbers are then rounded
  /// @return what a reader should know about it, one sentence each
  /// @throws FathomException if an edit was made from another model, does not fit, or is nothing
  ///   that an ordinary checkpoint of this family can hold; nothing is written then
  public static List<String> run(
      Checkpoint checkpoint,
      List<Edit> edits,
      Path directory,
      Optional<TensorType> type,
      Conversion.Progress progress) {
    try (Transformer plan = Models.describe(checkpoint)) {
      var identity = Edits.Identity.of(plan, edits);
      var merged = new Merged(checkpoint, plan, edits, identity);
      Conversion.toSafetensors(checkpoint, merged, directory, type, progress);
      return merged.notes();
    }
  }

  /// A tensor of the result that differs.
  ///
  /// @param map whose weight or bias it is
  /// @param bias whether it is the bias
  private record Target(Stored map, boolean bias) {}

  private static final class Merged implements Conversion.Revision {
    private final Checkpoint checkpoint;
    private final List<Edit> edits;
    private final Edits.Identity identity;
    private final Map<String, String> spellings;
    private final ObjectNode config;
    private final SequencedMap<String, Target> targets = new LinkedHashMap<>(); // as stored
    private final SequencedMap<String, TensorSpec> added = new LinkedHashMap<>();
    private final Set<String> notes = new LinkedHashSet<>();

    Merged(Checkpoint checkpoint, Transformer plan, List<Edit> edits, Edits.Identity identity) {
      this.checkpoint = checkpoint;
      this.edits = edits.stream().filter(Edit::acts).toList();
      this.identity = identity;
      this.spellings = Models.spellings(checkpoint);
      this.config = checkpoint.config();
      Map<String, Stored> maps = Stored.of(plan);
      edits.forEach(edit -> Stored.requireFits(edit, maps));
      notes.addAll(Edits.notes(plan, edits));
      for (Edit edit : this.edits) {
        for (Change change : edit.changes()) {
          switch (change) {
            case Change.Rows rows -> weight(Objects.requireNonNull(maps.get(rows.tensor())));
            case Change.LowRank step -> weight(Objects.requireNonNull(maps.get(step.tensor())));
            case Change.Bias bias -> bias(edit, Objects.requireNonNull(maps.get(bias.tensor())));
          }
        }
      }
      require();
    }

    private void weight(Stored map) {
      String name = map.origin().tensor();
      if (map.origin().tied()) {
        config.put("tie_word_embeddings", false);
        if (!has(name)) {
          TensorInfo table = stored(map.origin().stored());
          added.put(name, new TensorSpec(name, table.type(), table.shape()));
        }
      }
      targets.put(spelt(name), new Target(map, false));
    }

    private void bias(Edit edit, Stored map) {
      String name = biasOf(map);
      targets.put(spelt(name), new Target(map, true));
      if (has(name)) {
        return;
      }
      if (map.biased()) {
        throw new FathomException(
            "%s: the bias of %s is stored under a name of its own in this family and cannot be merged"
                .formatted(edit.name(), map.origin().tensor()));
      }
      if (wanted(config).containsKey(name)) {
        return; // another bias brought it along
      }
      String attribute =
          BIASES.stream()
              .filter(candidate -> wanted(with(candidate)).containsKey(name))
              .findFirst()
              .orElseThrow(() ->
                  new FathomException(
                      "%s: gives %s a bias, which checkpoints of the family %s cannot hold there; apply the edit with --edit instead"
                          .formatted(
                              edit.name(),
                              map.origin().tensor(),
                              config.path("model_type").asString(""))));
      config.put(attribute, true);
      notes.add(
          "Checkpoints of this family have biases everywhere or nowhere (%s in config.json): those that no edit sets are written as zeros."
              .formatted(attribute));
    }

    private ObjectNode with(String attribute) {
      ObjectNode changed = config.deepCopy();
      changed.put(attribute, true);
      return changed;
    }

    /// The tensors that a configuration asks for; none if the family does not understand it.
    private static SequencedMap<String, List<Long>> wanted(ObjectNode config) {
      try {
        return Models.shapes(config);
      } catch (FathomException e) {
        return Collections.emptySortedMap();
      }
    }

    /// Whoever reads the result must ask for just the tensors that will be there.
    private void require() {
      SequencedMap<String, List<Long>> wanted = wanted(config);
      for (Target target : targets.values()) {
        Linear.Origin origin = target.map().origin();
        if (origin.tied() && !target.bias() && !wanted.containsKey(origin.tensor())) {
          throw new FathomException(
              "%s: heads of the family %s always read with the embedding's table, so an edited head cannot be merged; apply the edit with --edit instead"
                  .formatted(origin.tensor(), config.path("model_type").asString("")));
        }
      }
      wanted.forEach((name, shape) -> {
        if (name.endsWith(BIAS) && !has(name)) {
          String weight = name.substring(0, name.length() - BIAS.length()) + WEIGHT;
          TensorType type = has(weight) ? stored(weight).type() : TensorType.F32;
          added.put(name, new TensorSpec(name, type, shape));
        }
      });
    }

    private boolean has(String name) {
      return checkpoint.tensors().containsKey(spelt(name));
    }

    private String spelt(String name) {
      return spellings.getOrDefault(name, name);
    }

    private TensorInfo stored(String name) {
      return Objects.requireNonNull(checkpoint.tensors().get(spelt(name)), name);
    }

    private static String biasOf(Stored map) {
      String weight = map.origin().tensor();
      return weight.substring(0, weight.length() - WEIGHT.length()) + BIAS;
    }

    @Override
    public ObjectNode config() {
      return config;
    }

    @Override
    public List<TensorSpec> added() {
      return List.copyOf(added.values());
    }

    @Override
    public boolean changes(String tensor) {
      return targets.containsKey(tensor);
    }

    @Override
    public Map<String, String> metadata() {
      return edits.isEmpty()
          ? Map.of()
          : Map.of("fathom.merged", identity.name(), "fathom.merged_sha256", identity.sha256());
    }

    List<String> notes() {
      return List.copyOf(notes);
    }

    @Override
    public void write(TensorSpec spec, WeightWriter writer) {
      DType dtype = dtype(spec.type());
      DType wide = dtype == DType.F64 ? DType.F64 : DType.F32;
      try (var scope = Scope.withoutGradients()) {
        Tensor values = values(spec, wide).to(dtype).contiguous();
        if (dtype == DType.F16 && !Double.isFinite(values.to(DType.F32).sum().item())) {
          throw new FathomException(
              "%s: has weights beyond the range of F16; write BF16 or F32 instead"
                  .formatted(spec.name()));
        }
        writer.append(spec.name(), values.memory());
      }
    }

    private Tensor values(TensorSpec spec, DType dtype) {
      Target target = targets.get(spec.name());
      if (target == null) { // a bias that comes along
        long[] shape = spec.shape().stream().mapToLong(Long::longValue).toArray();
        return Tensor.zeros(dtype, shape);
      }
      Linear.Origin origin = target.map().origin();
      if (target.bias()) {
        return bias(target.map(), dtype);
      }
      Tensor stored = Models.read(checkpoint, stored(origin.stored()).name(), dtype);
      Tensor weight = origin.transposed() ? stored.transpose(0, 1) : stored; // [out, in]
      for (Edit edit : edits) {
        for (Change change : edit.changes()) {
          if (change instanceof Change.OfMap map && map.tensor().equals(origin.tensor())) {
            weight = Application.weight(weight, origin, map, edit.scale());
          }
        }
      }
      return origin.transposed() ? weight.transpose(0, 1) : weight;
    }

    private Tensor bias(Stored map, DType dtype) {
      String name = biasOf(map);
      @Nullable Tensor bias =
          has(name) ? Models.read(checkpoint, stored(name).name(), dtype) : null;
      for (Edit edit : edits) {
        for (Change change : edit.changes()) {
          if (change instanceof Change.OfMap of && of.tensor().equals(map.origin().tensor())) {
            bias = Application.bias(bias, dtype, map.origin(), of, edit.scale());
          }
        }
      }
      return Objects.requireNonNull(bias, name);
    }

    private static DType dtype(TensorType type) {
      return switch (type) {
        case F64 -> DType.F64;
        case F32 -> DType.F32;
        case F16 -> DType.F16;
        case BF16 -> DType.BF16;
        default -> throw new IllegalArgumentException("no weights are written as " + type);
      };
    }
  }
}
