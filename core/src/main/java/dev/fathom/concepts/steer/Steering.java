package dev.fathom.concepts.steer;

import dev.fathom.concepts.ConceptAtoms;
import dev.fathom.concepts.decompose.Solver;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;

/// One thing that is done to a model's activations while it runs, as a value. A strength of 0 is
/// nothing at all.
///
/// | | what becomes of h at its site | source |
/// |---|---|---|
/// | [Add] | `h + s · spread · v` | activation addition (Turner et al. 2023; Panickssery et al. 2024) |
/// | [ProjectOut] | `h − s · (h·v) v` | directional ablation (Arditi et al. 2024), for s = 1 |
/// | [Remove] | `h − s · Σ_{i undesired} c_i d_i`, c from `h ≈ Σ c_i d_i` | PaCE (Luo et al. 2024) |
/// | [ShiftHeads] | `z_head + s · σ · θ` for chosen heads | inference-time intervention (Li et al. 2023) |
///
/// All of them change every token by default. Large strengths change everything, so that any effect
/// can be had: look at the texts, and at a random direction ([#random(long)]).
public sealed interface Steering {
  /// Where it is done.
  Site site();

  /// s, as above.
  double strength();

  /// The same with its strength multiplied.
  Steering times(double factor);

  /// The same as large with another direction, drawn at random: the control. A seed gives one
  /// direction for all sites that are as wide, since those of a concept are much alike from layer
  /// to layer: L steps along one add up like L, along independent ones only like √L. Heads share
  /// nothing, and get one each.
  Steering random(long seed);

  /// In a few words.
  String summary();

  /// Refuses a model on which it cannot be done.
  ///
  /// @throws IllegalArgumentException if the model lacks the site, or has another width
  void requireFits(Transformer model);

  /// Which tokens are changed.
  enum Tokens {
    /// Every token.
    ALL,
    /// The last token of a prompt, from which the first new one is predicted, and those that are
    /// generated: of whatever is read at once, the last token.
    GENERATED
  }

  /// Adds a step along a direction.
  ///
  /// @param site as wide as the stream
  /// @param strength in spreads of the direction; below 0 away from it
  record Add(Site site, Direction direction, double strength) implements Steering {
    public Add {
      requireStream(site);
      requireNumber(strength);
    }

    @Override
    public Add times(double factor) {
      return new Add(site, direction, strength * factor);
    }

    @Override
    public Add random(long seed) {
      return new Add(site, direction.random(Steering.seed(seed)), strength);
    }

    @Override
    public String summary() {
      return "%s by %s".formatted(site, number(strength));
    }

    @Override
    public void requireFits(Transformer model) {
      requireSite(model, site);
      requireWidth(site, direction.width(), model.dModel());
    }
  }

  /// Takes out what lies along a direction. Done twice with a strength of 1 it is done once.
  ///
  /// @param site as wide as the stream
  /// @param strength the share that is taken out: 1 for all of it, 2 to turn it round
  record ProjectOut(Site site, Direction direction, double strength) implements Steering {
    public ProjectOut {
      requireStream(site);
      requireNumber(strength);
    }

    @Override
    public ProjectOut times(double factor) {
      return new ProjectOut(site, direction, strength * factor);
    }

    @Override
    public ProjectOut random(long seed) {
      return new ProjectOut(site, direction.random(Steering.seed(seed)), strength);
    }

    @Override
    public String summary() {
      return "%s without %s of the direction".formatted(site, number(strength));
    }

    @Override
    public void requireFits(Transformer model) {
      requireSite(model, site);
      requireWidth(site, direction.width(), model.dModel());
    }
  }

  /// Takes each token's activation apart into few concepts and takes some of them off.
  ///
  /// @param site as wide as the stream
  /// @param concepts what it is taken apart into; stays open for as long
  /// @param undesired their numbers among the concepts
  /// @param solver how it is taken apart
  /// @param strength the share of the undesired that is taken off, 1 for all of it
  record Remove(
      Site site, ConceptAtoms concepts, Set<Integer> undesired, Solver solver, double strength)
      implements Steering {
    public Remove {
      requireStream(site);
      requireNumber(strength);
      undesired = Collections.unmodifiableSet(new TreeSet<>(undesired));
      for (int place : undesired) {
        if (place < 0 || place >= concepts.count()) {
          throw new IllegalArgumentException(
              "there are concepts 0 to %d, not %d".formatted(concepts.count() - 1, place));
        }
      }
    }

    @Override
    public Remove times(double factor) {
      return new Remove(site, concepts, undesired, solver, strength * factor);
    }

    /// As many other concepts, at all sites with the same ones the same; all that are left where
    /// there are not as many.
    @Override
    public Remove random(long seed) {
      var others = new ArrayList<Integer>();
      for (int place = 0; place < concepts.count(); place++) {
        if (!undesired.contains(place)) {
          others.add(place);
        }
      }
      Collections.shuffle(others, new Random(Steering.seed(seed)));
      var drawn = Set.copyOf(others.subList(0, Math.min(others.size(), undesired.size())));
      return new Remove(site, concepts, drawn, solver, strength);
    }

    @Override
    public String summary() {
      return "%s without %s of %d concepts".formatted(site, number(strength), undesired.size());
    }

    @Override
    public void requireFits(Transformer model) {
      requireSite(model, site);
      requireWidth(site, concepts.width(), model.dModel());
    }
  }

