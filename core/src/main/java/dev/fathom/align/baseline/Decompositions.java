package dev.fathom.align.baseline;

import dev.fathom.checkpoint.KeptFile;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.checkpoint.TensorSpec;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Linear;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The singular vectors of some maps of a model, `W = U diag(S) Vᵀ` with whole U `[out, out]` and
/// Vᵀ `[in, in]`, in F32, or F64 where the model computes in that. Computed once for a model where
/// there is a directory to keep them in.
final class Decompositions implements AutoCloseable {
  private final List<Linear> maps;
  private final @Nullable SafetensorsFile file; // null: computed when asked for

  private Decompositions(List<Linear> maps, @Nullable SafetensorsFile file) {
    this.maps = maps;
    this.file = file;
  }

  /// @param directory made if it is not there
  static Decompositions of(Transformer model, List<Linear> maps, Optional<Path> directory) {
    if (directory.isEmpty()) {
      return new Decompositions(maps, null);
    }
    SafetensorsFile file =
        KeptFile.of(
            directory.get(),
            "svd",
            decides(model, maps),
            specs(maps),
            writer -> {
              for (int i = 0; i < maps.size(); i++) {
                try (var scope = Scope.withoutGradients()) {
                  Bases bases = computed(maps.get(i));
                  writer.append("u." + i, bases.u.memory());
                  writer.append("vt." + i, bases.vt.memory());
                }
              }
            });
    return new Decompositions(maps, file);
  }

  /// What makes a map of the singular vectors' coordinates one of the model's, `U X Vᵀ`, and back.
  ///
  /// @param u `[out, out]`
  /// @param vt `[in, in]`
  record Bases(Tensor u, Tensor vt) {}

  /// Of the map number `i`, in the current scope; while this is open.
  Bases at(int i) {
    if (file == null) {
      return computed(maps.get(i));
    }
    Linear map = maps.get(i);
    DType dtype = dtype(map);
    return new Bases(
        Tensor.borrow(file.bytes("u." + i), dtype, map.out(), map.out()),
        Tensor.borrow(file.bytes("vt." + i), dtype, map.in(), map.in()));
  }

  private static DType dtype(Linear map) {
    return map.weight().values().dtype() == DType.F64 ? DType.F64 : DType.F32;
  }

  private static Bases computed(Linear map) {
    Tensor.Svd svd = map.weight().values().wide().svd(true);
    return new Bases(svd.u().contiguous(), svd.vt().contiguous());
  }

  private static List<TensorSpec> specs(List<Linear> maps) {
    var specs = new ArrayList<TensorSpec>();
    for (int i = 0; i < maps.size(); i++) {
      Linear map = maps.get(i);
      TensorType type = dtype(map) == DType.F64 ? TensorType.F64 : TensorType.F32;
      specs.add(TensorSpec.of("u." + i, type, map.out(), map.out()));
      specs.add(TensorSpec.of("vt." + i, type, map.in(), map.in()));
    }
    return specs;
  }

  private static String decides(Transformer model, List<Linear> maps) {
    return maps.stream()
        .map(map -> "%s %s".formatted(map.origin(), map.weight().values().dtype()))
        .collect(Collectors.joining("\n", model.card().sha256().get() + "\n", ""));
  }

  @Override
  public void close() {
    if (file != null) {
      file.close();
    }
  }
}
