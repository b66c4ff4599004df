package dev.fathom.world;

import dev.fathom.model.Linears.Role;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Mod;
import dev.fathom.refine.Refinement;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;

/// A way to be taught a [Lesson].
///
/// @param name for tables
/// @param loras low-rank steps; none for a mixture alone
/// @param mod the mixture; empty without one
/// @param rate highest learning rate
/// @param epochs times that each text is learnt
public record Learner(
    String name, List<Lora> loras, Optional<Mod.Config> mod, double rate, double epochs) {
  /// The late layers of a mixture, unless it says otherwise: the thesis' k.
  public static final int LATE = 3;

  public Learner {
    loras = List.copyOf(loras);
  }

  /// What the study compares: low-rank steps with and without the late layers, mixtures, both; then
  /// what could help a mixture alone, and steps with as few numbers as that.
  public static List<Learner> all(Transformer model) {
    int n = model.layers();
    int late = Math.min(LATE, n - 1);
    Lora lora = Lora.standard(model).withRank(8, 16).withDropout(0);
    Lora below = lora.onLayers(0, n - late);
    Lora few =
        Lora.standard(model)
            .withRank(1, 2)
            .withDropout(0)
            .withTargets(EnumSet.of(Role.UP, Role.DOWN))
            .onLayers(0, Math.min(3, n));
    Mod.Config mod = Mod.Config.dense(late);
    Mod.Config every = Mod.Config.dense(n);
    Learner all = mixture("MoD of all layers", every);
    return List.of(
        steps("LoRA", lora),
        steps("LoRA below", below),
        both("LoRA below + MoD", below, mod),
        both("LoRA + MoD", lora, mod),
        steps("LoRA, few numbers", few).with("LoRA, few numbers", 1e-2, 32),
        mixture("MoD", mod),
        mixture("MoD of 5 layers", Mod.Config.dense(Math.min(5, n))),
        all,
        mixture("MoD of all layers, router only", every.withOwnNorms(false)),
        mixture("MoD of all layers, final norm too", every.withTrainFinalNorm(true)),
        mixture("MoD of all layers, router reads normed", every.withNormRouterInput(true)),
        all.with("MoD of all layers, ten times the rate", 1e-1, 40),
        all.with("MoD of all layers, three times as long", 1e-2, 120));
  }

  private static Learner steps(String name, Lora lora) {
    return new Learner(name, List.of(lora), Optional.empty(), 3e-3, 16);
  }

  private static Learner both(String name, Lora lora, Mod.Config mod) {
    return new Learner(name, List.of(lora), Optional.of(mod), 3e-3, 16);
  }

  private static Learner mixture(String name, Mod.Config mod) {
    return new Learner(name, List.of(), Optional.of(mod), 1e-2, 40);
  }

  /// The same, with another rate and so many epochs.
  public Learner with(String name, double rate, double epochs) {
    return new Learner(name, loras, mod, rate, epochs);
  }

  Refinement.Config method(long seed) {
    Refinement.Config config =
        mod.isPresent() ? Refinement.Config.of(loras, mod.get()) : Refinement.Config.of(loras);
    return config.watching(1, 0).withSeed(seed);
  }
}