  /// Shifts what some heads of a layer read, before W_O.
  ///
  /// @param heads each head's direction; its spread is the σ of the paper
  /// @param strength α of the paper, in spreads
  record ShiftHeads(int layer, Map<Integer, Direction> heads, double strength) implements Steering {
    public ShiftHeads {
      heads = Collections.unmodifiableMap(new TreeMap<>(heads));
      requireNumber(strength);
    }

    @Override
    public Site site() {
      return Site.of(Kind.Z, layer);
    }

    @Override
    public ShiftHeads times(double factor) {
      return new ShiftHeads(layer, heads, strength * factor);
    }

    @Override
    public ShiftHeads random(long seed) {
      var drawn = new LinkedHashMap<Integer, Direction>();
      heads.forEach(
          (head, direction) -> drawn.put(head, direction.random(Steering.seed(seed, layer, head))));
      return new ShiftHeads(layer, drawn, strength);
    }

    @Override
    public String summary() {
      return "%s heads %s by %s".formatted(site(), heads.keySet(), number(strength));
    }

    @Override
    public void requireFits(Transformer model) {
      requireSite(model, site());
      var attention = model.blocks().get(layer).attention();
      heads.forEach((head, direction) -> {
        if (head < 0 || head >= attention.heads()) {
          throw new IllegalArgumentException(
              "%s has heads 0 to %d, not %d".formatted(site(), attention.heads() - 1, head));
        }
        requireWidth(site(), direction.width(), attention.width());
      });
    }
  }

  /// All of these with their strengths multiplied.
  static List<Steering> times(List<? extends Steering> steerings, double factor) {
    return each(steerings, steering -> steering.times(factor));
  }

  /// The control of all of these.
  static List<Steering> random(List<? extends Steering> steerings, long seed) {
    return each(steerings, steering -> steering.random(seed));
  }

  private static List<Steering> each(
      List<? extends Steering> steerings, UnaryOperator<Steering> change) {
    return steerings.stream().map(steering -> change.apply(steering)).toList();
  }

  /// What does all of these to a model; at one site in their order.
  ///
  /// @throws IllegalArgumentException if one cannot be done on this model
  static Tap tap(Transformer model, List<? extends Steering> steerings, Tokens tokens) {
    steerings.forEach(steering -> steering.requireFits(model));
    return SteeringTap.of(steerings, tokens);
  }

  private static void requireStream(Site site) {
    if (!EnumSet.of(
            Kind.RESID_PRE,
            Kind.RESID_MID,
            Kind.RESID_POST,
            Kind.ATTN_RAW,
            Kind.ATTN_OUT,
            Kind.MLP_RAW,
            Kind.MLP_OUT)
        .contains(site.kind())) {
      throw new IllegalArgumentException(
          "%s: steering is done at resid_pre, resid_mid, resid_post, attn_raw, attn_out, mlp_raw or mlp_out, which are as wide as the stream, and to heads"
              .formatted(site));
    }
  }

  private static void requireNumber(double strength) {
    if (!Double.isFinite(strength)) {
      throw new IllegalArgumentException("a strength is a number, found " + strength);
    }
  }

  private static void requireSite(Transformer model, Site site) {
    model
        .refusal(site)
        .ifPresent(reason -> {
          throw new IllegalArgumentException(
              "site %s does not exist on this %s model: %s"
                  .formatted(site, model.card().family(), reason));
        });
  }

  private static void requireWidth(Site site, int width, int wanted) {
    if (width != wanted) {
      throw new IllegalArgumentException(
          "%s is %d wide on this model, but the direction %d: it was read from another model"
              .formatted(site, wanted, width));
    }
  }

  private static String number(double x) {
    return x == Math.rint(x) && Math.abs(x) < 1e9
        ? Long.toString((long) x)
        : String.format(Locale.ROOT, "%s", x);
  }

  /// The same at every site; of seeds that are neighbours far apart.
  private static long seed(long seed) {
    return seed * 0x9E37_79B9_7F4A_7C15L;
  }

  /// Another one for each head.
  private static long seed(long seed, int layer, int head) {
    return (seed(seed) + layer) * 10_007 + head;
  }
}
