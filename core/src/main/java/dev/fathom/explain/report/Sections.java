package dev.fathom.explain.report;

import dev.fathom.explain.attention.TokenMixingResult;
import dev.fathom.explain.causal.PathPatching;
import dev.fathom.explain.lens.ExitProfile;
import dev.fathom.explain.neurons.ValueVectors;
import dev.fathom.explain.parts.DirectLogitResult;
import dev.fathom.explain.report.Findings.Work;
import dev.fathom.model.Transformer;
import dev.fathom.view.Grid;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The sections of an [Explanation], in the order of the report. A new one is an entry of [#ALL].
final class Sections {
  /// What a section needs besides the question.
  enum Input {
    NONE("", ""),
    SUBJECT("the words that the fact is about", "--subject TEXT"),
    CORRUPT("another prompt of as many tokens", "--corrupt TEXT");

    final String what;
    final String option;

    Input(String what, String option) {
      this.what = what;
      this.option = option;
    }

    boolean given(Explanation.Config config) {
      return switch (this) {
        case NONE -> true;
        case SUBJECT -> config.subject().isPresent();
        case CORRUPT -> config.corrupt().isPresent();
      };
    }
  }

  /// What is drawn and saved of a result.
  record Shown(List<View> views, SequencedMap<String, Grid> arrays) {
    static Shown of(Result result) {
      return new Shown(result.views(), result.arrays());
    }

    Shown and(Shown other) {
      var both = new ArrayList<>(views);
      both.addAll(other.views);
      var grids = new LinkedHashMap<>(arrays);
      grids.putAll(other.arrays);
      return new Shown(both, grids);
    }
  }

  /// One part of the report.
  ///
  /// @param slow whether it has to be asked for
  /// @param suits refuses models that have no such thing
  /// @param works what it is made from, which says what it costs
  record Part(
      String id,
      String title,
      String explanation,
      boolean slow,
      Input input,
      Consumer<Transformer> suits,
      Set<Work> works,
      Function<Findings, Shown> make) {

    static Part of(
        String id,
        String title,
        String explanation,
        Set<Work> works,
        Function<Findings, Shown> make) {
      return new Part(id, title, explanation, false, Input.NONE, _ -> {}, works, make);
    }

    Part slowly() {
      return new Part(id, title, explanation, true, input, suits, works, make);
    }

    Part needing(Input needed) {
      return new Part(id, title, explanation, slow, needed, suits, works, make);
    }

    Part suiting(Consumer<Transformer> check) {
      return new Part(id, title, explanation, slow, input, check, works, make);
    }

    /// Why a model has no such section; null if it has.
    @Nullable String refusal(Transformer model) {
      try {
        suits.accept(model);
        return null;
      } catch (IllegalArgumentException e) {
        return e.getMessage();
      }
    }
  }

  static final List<Part> ALL =
      List.of(
          Part.of(
              "lens",
              "Logit lens",
              "Each cell is what the model would say next at that position if it stopped after that"
                  + " layer: the bottom row is the embedding, the top row the model's own prediction."
                  + " Colour is the probability of the best token, which is written where it exceeds"
                  + " 0.2.",
              EnumSet.of(Work.LENS),
              found -> new Shown(List.of(found.lens().heatMap()), found.lens().arrays())),
          Part.of(
              "target",
              "Target by layer",
              "The target's probability and rank (0 is best) and the entropy of the whole"
                  + " distribution, as the lens reads them at the position in question. Rank often"
                  + " improves long before the probability does.",
              EnumSet.of(Work.LENS),
              found -> new Shown(List.of(found.lens().curves()), found.lens().arrays())),
          Part.of(
              "exit",
              "Commit depth and early exit",
              "How early the answer is there. Commit depth is the first layer from which the best"
                  + " token no longer changes. These are readings of the lens: an upper estimate of"
                  + " what early exit can save.",
              EnumSet.of(Work.LENS),
              Sections::exit),
          Part.of(
              "ablate",
              "What the answer needs",
              "Each cell is what the answer loses when what one sublayer adds at one position is set"
                  + " to zero: positive cells speak for the answer, negative ones against it. Parts"
                  + " that stand in for each other look unneeded.",
              EnumSet.of(Work.SUBLAYERS),
              found -> Shown.of(found.sublayers())),
          Part.of(
              "heads",
              "Heads",
              "Twice the heads: what the answer loses without one (at all positions), and what each"
                  + " writes for the logit itself (direct logit attribution). A head that is needed"
                  + " but writes nothing works through others; one that writes but is not needed has"
                  + " a stand-in.",
              EnumSet.of(Work.HEADS, Work.DIRECT),
              found -> {
                DirectLogitResult direct = found.direct();
                var written = new LinkedHashMap<String, Grid>();
                written.put("dla_head", direct.heads());
                return Shown.of(found.heads())
                    .and(new Shown(List.of(direct.headMap(), direct.strongestHeads()), written));
              }),
          Part.of(
              "dla",
              "The logit as a sum",
              "Every part adds to the stream, and the logit is the sum of what each adds (direct"
                  + " logit attribution). What a part does by changing what later ones do is counted"
                  + " as theirs.",
              EnumSet.of(Work.DIRECT),
              found -> {
                DirectLogitResult direct = found.direct();
                return new Shown(
                    List.of(direct.byLayer(), direct.curves(), direct.from()), direct.arrays());
              }),
          Part.of(
              "decompose",
              "The logit split by token",
              "The stream at the position in question, split into what comes from each token and"
                  + " what from the model's biases. Attention patterns and gates count as given: what"
                  + " a token does by directing attention is not attributed to it.",
              EnumSet.of(Work.DECOMPOSITION),
              found -> Shown.of(found.decomposition())),
          Part.of(
              "attribute",
              "Tokens by gradients",
              "How much each token of the prompt speaks for the answer (positive) or against it"
                  + " (negative). The gradient says what a small change of its embedding would do;"
                  + " integrated gradients follow the whole way from the mean embedding to it.",
              EnumSet.of(Work.GRADIENTS),
              found -> Shown.of(found.gradients())),
          Part.of(
              "attention",
              "Attention",
              "Where the strongest heads look, and from which tokens all heads and layers together"
                  + " mix the position in question (attention rollout). Many heads park attention on"
                  + " the first token: rollout comes a second time without it. Attention is no"
                  + " explanation by itself: it does not say what is read there.",
              EnumSet.of(Work.PATTERNS, Work.ROLLOUT, Work.DIRECT),
              found -> {
                TokenMixingResult rollout = found.rollout();
                return Shown.of(found.patterns())
                    .and(new Shown(rollout.views().subList(0, 4), rollout.arrays()));
              }),
          Part.of(
                  "neurons",
                  "Neurons",
                  "The MLP neurons that write most for or against the target at the position in"
                      + " question: m is the activation, and the tokens are those that the neuron"
                      + " promotes with this activation.",
                  EnumSet.of(Work.NEURONS),
                  found -> Shown.of(found.neurons()))
              .suiting(Sections::requireReadableNeurons),
          Part.of(
                  "trace",
                  "Causal tracing",
                  "The subject is drowned in noise; each cell is how much of the answer returns when"
                      + " one state is put back as it was. Measured in probability, unless another"
                      + " metric than the logit is asked for.",
                  EnumSet.of(Work.TRACE),
                  found -> Shown.of(found.trace()))
              .slowly()
              .needing(Input.SUBJECT),
          Part.of(
                  "shap",
                  "Shapley values",
                  "How much each token adds to the answer, averaged over all orders in which tokens"
                      + " may come; a token that is away is the mean embedding.",
                  EnumSet.of(Work.SHAP),
                  found -> Shown.of(found.shapley()))
              .slowly(),
          Part.of(
                  "path",
                  "Path patching",
                  "By which route do heads reach the head that writes most? Each cell is what the"
                      + " answer loses when only what this head sends to its queries, keys and values"
                      + " is from the corrupt prompt.",
                  EnumSet.of(Work.PATH, Work.DIRECT),
                  found -> Shown.of(found.path()))
              .slowly()
              .needing(Input.CORRUPT)
              .suiting(PathPatching::requireStream),
          Part.of(
                  "patch",
                  "Activation patching",
                  "Each cell is how much of the difference between the two prompts one value of the"
                      + " run of this prompt carries, when it is put into the run of the corrupt one"
                      + " (1: all of it).",
                  EnumSet.of(Work.PATCH),
                  found -> Shown.of(found.patch()))
              .needing(Input.CORRUPT));

  private Sections() {}

  private static Shown exit(Findings found) {
    ExitProfile exit = found.exit();
    var views = new ArrayList<>(exit.views());
    if (!Double.isNaN(exit.overthought())) {
      views.add(
          View.Text.of(
              "Overthinking",
              String.format(
                  Locale.ROOT,
                  "At %.0f %% of the positions an earlier layer had the true next token first and the"
                      + " last layer has not.",
                  100 * exit.overthought())));
    }
    return new Shown(views, exit.arrays());
  }

  private static void requireReadableNeurons(Transformer model) {
    ValueVectors.requireReadable(model);
    model.blocks().forEach(ValueVectors::afterMlp);
  }
}
