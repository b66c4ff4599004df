package dev.fathom.explain.report;

import dev.fathom.data.Prompt;
import dev.fathom.data.TokenSpan;
import dev.fathom.explain.Names;
import dev.fathom.explain.Question;
import dev.fathom.explain.attention.TokenMixingResult;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.CausalTracing;
import dev.fathom.explain.causal.Patching;
import dev.fathom.explain.causal.PathPatching;
import dev.fathom.explain.lens.ExitProfile;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.neurons.ValueVectors;
import dev.fathom.explain.parts.DirectLogitResult;
import dev.fathom.explain.report.Findings.Work;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Scope;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Result;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// The report of `fathom explain`: what a model says next and how it comes to say it, one section a
/// method. A new section is an entry of [#SECTIONS].
///
/// It misleads where one section is read alone. Each method asks another question: the lens what
/// can be read off, ablation and patching what is used, direct attribution and decomposition what
/// is written, gradients what would change. The paragraph at the top says where they disagree.
public final class Explanation {
  /// What a section needs besides the question.
  private enum Input {
    NONE("", ""),
    SUBJECT("the words that the fact is about", "--subject TEXT"),
    CORRUPT("another prompt of as many tokens", "--corrupt TEXT");

    final String what;
    final String option;

    Input(String what, String option) {
      this.what = what;
      this.option = option;
    }

    boolean given(Config config) {
      return switch (this) {
        case NONE -> true;
        case SUBJECT -> config.subject.isPresent();
        case CORRUPT -> config.corrupt.isPresent();
      };
    }
  }

  /// What is drawn and saved of a result.
  private record Shown(List<View> views, SequencedMap<String, Grid> arrays) {
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
  private record Part(
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

  private static final List<Part> SECTIONS =
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
              Explanation::exit),
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
              .suiting(Explanation::requireReadableNeurons),
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

  private Explanation() {}

  /// Names of the sections, in the order of the report.
  public static List<String> sections() {
    return SECTIONS.stream().map(Part::id).toList();
  }

  /// How far a report is.
  public interface Progress {
    /// @param section what is being made, its heading
    /// @param share of the whole work that is done, 0 to 1
    void at(String section, double share);
  }

  /// @param sections in the order wanted; empty for those that are not slow and have what they need
  /// @param corrupt another prompt of as many tokens, for `patch` and `path`
  /// @param subject the tokens that the fact is about, for `trace`
  /// @param budget memory that changed runs may take at a time, in bytes
  public record Config(
      List<String> sections,
      Optional<Prompt> corrupt,
      Optional<TokenSpan> subject,
      long budget,
      Progress progress) {
    public Config {
      sections = List.copyOf(new LinkedHashSet<>(sections));
      for (String section : sections) {
        if (!section.equals("all") && !Explanation.sections().contains(section)) {
          throw new IllegalArgumentException(
              "There is no section '%s': choose among %s, or all."
                  .formatted(section, String.join(", ", Explanation.sections())));
        }
      }
    }

    /// What can be had quickly, without another prompt.
    public static Config standard() {
      return new Config(
          List.of(),
          Optional.empty(),
          Optional.empty(),
          Ablation.Config.standard().budget(),
          (_, _) -> {});
    }

    /// Only these sections, in this order; `all` for all whose inputs are there.
    ///
    /// @throws IllegalArgumentException if there is none of that name
    public Config of(List<String> sections) {
      return new Config(sections, corrupt, subject, budget, progress);
    }

    public Config withCorrupt(Prompt prompt) {
      return new Config(sections, Optional.of(prompt), subject, budget, progress);
    }

    public Config withSubject(TokenSpan span) {
      return new Config(sections, corrupt, Optional.of(span), budget, progress);
    }

    public Config within(long bytes) {
      return new Config(sections, corrupt, subject, bytes, progress);
    }

    public Config telling(Progress progress) {
      return new Config(sections, corrupt, subject, budget, progress);
    }
  }

  /// Explains an answer.
  ///
  /// @throws IllegalArgumentException as [#plan], or if the memory is too little
  public static Report run(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    return plan(model, tokenizer, question, config).run();
  }

