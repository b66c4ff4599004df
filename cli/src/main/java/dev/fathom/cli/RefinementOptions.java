package dev.fathom.cli;

import dev.fathom.model.Linears.Role;
import dev.fathom.model.Transformer;
import dev.fathom.refine.Distillation;
import dev.fathom.refine.Lora;
import dev.fathom.refine.Mod;
import dev.fathom.refine.Refinement;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// What is learnt.
final class RefinementOptions {
  private static final Pattern RANGE = Pattern.compile("([0-9]{1,5})-([0-9]{1,5})");

  /// How earlier routes are held to the last.
  enum Divergence {
    student_first,
    teacher_first,
    js
  }

  @Option(
      names = "--method",
      paramLabel = "METHOD",
      description = "lora, mod, or lora+mod. Default: ${DEFAULT-VALUE}.")
  private String method = "lora";

  @Option(
      names = "--lora-rank",
      paramLabel = "R",
      description = "Rank of the low-rank steps. Default: 32.")
  private @Nullable Integer rank;

  @Option(
      names = "--lora-alpha",
      paramLabel = "A",
      description = "Steps count alpha / rank. Default: twice the rank.")
  private @Nullable Double alpha;

  @Option(
      names = "--lora-dropout",
      paramLabel = "P",
      description = "Share of a step's input left out at random while learning. Default: 0.05.")
  private @Nullable Double dropout;

  @Option(
      names = "--lora-targets",
      split = ",",
      paramLabel = "MAP",
      description = "Maps of a layer: q, k, v, o, gate, up, down. Default: q,k,v,up,down.")
  private List<String> targets = List.of();

  @Option(
      names = "--lora-layers",
      paramLabel = "WHERE",
      description =
          "all, below (all but the late layers) or a range such as 0-26. Default: below with"
              + " lora+mod, otherwise all.")
  private @Nullable String layers;

  @Option(
      names = "--late",
      paramLabel = "K",
      description = "Late layers: those that are mixed, or watched. Default: ${DEFAULT-VALUE}.")
  private int late = 3;

  @Option(
      names = "--top-k",
      paramLabel = "N",
      description = "Routes of the mixture that count for a token. Default: all.")
  private @Nullable Integer topK;

  @Option(
      names = "--lambda",
      paramLabel = "X",
      description = "Weight of the distillation of earlier routes. Default: 1e-4.")
  private @Nullable Double lambda;

  @Option(
      names = "--distill-share",
      paramLabel = "SHARE",
      description = "Share of label tokens that distillation is measured on. Default: 1.")
  private @Nullable Double share;

  @Option(
      names = "--divergence",
      paramLabel = "D",
      description = "${COMPLETION-CANDIDATES}. Default: student_first, as in the thesis.")
  private @Nullable Divergence divergence;

  @Option(
      names = "--teach-teacher",
      description = "Let the last route learn from the divergence too.")
  private boolean teachTeacher;

  @Option(names = "--shared-norm", description = "No norms of the routes' own (an ablation).")
  private boolean sharedNorm;

  @Option(names = "--train-final-norm", description = "A norm of its own for the last route, too.")
  private boolean finalNorm;

  @Option(names = "--uniform", description = "No router: all routes count the same (a control).")
  private boolean uniform;

  @Option(
      names = "--checkpointing",
      description = "Compute blocks again on the way back: a third more time, less memory.")
  private boolean checkpointing;

  /// Refuses what would be ignored.
  void check() {
    if (!Set.of("lora", "mod", "lora+mod").contains(method)) {
      throw new IllegalArgumentException(
          "--method is lora, mod or lora+mod, not %s.".formatted(method));
    }
    boolean steps = method.startsWith("lora");
    if (!steps
        && (rank != null
            || alpha != null
            || dropout != null
            || !targets.isEmpty()
            || layers != null
            || checkpointing)) {
      throw new IllegalArgumentException(
          "--method mod learns no low-rank steps: leave --lora-… and --checkpointing, or choose lora+mod.");
    }
    boolean mixes = method.endsWith("mod");
    if (!mixes
        && (topK != null
            || lambda != null
            || share != null
            || divergence != null
            || teachTeacher
            || sharedNorm
            || finalNorm
            || uniform)) {
      throw new IllegalArgumentException(
          "--method lora has no mixture: leave --top-k, --lambda, --distill-share, --divergence,"
              + " --teach-teacher, --shared-norm, --train-final-norm and --uniform, or choose"
              + " lora+mod.");
    }
  }

  Refinement.Config config(Transformer model, long seed) {
    if (late < 1 || late > model.layers()) {
      throw new IllegalArgumentException(
          "--late is at least 1 and at most the model's %d layers, not %d."
              .formatted(model.layers(), late));
    }
    List<Lora> loras = method.startsWith("lora") ? List.of(lora(model)) : List.of();
    Refinement.Config config =
        mod()
            .map(mod -> Refinement.Config.of(loras, mod).with(distillation()))
            .orElseGet(() -> Refinement.Config.of(loras).watching(late, 1.0 / 32));
    return config.recomputing(checkpointing).withSeed(seed);
  }

  private Lora lora(Transformer model) {
    Lora standard = Lora.standard(model);
    int chosen = rank == null ? standard.rank() : rank;
    Lora lora =
        standard
            .withRank(chosen, alpha == null ? 2.0 * chosen : alpha)
            .withDropout(dropout == null ? standard.dropout() : dropout);
    if (!targets.isEmpty()) {
      lora = lora.withTargets(roles());
    }
    String where = layers != null ? layers : method.equals("lora+mod") ? "below" : "all";
    Matcher range = RANGE.matcher(where);
    if (range.matches()) {
      return lora.onLayers(Integer.parseInt(range.group(1)), Integer.parseInt(range.group(2)) + 1);
    }
    return switch (where) {
      case "all" -> lora;
      case "below" -> lora.onLayers(0, model.layers() - late);
      default ->
          throw new IllegalArgumentException(
              "--lora-layers is all, below, or a range such as 0-26, not %s.".formatted(where));
    };
  }

  private Set<Role> roles() {
    var roles = EnumSet.noneOf(Role.class);
    for (String target : targets) {
      roles.add(
          Arrays.stream(Role.values())
              .filter(role -> role.name().toLowerCase(Locale.ROOT).equals(target))
              .findFirst()
              .orElseThrow(() ->
                  new IllegalArgumentException(
                      "--lora-targets are of q, k, v, qkv, o, gate, up, down, not %s."
                          .formatted(target))));
    }
    return roles;
  }

  private Optional<Mod.Config> mod() {
    if (!method.endsWith("mod")) {
      return Optional.empty();
    }
    Mod.Config dense =
        Mod.Config.dense(late)
            .withOwnNorms(!sharedNorm)
            .withTrainFinalNorm(finalNorm)
            .withUniform(uniform);
    return Optional.of(topK == null ? dense : dense.withTopK(topK));
  }

  private Distillation distillation() {
    Distillation standard = Distillation.standard().withDetachTeacher(!teachTeacher);
    standard = lambda == null ? standard : standard.withWeight(lambda);
    standard = share == null ? standard : standard.withShare(share);
    return divergence == null
        ? standard
        : standard.with(
            switch (divergence) {
              case student_first -> Distillation.Divergence.STUDENT_FIRST;
              case teacher_first -> Distillation.Divergence.TEACHER_FIRST;
              case js -> Distillation.Divergence.JENSEN_SHANNON;
            });
  }
}
