package dev.fathom.refine.study;

import dev.fathom.refine.Distillation;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Mod;
import dev.fathom.refine.Refinement;
import dev.fathom.refine.study.Study.Variant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/// What the thesis' studies compare. Studies share the variants that they have in common, by name.
///
/// @param lora low-rank steps on all layers
/// @param late layers that are mixed, or watched; the most of a grid
/// @param distillation of a mixture's earlier routes
public record Variants(Lora lora, int late, Distillation distillation) {
  public Variants {
    if (late < 1 || late > lora.to()) {
      throw new IllegalArgumentException(
          "a study has 1 to %d late layers, found %d".formatted(lora.to(), late));
    }
  }

  /// Variants that have one name.
  enum Way {
    BASE("base"),
    LORA_BELOW("LoRA below"),
    LORA_BELOW_MOD("LoRA below + mixture"),
    LORA_ALL("LoRA everywhere"),
    LORA_ALL_MOD("LoRA everywhere + mixture"),
    NO_NORMS("without norms of its own"),
    NO_DISTILLATION("without distillation"),
    UNIFORM("without a router"),
    NORMED_ROUTER("router reads a normed stream"),
    TEACHER_FIRST("KL the other way"),
    IMPLICIT("last layer");

    private final String title;

    Way(String title) {
      this.title = title;
    }

    /// In file names.
    String text() {
      return name().toLowerCase(Locale.ROOT);
    }

    /// In tables.
    String title() {
      return title;
    }

    private Variant of(Refinement.Config method) {
      return new Variant(text(), title, Optional.of(method), 0);
    }
  }

  /// The model as it is.
  static final Variant BASE = new Variant(Way.BASE.text(), Way.BASE.title(), Optional.empty(), 0);

  static final List<Way> FOUR =
      List.of(Way.LORA_BELOW, Way.LORA_BELOW_MOD, Way.LORA_ALL, Way.LORA_ALL_MOD);

  static final List<Way> MIXED = List.of(Way.LORA_BELOW_MOD, Way.LORA_ALL_MOD);

  static final List<Way> ABLATED =
      List.of(Way.NO_NORMS, Way.NO_DISTILLATION, Way.UNIFORM, Way.NORMED_ROUTER, Way.TEACHER_FIRST);

  static String gridName(int late, int top) {
    return "mod_k%d_top%d".formatted(late, top);
  }

  static String layerName(int layer) {
    return "explicit_layer%d".formatted(layer);
  }

  private Lora below() {
    return lora.onLayers(0, lora.to() - late);
  }

  private Refinement.Config steps(Lora some) {
    return Refinement.Config.of(List.of(some)).watching(late, 1.0 / 32);
  }

  private Refinement.Config mixed(List<Lora> loras, Mod.Config mod) {
    return Refinement.Config.of(loras, mod).with(distillation);
  }

  /// The model, and steps below the late layers or everywhere, with and without the mixture (tables
  /// 5.1 and 5.2).
  public List<Variant> tables() {
    Mod.Config mod = Mod.Config.dense(late);
    return List.of(
        BASE,
        Way.LORA_BELOW.of(steps(below())),
        Way.LORA_BELOW_MOD.of(mixed(List.of(below()), mod)),
        Way.LORA_ALL.of(steps(lora)),
        Way.LORA_ALL_MOD.of(mixed(List.of(lora), mod)));
  }

  /// Those of the tables that have a router (Figs 5.2 and C.1).
  public List<Variant> routing() {
    List<String> names = MIXED.stream().map(Way::text).toList();
    return tables().stream().filter(variant -> names.contains(variant.name())).toList();
  }

  /// The mixture alone, of every number of layers and routes that count (Figs 5.3 and C.2).
  public List<Variant> grid() {
    var variants = new ArrayList<Variant>();
    for (int k = 1; k <= late; k++) {
      for (int top = 1; top <= k; top++) {
        variants.add(
            Variant.of(
                gridName(k, top),
                "k = %d, K = %d".formatted(k, top),
                mixed(List.of(), Mod.Config.dense(k).withTopK(top))));
      }
    }
    return variants;
  }

  /// The model, the mixture over steps below, and that without each of its parts (Fig 5.4).
  public List<Variant> ablations() {
    Mod.Config mod = Mod.Config.dense(late);
    List<Lora> loras = List.of(below());
    Refinement.Config whole = mixed(loras, mod);
    return List.of(
        BASE,
        Way.LORA_BELOW_MOD.of(whole),
        Way.NO_NORMS.of(mixed(loras, mod.withOwnNorms(false))),
        Way.NO_DISTILLATION.of(whole.with(Distillation.none())),
        Way.UNIFORM.of(mixed(loras, mod.withUniform(true))),
        Way.NORMED_ROUTER.of(mixed(loras, mod.withNormRouterInput(true))),
        Way.TEACHER_FIRST.of(whole.with(distillation.with(Distillation.Divergence.TEACHER_FIRST))));
  }

  /// The run that watches its late layers, then one for each of them (Figs 4.7 and 4.8).
  public List<Variant> layers() {
    var variants = new ArrayList<Variant>();
    variants.add(Way.IMPLICIT.of(Refinement.Config.of(List.of(lora)).watching(late, 0.25)));
    for (int layer = lora.to() - late; layer < lora.to(); layer++) {
      variants.add(
          Variant.of(
                  layerName(layer),
                  "layer " + layer,
                  Refinement.Config.of(List.of(lora.onLayers(0, layer + 1))).watching(1, 0))
              .endingAfter(layer + 1));
    }
    return variants;
  }
}