  /// What a report will hold, and how long that will take.
  ///
  /// @throws IllegalArgumentException if a section that is named lacks what it needs, or the
  ///   corrupt prompt or the subject do not fit the prompt
  public static Plan plan(
      Transformer model, Tokenizer tokenizer, Question question, Config config) {
    int[] ids = question.ids(model);
    config.corrupt.ifPresent(
        corrupt -> Patching.requireComparable(new Names(model, tokenizer), question, corrupt, ids));
    config.subject.ifPresent(span -> CausalTracing.requireBefore(question, span, ids.length));
    var chosen = new ArrayList<Part>();
    var left = new LinkedHashMap<Part, String>();
    boolean named = !config.sections.isEmpty() && !config.sections.contains("all");
    if (named) {
      for (String id : config.sections) {
        chosen.add(named(model, config, id));
      }
    } else {
      for (Part part : SECTIONS) {
        String why = left(model, config, part);
        if (why == null) {
          chosen.add(part);
        } else {
          left.put(part, why);
        }
      }
    }
    return new Plan(model, tokenizer, question, config, chosen, left);
  }

  private static Part named(Transformer model, Config config, String id) {
    Part part = SECTIONS.stream().filter(p -> p.id.equals(id)).findFirst().orElseThrow();
    if (!part.input.given(config)) {
      throw new IllegalArgumentException(
          "The section %s needs %s: add %s.".formatted(id, part.input.what, part.input.option));
    }
    part.suits.accept(model);
    return part;
  }

  /// Why a section that is not named is left out, and how to get it; null if it is not.
  private static @Nullable String left(Transformer model, Config config, Part part) {
    String refusal = part.refusal(model);
    if (refusal != null) {
      return refusal;
    }
    boolean all = config.sections.contains("all");
    boolean given = part.input.given(config);
    boolean skipped = part.slow && !all && !(part.input == Input.SUBJECT && given);
    if (given && !skipped) {
      return null;
    }
    if (given) {
      return "slow, ask for it with --sections %s".formatted(part.id);
    }
    return "%sneeds %s, add %s"
        .formatted(
            skipped ? "slow, and " : "",
            part.input.what,
            skipped && part.input != Input.SUBJECT
                ? "%s --sections %s".formatted(part.input.option, part.id)
                : part.input.option);
  }

  private static void requireReadableNeurons(Transformer model) {
    ValueVectors.requireReadable(model);
    model.blocks().forEach(ValueVectors::afterMlp);
  }

  /// A report that has not been made yet.
  public static final class Plan {
    private final Transformer model;
    private final Tokenizer tokenizer;
    private final Question question;
    private final Config config;
    private final List<Part> chosen;
    private final SequencedMap<Part, String> left;
    private final Pace pace;
    private final Findings.Size size;

    private Plan(
        Transformer model,
        Tokenizer tokenizer,
        Question question,
        Config config,
        List<Part> chosen,
        SequencedMap<Part, String> left) {
      this.model = model;
      this.tokenizer = tokenizer;
      this.question = question;
      this.config = config;
      this.chosen = chosen;
      this.left = left;
      int tokens = question.ids(model).length;
      this.pace = Pace.of(model, tokens);
      this.size =
          new Findings.Size(
              model.layers(),
              model.blocks().getFirst().attention().heads(),
              tokens,
              pace.head(),
              !model.card().causal());
    }

    /// The sections that will be made.
    public List<String> sections() {
      return chosen.stream().map(Part::id).toList();
    }

    /// The sections that will not, though nobody said so.
    public List<String> leftOut() {
      return left.keySet().stream().map(Part::id).toList();
    }

    /// How long it will take, right within a factor of two or so.
    public double seconds() {
      return seconds(works());
    }

    private double seconds(Set<Work> works) {
      return works.stream().mapToDouble(this::seconds).sum();
    }

    private double seconds(Work work) {
      return pace.of(work.cost(size));
    }

    private Set<Work> works() {
      var works = EnumSet.of(Work.LENS); // the paragraph at the top needs it
      chosen.forEach(part -> works.addAll(part.works));
      return works;
    }

    /// Makes the report.
    public Report run() {
      long start = System.nanoTime();
      double all = seconds();
      var done = EnumSet.noneOf(Work.class);
      var heading = new String[] {"Logit lens"};
      var told = new double[1]; // a share that was told is never taken back
      try (var scope = Scope.withoutGradients()) {
        var findings =
            new Findings(
                model,
                tokenizer,
                question,
                config,
                (work, share) -> {
                  double before = seconds(done);
                  if (share == 1) {
                    done.add(work);
                  }
                  double now = (before + Math.min(1, share) * seconds(work)) / all;
                  told[0] = Math.clamp(now, told[0], 1);
                  config.progress.at(heading[0], told[0]);
                });
        LensResult lens = findings.lens();
        var sections = new ArrayList<Section>();
        var saved = new LinkedHashMap<String, Grid>();
        for (Part part : chosen) {
          heading[0] = part.title;
          Shown shown = part.make.apply(findings);
          sections.add(
              new Section(
                  part.id, part.title, part.explanation, shown.views, fresh(saved, shown.arrays)));
        }
        String summary = ExplanationSummary.of(findings);
        if (!left.isEmpty()) {
          sections.add(leftOutSection());
        }
        return new Report(
            question.prompt().text(),
            subtitle(lens),
            List.of(summary),
            sections,
            provenance(lens.provenance(), (System.nanoTime() - start) / 1e9));
      }
    }

    /// Arrays that no earlier section has; two of one name are one array.
    private static SequencedMap<String, Grid> fresh(
        SequencedMap<String, Grid> saved, SequencedMap<String, Grid> arrays) {
      var fresh = new LinkedHashMap<String, Grid>();
      arrays.forEach((name, grid) -> {
        Grid before = saved.putIfAbsent(name, grid);
        if (before == null) {
          fresh.put(name, grid);
        } else if (!before.equals(grid)) {
          throw new IllegalStateException("two sections have different arrays '" + name + "'");
        }
      });
      return fresh;
    }

    private Section leftOutSection() {
      var lines = new ArrayList<String>();
      left.forEach((part, why) -> {
        double more = seconds(part.works) - seconds(common(part.works));
        lines.add(
            why.endsWith(".")
                ? "%s (%s): %s".formatted(part.title, part.id, why)
                : "%s (%s): %s (about %s).".formatted(part.title, part.id, why, spoken(more)));
      });
      lines.add("--sections takes several names, with commas, or all.");
      return Section.of(
          "left-out",
          "Left out",
          "What this report could also say.",
          List.of(View.Text.of("Left out", lines.toArray(String[]::new))));
    }

    private Set<Work> common(Set<Work> works) {
      var common = EnumSet.copyOf(works());
      common.retainAll(works);
      return common;
    }

    private String subtitle(LensResult lens) {
      String foil = foil();
      return "%s · target '%s'%s · %s · %s"
          .formatted(
              lens.provenance().model(),
              lens.target(),
              foil.isEmpty() ? "" : ", foil '" + foil + "'",
              question.metric().text(),
              lens.provenance().dtype());
    }

    private String foil() {
      return question.foil().isEmpty()
          ? ""
          : new Names(model, tokenizer).output(question.foil().getAsInt());
    }

    private Provenance provenance(Provenance lens, double seconds) {
      var parameters = new LinkedHashMap<String, String>();
      parameters.put("sections", String.join(", ", sections()));
      parameters.put("target", new Names(model, tokenizer).output(question.target()));
      if (question.foil().isPresent()) {
        parameters.put("foil", foil());
      }
      parameters.put("metric", question.metric().text());
      parameters.put("position", Integer.toString(question.position()));
      config.corrupt.ifPresent(corrupt -> parameters.put("corrupt", corrupt.text()));
      config.subject.ifPresent(span ->
          parameters.put(
              "subject",
              String.join("", lens.tokens().subList(span.first(), span.last() + 1)).strip()));
      return new Provenance(
          lens.model(),
          lens.weights(),
          lens.version(),
          lens.tokenIds(),
          lens.tokens(),
          parameters,
          lens.seed(),
          lens.dtype(),
          seconds,
          Memory.peakBytes());
    }
  }

  /// A time as people say it: `2 s`, `3 min`.
  public static String spoken(double seconds) {
    if (seconds < 1) {
      return "1 s";
    }
    return seconds < 100
        ? String.format(Locale.ROOT, "%.0f s", seconds)
        : String.format(Locale.ROOT, "%.0f min", Math.max(2, seconds / 60));
  }

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
}
